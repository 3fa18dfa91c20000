"""A small disk of its own, that can be filled to the last page and emptied again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

REQUIRED = "VEILMATCH_REQUIRE_MOUNT"


@dataclass(frozen=True)
class SmallDisk:
    """A mounted folder of a few megabytes."""

    folder: Path

    @property
    def free_len(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self, leave_len: int = 0) -> None:
        """Take all room but that; what others write meanwhile counts as well."""
        handle = os.open(self._ballast, os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                taken = os.fstat(handle).st_size
                wanted = taken + self.free_len - leave_len
                with suppress(OSError):  # somebody else took a page in between
                    if wanted > taken:
                        os.posix_fallocate(handle, 0, wanted)
                    return
        finally:
            os.close(handle)

    def empty(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"


@contextmanager
def small_disk(folder: Path, length: int) -> Iterator[SmallDisk]:
    """Mount a disk in memory on ``folder``; where that is not allowed, the test is skipped."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={length},mode=0755", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        assert not os.environ.get(REQUIRED), done.stderr
        pytest.skip(f"a small disk cannot be mounted here, which root may: {done.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
