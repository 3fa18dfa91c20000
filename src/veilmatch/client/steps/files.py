"""Read the files of a folder; whatever is not read has a reason that is counted and shown."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from veilmatch.errors import ConfigError

MAX_PICTURE_LEN = 256 << 20  # bytes; larger files are counted as too_large, unread


def absolute(path: Path) -> Path:
    """Return the path from the root, without following links: the same name every time."""
    return Path(os.path.abspath(path))


def walk_files(path: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield each file with None, and each thing that is not looked into with the reason.

    The order is the same every time. A path to one file yields that file.

    Raises:
        ConfigError: There is nothing at the path.
    """
    top = absolute(path)
    if not top.exists():
        raise ConfigError(
            "there is nothing at a path given", setting="path", hint="check its spelling"
        )
    if not top.is_dir():
        yield top, None if top.is_file() else "not_a_file"
        return
    failed: list[str] = []
    for folder, names, files in os.walk(top, onerror=lambda exc: failed.append(exc.filename)):
        names.sort()
        for name in names:
            if Path(folder, name).is_symlink():
                yield Path(folder, name), "linked_folder"  # may lead in a circle
        for name in sorted(files):
            file = Path(folder, name)
            yield file, None if _is_regular(file) else "not_a_file"
    for name in failed:
        yield Path(name), "no_access"


def _is_regular(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return True  # reading it will say no_access


def read_file(file: Path) -> bytes | str:
    """Return a file's bytes, or the reason why not: ``too_large`` or ``no_access``."""
    try:
        if file.stat().st_size > MAX_PICTURE_LEN:
            return "too_large"
        return file.read_bytes()
    except OSError:
        return "no_access"
