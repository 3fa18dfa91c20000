"""Segments: append-only files of sealed voucher bodies, and the unit of everything after.

A sealed segment is what a worker leases, retries, forgets and deletes. The row in SQL is
the truth: bytes behind the last acknowledged row are a torn tail and mean nothing.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import BinaryIO

from veilmatch.errors import StoreError

SEGMENT_ID_LEN = 16


def segment_path(folder: Path, segment_id: bytes) -> Path:
    """Return the file of a segment."""
    return folder / f"{segment_id.hex()}.segment"


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
        self._path = segment_path(folder, self.segment_id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = open(self._path, "xb", buffering=0)  # noqa: SIM115
        except OSError as exc:
            raise StoreError("a segment cannot be opened", hint="check free space") from exc

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
            view = memoryview(b"".join(bodies))
            written = 0
            while written < len(view):
                written += os.pwrite(self._file.fileno(), view[written:], self.length + written)
            os.fdatasync(self._file.fileno())
        except OSError as exc:
            raise StoreError("a segment cannot be written", hint="check free space") from exc
        self.length = place
        return offsets

    def close(self) -> None:
        """Close the file; the row says when the segment is sealed."""
        self._file.close()


def read_body(folder: Path, segment_id: bytes, offset: int, length: int) -> bytes:
    """Read one sealed body. Raises StoreError if the segment is gone or too short."""
    try:
        with open(segment_path(folder, segment_id), "rb") as file:
            data = os.pread(file.fileno(), length, offset)
    except OSError as exc:
        raise StoreError("a segment cannot be read") from exc
    if len(data) != length:
        raise StoreError("a segment is shorter than its rows say")
    return data


def delete_segment(folder: Path, segment_id: bytes) -> None:
    """Delete a segment's file; deleting it twice is harmless."""
    try:
        segment_path(folder, segment_id).unlink(missing_ok=True)
    except OSError as exc:
        raise StoreError("a segment cannot be deleted") from exc
