"""Fetch a table's shards, several at once, going on where an earlier run stopped.

A shard is checked against the signed list before it is written, so the file never holds a byte
that is not the signed one, and what it holds after a crash is found by its digest again.
"""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from veilmatch.client.transport import Progress, Transport, quiet
from veilmatch.errors import MetadataError, StoreError, TableError
from veilmatch.release.shards import ShardList, verify_shard

PARALLEL = 4
_SPARE_LEN = 16 << 20  # bytes of disk that a download must leave free


class _Table:
    """The table's file while it is being filled."""

    def __init__(self, file: BinaryIO, shards: ShardList, progress: Progress) -> None:
        self._file = file
        self._shards = shards
        self._progress = progress
        self._done = 0
        self._lock = threading.Lock()
        self.stopped = threading.Event()

    def find_missing(self) -> list[int]:
        """Say which shards the file does not hold yet."""
        missing = []
        for number in range(len(self._shards.digests)):
            offset, length = self._shards.span(number)
            self._file.seek(offset)
            if self._shards.is_shard(number, self._file.read(length)):
                self._done += length
            else:
                missing.append(number)
        return missing

    def write(self, number: int, data: bytes) -> None:
        """Write one checked shard to its place."""
        with self._lock:
            self._file.seek(self._shards.span(number)[0])
            self._file.write(data)
            self._done += len(data)
            self._progress(self._done, self._shards.table_len)


def fetch_shards(
    transport: Transport, shards: ShardList, path: Path, progress: Progress = quiet
) -> None:
    """Fetch what is missing of a table into its file.

    Raises:
        TableError: A shard is not the signed one. StoreError: Too little space.
        NetworkError: Try again; what is there stays.
    """
    have = path.stat().st_size if path.exists() else 0
    if shutil.disk_usage(path.parent).free < shards.table_len - have + _SPARE_LEN:
        raise StoreError(
            "there is not enough disk space for the release's table",
            hint="free some space and try again",
        )
    try:
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(shards.table_len)
            table = _Table(file, shards, progress)
            _fetch_all(transport, shards, table, table.find_missing())
    except OSError as exc:
        raise StoreError("the table cannot be written", hint="check free space") from exc


def _fetch_all(transport: Transport, shards: ShardList, table: _Table, missing: list[int]) -> None:
    def fetch(number: int) -> None:
        if table.stopped.is_set():
            return
        length = shards.span(number)[1]
        try:
            data = transport.fetch_file(f"shards/{shards.digests[number].hex()}", length)
        except MetadataError as exc:
            raise TableError(f"shard {number} of the table is longer than the signed one") from exc
        table.write(number, verify_shard(shards, number, data))

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="shards") as pool:
        waiting = [pool.submit(fetch, number) for number in missing]
        try:
            for future in waiting:
                future.result()
        except BaseException:
            # One failure is enough; those that are under way end, the rest are not begun.
            table.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
