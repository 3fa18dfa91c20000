"""The state file: everything a device remembers, in one SQLite file that one process holds.

WAL with ``synchronous=FULL``: what ``transaction`` committed is there after a power cut. The
file is locked for as long as it is open, so two processes never decide about one picture.
Guide: ``docs/guides/app-developer.md``, "The state file".
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from veilmatch.errors import ConfigError, Error, StoreError

APPLICATION_ID = 0x564D434C  # "VMCL"
SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE asset (
  asset_id BLOB PRIMARY KEY CHECK (length(asset_id) = 16),
  content BLOB,
  kind TEXT NOT NULL CHECK (kind IN ('real', 'synthetic', 'null')),
  state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'elsewhere', 'deleting', 'deleted')),
  source TEXT
) WITHOUT ROWID;
CREATE INDEX asset_state ON asset (state);
CREATE INDEX asset_source ON asset (source);
CREATE TABLE seen (
  tag BLOB NOT NULL,
  asset_id BLOB NOT NULL REFERENCES asset,
  PRIMARY KEY (tag, asset_id)
) WITHOUT ROWID;
CREATE INDEX seen_asset ON seen (asset_id);
CREATE TABLE outbox (
  number INTEGER PRIMARY KEY,
  asset_id BLOB NOT NULL UNIQUE REFERENCES asset,
  release_id BLOB NOT NULL,
  voucher BLOB NOT NULL,
  stale INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE refused (
  place TEXT PRIMARY KEY,
  content BLOB NOT NULL,
  reason TEXT NOT NULL,
  decoder BLOB NOT NULL
) WITHOUT ROWID;
"""


def _not_a_state() -> ConfigError:
    return ConfigError(
        "the state file is not a Veilmatch client's state",
        setting="state",
        hint="give the file that veilmatch client init made; the file was not changed",
    )


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """Turn what SQLite raises into the tree of ``errors``."""
    try:
        yield
    except sqlite3.Error as exc:
        code = (getattr(exc, "sqlite_errorcode", 0) or 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreError(
                "another process is using this client state",
                hint="wait until it ends, or give this device a state file of its own",
            ) from exc
        if code == sqlite3.SQLITE_NOTADB:
            raise _not_a_state() from exc
        if code == sqlite3.SQLITE_CORRUPT:
            raise StoreError(
                "the client state is damaged",
                hint="restore it from a backup, or start anew from an account export",
            ) from exc
        if code == sqlite3.SQLITE_FULL:
            raise StoreError(
                "no space is left for the client state", hint="free some space and try again"
            ) from exc
        raise StoreError(
            "the client state could not be read or written",
            hint="check the disk and the file's permissions, then try again",
        ) from exc


class State:
    """An open state file. Use it as a context manager, from one thread at a time.

    Args:
        path: An existing state file.

    Raises:
        ConfigError: There is none, it is something else, or a newer version made it.
        StoreError: Another process holds it, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise ConfigError(
                "there is no client state at the path given",
                setting="state",
                hint="make one with veilmatch client init",
            )
        with _named_errors():
            if os.name == "posix":
                path.chmod(0o600)
            self._db = _connect(path)
            try:
                self._check_and_lock()
            except (sqlite3.Error, Error):
                self._db.close()
                raise

    @classmethod
    def create(
        cls,
        path: Path,
        settings: Mapping[str, bytes],
        fill: Callable[[State], None] = lambda state: None,
    ) -> State:
        """Make a state file with its first settings, whole or not at all.

        Args:
            path: Where; nothing may stand there.
            settings: The first settings.
            fill: Writes what else belongs into it before it gets its name.

        Raises:
            ConfigError: Something stands at the path. StoreError: It cannot be written.
        """
        taken = ConfigError(
            "something already stands at the path of the new client state",
            setting="state",
            hint="give another path; an account's state is never overwritten",
        )
        if path.exists():
            raise taken
        # mkstemp makes the file readable by this user only.
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        fresh = Path(name)
        try:
            with _named_errors():
                _write_schema(fresh, settings)
            with cls(fresh) as state:
                fill(state)
            sync_path(fresh)
            try:
                os.link(fresh, path)  # never replaces what another process made meanwhile
            except FileExistsError:
                raise taken from None
            except OSError:  # a file system without links
                if path.exists():
                    raise taken from None
                fresh.rename(path)
            sync_path(path.parent)
        finally:
            fresh.unlink(missing_ok=True)
        return cls(path)

    def _check_and_lock(self) -> None:
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION_ID:
            raise _not_a_state()
        if version != SCHEMA_VERSION:
            raise ConfigError(
                f"the client state has version {version}, this program knows {SCHEMA_VERSION}",
                setting="state",
                hint="update the program",
            )
        if self._db.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
            raise StoreError("the client state cannot use a write-ahead log on this disk")
        # With locking_mode=EXCLUSIVE the lock that this takes is kept until the file is closed;
        # the kernel drops it when the process dies.
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file and give up the lock."""
        with _named_errors():
            self._db.close()

    def __enter__(self) -> State:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "State(<private>)"

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside at once, durably, or nothing of it."""
        with _named_errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with _named_errors():
            return self._db.execute(sql, values).fetchall()

    def write(self, sql: str, *values: object) -> int:
        """Run one statement; return how many rows it changed."""
        with _named_errors():
            return self._db.execute(sql, values).rowcount

    def write_many(self, sql: str, values: Iterable[tuple[object, ...]]) -> None:
        """Run one statement for many rows."""
        with _named_errors():
            self._db.executemany(sql, values)

    def setting(self, name: str) -> bytes | None:
        """Return a setting, or None."""
        found = self.rows("SELECT value FROM setting WHERE name = ?", name)
        return bytes(found[0][0]) if found else None

    def require_setting(self, name: str) -> bytes:
        """Return a setting that every state has. Raises StoreError."""
        value = self.setting(name)
        if value is None:
            raise StoreError(
                f"the client state lacks its setting {name}",
                hint="restore it from a backup, or start anew from an account export",
            )
        return value

    def save_setting(self, name: str, value: bytes) -> None:
        """Write a setting. It is durable once the transaction around it is."""
        self.write("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", name, value)

    def number(self, name: str) -> int:
        """Return a numeric setting; 0 if it was never written."""
        return int.from_bytes(self.setting(name) or b"", "big")

    def save_number(self, name: str, value: int) -> None:
        """Write a numeric setting."""
        self.save_setting(name, value.to_bytes(8, "big"))


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.resolve()))}?mode=rw"
    # The SDK is used from one thread at a time, which need not be the one that opened it.
    db = sqlite3.connect(uri, uri=True, timeout=0.5, isolation_level=None, check_same_thread=False)
    for pragma in ("locking_mode=EXCLUSIVE", "synchronous=FULL", "secure_delete=ON"):
        db.execute(f"PRAGMA {pragma}")
    db.execute("PRAGMA foreign_keys=ON")
    return db


def _write_schema(path: Path, settings: Mapping[str, bytes]) -> None:
    """Write an unnamed file's first content. Nothing of it needs to last before it has a name."""
    db = _connect(path)
    try:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("PRAGMA journal_mode=MEMORY")
        db.execute("BEGIN")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        db.executemany("INSERT INTO setting (name, value) VALUES (?, ?)", settings.items())
        db.execute("COMMIT")
    finally:
        db.close()


def sync_path(path: Path) -> None:
    """Make a file's bytes or a folder's names durable, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
