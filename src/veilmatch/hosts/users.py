"""Which user of the host is which account: one SQLite file that never leaves the host.

The service knows accounts by pseudonyms alone. When it confirms a case it names a pseudonym,
and only this file says whose it is.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veilmatch.errors import ConfigError, InputError, StoreError

MAX_NAME_LEN = 200
_APPLICATION_ID = 0x564D4855  # "VMHU"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS host_user (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  account BLOB UNIQUE,
  is_pending INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS host_user_pending ON host_user (is_pending) WHERE is_pending;
"""


def check_name(name: str) -> str:
    """Accept a host's own name or number of a user. Raises InputError."""
    if not name or len(name) > MAX_NAME_LEN or not name.isprintable():
        raise InputError(
            f"a user's name has 1 to {MAX_NAME_LEN} printable characters",
            hint="the host's own stable number of the user is best",
        )
    return name


class HostUsers:
    """The users' file.

    Args:
        path: The file; made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_CREAT | os.O_RDWR, 0o600)):
            pass
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        with _named():
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA busy_timeout=10000")
            (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (mark,) = self._connection.execute("PRAGMA application_id").fetchone()
        if tables and mark != _APPLICATION_ID:
            raise ConfigError(
                "the users' file is another program's",
                setting="data",
                hint="give a folder of Veilmatch's own; the file was not changed",
            )
        with _named():
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._connection.executescript(_SCHEMA)

    def __repr__(self) -> str:
        return "HostUsers(<private>)"

    def number_of(self, name: str) -> int:
        """Return a user's number; a name that is new gets the next one. Raises InputError."""
        check_name(name)
        with _named():
            self._connection.execute(
                "INSERT INTO host_user (name) VALUES (?) ON CONFLICT DO NOTHING", (name,)
            )
            (number,) = self._connection.execute(
                "SELECT number FROM host_user WHERE name = ?", (name,)
            ).fetchone()
        found: int = number
        return found

    def save_account(self, number: int, account: bytes) -> None:
        """Note a user's pseudonym, 16 bytes."""
        with _named():
            self._connection.execute(
                "UPDATE host_user SET account = ? WHERE number = ?", (account, number)
            )

    def find_by_account(self, account: bytes) -> str | None:
        """Return the user behind a pseudonym, or None."""
        with _named():
            row = self._connection.execute(
                "SELECT name FROM host_user WHERE account = ?", (account,)
            ).fetchone()
        return row[0] if row else None

    def mark_pending(self, number: int, *, is_pending: bool) -> None:
        """Note, durably and before anything is added, that something may wait to be sent."""
        with _named():
            self._connection.execute(
                "UPDATE host_user SET is_pending = ? WHERE number = ? AND is_pending <> ?",
                (is_pending, number, is_pending),
            )

    def pending(self) -> list[tuple[int, str]]:
        """List the users with something to send, as (number, name)."""
        with _named():
            rows = self._connection.execute(
                "SELECT number, name FROM host_user WHERE is_pending ORDER BY number"
            )
            return [(number, name) for number, name in rows]

    def count(self) -> int:
        """Count the users."""
        with _named():
            (count,) = self._connection.execute("SELECT count(*) FROM host_user").fetchone()
        found: int = count
        return found

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as exc:
        raise StoreError(
            "the users' file cannot be used", hint="check free space and permissions"
        ) from exc
