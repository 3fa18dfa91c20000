"""Blobs: whole files under names, in a folder or an S3 bucket, through obstore.

Every call is bounded: a few tries, a few seconds each, then StoreError. Nothing here is
trusted with secrets: what is put here was sealed before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from veilmatch.errors import ConfigError, StoreError
from veilmatch.store.files import sync_folder

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_RETRIES: RetryConfig = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=5),
        "base": 2,
    },
}
_PART_LEN = 8 << 20
Listed = tuple[str, int, int]
"""Name, length in bytes, seconds since 1970 of the last change."""


class Blobs:
    """A store of blobs.

    Args:
        store: obstore's store.
        folder: The folder, if it is one: what is put there is synced.
    """

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        self._store, self._folder = store, folder

    def write_file(self, name: str, path: Path) -> None:
        """Put a file under a name, durably; again is harmless. Raises StoreError."""
        with _named("written"):
            # In parts if it is large; a reader sees all of it or nothing.
            obstore.put(self._store, name, path, chunk_size=_PART_LEN, max_concurrency=2)
        if self._folder is not None:
            self._sync(self._folder, name)

    def _sync(self, folder: Path, name: str) -> None:
        path = folder / name
        try:
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            sync_folder(path.parent)
            sync_folder(folder)
        except OSError as exc:
            raise StoreError("a blob cannot be written", hint="check free space") from exc

    def read(self, name: str) -> bytes:
        """Read a whole blob. Raises StoreError if it is not there or cannot be reached."""
        with _named("read"):
            return obstore.get(self._store, name).bytes().to_bytes()

    def length(self, name: str) -> int | None:
        """Return a blob's length in bytes; None if it is not there. Raises StoreError."""
        try:
            with _named("read"):
                return obstore.head(self._store, name)["size"]
        except StoreError as exc:
            if isinstance(exc.__cause__, (NotFoundError, FileNotFoundError)):
                return None
            raise

    def delete(self, name: str) -> None:
        """Delete a blob; deleting it twice is harmless. Raises StoreError."""
        try:
            with _named("deleted"):
                obstore.delete(self._store, name)
        except StoreError as exc:
            if not isinstance(exc.__cause__, (NotFoundError, FileNotFoundError)):
                raise

    def list(self, prefix: str) -> Iterator[Listed]:
        """List blobs below a prefix, a page at a time. Raises StoreError."""
        with _named("listed"):
            for page in obstore.list(self._store, prefix):
                for one in page:
                    yield one["path"], one["size"], int(one["last_modified"].timestamp())


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as exc:
        raise StoreError(
            f"a blob cannot be {what}", hint="check that the blob store is there and may be used"
        ) from exc


def open_blobs(place: str, *, timeout_s: float = 30.0) -> Blobs:
    """Open a store of blobs.

    Args:
        place: A folder, or ``s3://bucket/prefix``. Keys, region and endpoint of S3 come from
            the usual variables: ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``,
            ``AWS_REGION``, ``AWS_ENDPOINT_URL``, ``AWS_ALLOW_HTTP``.
        timeout_s: How long one request may take.

    Raises:
        ConfigError: The place does not parse. StoreError: The folder cannot be made.
    """
    if place.startswith("s3://"):
        try:
            return _open_s3(place, timeout_s)
        except (BaseError, ValueError) as exc:
            raise ConfigError("the blob store's place does not parse", setting="blobs") from exc
    if "://" in place:
        raise ConfigError(
            "a blob store of that kind is not known",
            setting="blobs",
            hint="give a folder or s3://bucket/prefix",
        )
    folder = Path(place)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Blobs(LocalStore(folder), folder)
    except (BaseError, OSError) as exc:
        raise StoreError("the folder of blobs cannot be made", hint="check its place") from exc


def _open_s3(place: str, timeout_s: float) -> Blobs:
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    if not bucket:
        raise ConfigError("the blob store's place names no bucket", setting="blobs")
    options: ClientConfig = {
        "timeout": timedelta(seconds=timeout_s),
        "connect_timeout": timedelta(seconds=min(5.0, timeout_s)),
        # Options that are given here switch off the one of the environment.
        "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes"),
    }
    return Blobs(
        S3Store(bucket, prefix=prefix or None, client_options=options, retry_config=_RETRIES)
    )
