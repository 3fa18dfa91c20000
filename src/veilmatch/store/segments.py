"""Segments: append-only files of sealed voucher bodies, and the unit of everything after.

A sealed segment is what a worker leases, retries, forgets and deletes. The row in SQL is
the truth: bytes behind the last acknowledged row are a torn tail and mean nothing.

A writer holds a lock on its open file. The lock ends with the process, however that ends,
so whoever gets it knows that the segment has no writer any more. No clock is involved.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from veilmatch.errors import StoreError
from veilmatch.store.blobs import Blobs
from veilmatch.store.files import PRIVATE_MODE, sync_folder

SEGMENT_ID_LEN = 16
_VECTOR = 256  # bodies in one call; the system takes 1024
_UNFINISHED_S = 3600  # a file that has no lock yet is left alone for so long


def segment_path(folder: Path, segment_id: bytes) -> Path:
    """Return the file of a segment."""
    return folder / f"{segment_id.hex()}.segment"


def blob_name(segment_id: bytes) -> str:
    """Return the blob of a segment."""
    return f"segments/{segment_id.hex()}.segment"


class SegmentWriter:
    """Appends to one open segment; one writer, one file.

    Args:
        folder: Where segments live.
        opened_at: Seconds since 1970.
    """

    def __init__(self, folder: Path, opened_at: int) -> None:
        self.segment_id = secrets.token_bytes(SEGMENT_ID_LEN)
        self.opened_at = opened_at
        self.length = 0
        self._begun = time.monotonic()
        path = segment_path(folder, self.segment_id)
        unlocked = path.with_suffix(".new")
        self._handle = -1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Only now under its name: a segment without a lock has no writer.
            os.replace(unlocked, path)
            sync_folder(folder)
        except OSError as exc:
            self.close()
            with suppress(OSError):
                unlocked.unlink(missing_ok=True)
            raise StoreError("a segment cannot be opened", hint="check free space") from exc

    @property
    def age_s(self) -> float:
        """Seconds that it has been open, whatever the clock was set to meanwhile."""
        return time.monotonic() - self._begun

    def append(self, bodies: list[bytes]) -> list[int]:
        """Append bodies and make them durable. Returns the offset of each.

        Raises:
            StoreError: The write failed; nothing of it may be acknowledged.
        """
        offsets, place = [], self.length
        for body in bodies:
            offsets.append(place)
            place += len(body)
        try:
            self._write(bodies)
            os.fdatasync(self._handle)
        except OSError as exc:
            raise StoreError("a segment cannot be written", hint="check free space") from exc
        self._release_cache(place)
        self.length = place
        return offsets

    def _write(self, bodies: list[bytes]) -> None:
        """Hand the bodies over as they lie in memory; what was cut short goes on by itself."""
        place = self.length
        for start in range(0, len(bodies), _VECTOR):
            part = bodies[start : start + _VECTOR]
            length = sum(map(len, part))
            written = os.pwritev(self._handle, part, place)
            if written < length:
                rest = memoryview(b"".join(part))
                while written < length:
                    written += os.pwrite(self._handle, rest[written:], place + written)
            place += length

    def _release_cache(self, end: int) -> None:
        """Give back the system's memory of what was just synced: nobody reads it for hours.

        The next group then goes through the same pages, which are still in the processor's
        caches, and the memory stays the database's.
        """
        if hasattr(os, "posix_fadvise"):
            with suppress(OSError):  # advice; some file systems know none
                os.posix_fadvise(
                    self._handle, self.length, end - self.length, os.POSIX_FADV_DONTNEED
                )

    def close(self) -> None:
        """Close the file, which gives up its lock; the row says when the segment is sealed."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


@contextmanager
def hold_abandoned(path: Path) -> Iterator[bool]:
    """Hold a segment's lock if nobody else does. Yields False if it has a writer or is gone."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def is_abandoned(folder: Path, segment_id: bytes) -> bool:
    """Say whether a segment's file is here and has no writer any more."""
    with hold_abandoned(segment_path(folder, segment_id)) as is_held:
        return is_held


def list_files(folder: Path) -> list[tuple[bytes, Path]]:
    """List the segment files of a folder, and half-made ones that nobody finishes."""
    found = []
    for path in [*folder.glob("*.segment"), *folder.glob("*.new")]:
        with suppress(ValueError, OSError):
            segment_id = bytes.fromhex(path.stem)
            if path.suffix == ".segment" or time.time() - path.stat().st_mtime > _UNFINISHED_S:
                found.append((segment_id, path))
    return found


class SegmentShelf:
    """Reads and deletes sealed segments, wherever they lie.

    Args:
        folder: Where this machine's segments live.
        blobs: Where sealed segments are put for all machines; None if they stay here.
    """

    def __init__(self, folder: Path, blobs: Blobs | None = None) -> None:
        self.folder, self.blobs = folder, blobs

    @property
    def location(self) -> str:
        """Where a segment must lie so that a worker with this shelf may take it."""
        return "local" if self.blobs is None else "blob"

    def read(self, segment_id: bytes, location: str) -> bytes:
        """Read a whole segment. Raises StoreError if it is gone or cannot be reached."""
        if location == "blob":
            return self._blobs().read(blob_name(segment_id))
        try:
            return segment_path(self.folder, segment_id).read_bytes()
        except OSError as exc:
            raise StoreError("a segment cannot be read") from exc

    def length(self, segment_id: bytes, location: str) -> int | None:
        """Return a segment's length in bytes; None if it is not there."""
        if location == "blob":
            return self._blobs().length(blob_name(segment_id))
        try:
            return segment_path(self.folder, segment_id).stat().st_size
        except OSError:
            return None

    def upload(self, segment_id: bytes) -> None:
        """Copy a local segment to the blobs; the local file stays. Raises StoreError."""
        self._blobs().write_file(blob_name(segment_id), segment_path(self.folder, segment_id))

    def delete(self, segment_id: bytes, location: str) -> None:
        """Delete a segment; deleting it twice is harmless. Raises StoreError."""
        if location == "blob":
            self._blobs().delete(blob_name(segment_id))
            return
        try:
            segment_path(self.folder, segment_id).unlink(missing_ok=True)
        except OSError as exc:
            raise StoreError("a segment cannot be deleted") from exc

    def _blobs(self) -> Blobs:
        if self.blobs is None:
            raise StoreError(
                "a segment lies in a blob store that was not named",
                hint="give the --blobs that veilmatch serve uses",
            )
        return self.blobs


def cut_body(segment: bytes, offset: int, length: int) -> bytes:
    """Cut one sealed body out of a segment. Raises StoreError if the segment is too short."""
    if offset < 0 or offset + length > len(segment):
        raise StoreError("a segment is shorter than its rows say")
    return segment[offset : offset + length]
