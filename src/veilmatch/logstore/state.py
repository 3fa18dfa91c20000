"""What a log or a witness keeps for itself: its key, and the tree it stands for.

The tree is one row in a database. It changes only by comparing it with what the caller read
before, in one transaction; so two programs, or two requests, cannot both go on from there.

Spec: ``spec/80-transparency.md`` rules W-11 and W-14.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from veilmatch.errors import ConfigError, EncodingError, StoreError
from veilmatch.store.files import PRIVATE_MODE, read_file, sync_folder, write_atomic
from veilmatch.transparency.checkpoint import HASH_LEN
from veilmatch.transparency.entries.canonical import Fields, JsonObject, build_json, parse_json
from veilmatch.transparency.entries.entry import ENTRY_LEN
from veilmatch.transparency.key import NoteSigner, SignatureType, derive_signer
from veilmatch.transparency.tree import EMPTY_ROOT

APPLICATION_ID = 0x564D4C47  # "VMLG"
_KEY_FORMAT = "veilmatch-note-key-v1"
_KEY_LEN_MAX = 4096
_BUSY_S = 30.0
SYNCHRONOUS = "FULL"
"""A commit is on the disk before anything leaves."""
_TABLE = """CREATE TABLE IF NOT EXISTS tree (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    old_root BLOB NOT NULL,
    pending BLOB NOT NULL
) STRICT"""


def save_note_key(path: Path, name: str, kind: SignatureType, seed: bytes) -> NoteSigner:
    """Write the key file of a log or a witness, readable by its owner alone.

    Raises:
        ConfigError: A file is there already, or the kind is not available here.
        EncodingError: The name is not usable.

    Secret: ``seed``, ``bytes (32,)``.
    """
    if path.exists():
        raise ConfigError(f"there is a key already: {path}", hint="a key is never replaced")
    signer = derive_signer(name, kind, seed)
    value: JsonObject = {"format": _KEY_FORMAT, "name": name, "kind": int(kind), "seed": seed.hex()}
    write_atomic(path, build_json(value) + b"\n", mode=PRIVATE_MODE)
    return signer


def load_note_signer(path: Path) -> NoteSigner:
    """Read the key file of a log or a witness.

    Raises:
        ConfigError: It is not there.
        EncodingError: It is not a key file.
    """
    hint = "veilmatch log init and veilmatch witness init make one"
    data = read_file(path, "the key", max_len=_KEY_LEN_MAX, hint=hint)
    fields = Fields(parse_json(data.removesuffix(b"\n"), "key file"), "key file")
    if fields.text("format") != _KEY_FORMAT:
        raise EncodingError("not the key file of a log or a witness", field="format")
    name, kind, seed = fields.text("name"), fields.count("kind", 255), fields.digest("seed")
    fields.finish()
    if kind not in SignatureType.__members__.values():
        raise EncodingError("a key of an unknown kind", field="kind")
    return derive_signer(name, SignatureType(kind), seed)


@dataclass(frozen=True)
class SignedTree:
    """The tree that a log stands for, or that a witness signed last.

    Attributes:
        size: How many entries it has.
        root: ``bytes (32,)``, its root.
        old_root: ``bytes (32,)``, root before the pending entries; ``root`` if there are none.
        pending: The last entries, ``bytes (32,)`` each, not yet published with a checkpoint.
    """

    size: int = 0
    root: bytes = field(default=EMPTY_ROOT, repr=False)
    old_root: bytes = field(default=EMPTY_ROOT, repr=False)
    pending: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def old_size(self) -> int:
        """Size before the pending entries."""
        return self.size - len(self.pending)


class SignedTrees:
    """A database with one row for each log.

    Args:
        path: The SQLite file.
        make: Make it if it is not there. Only where something new begins: a witness or a log
            that lost its rows would sign a second history.

    Raises:
        ConfigError: It is not there, or belongs to another program.
        StoreError: It cannot be used.
    """

    def __init__(self, path: Path, *, make: bool = False) -> None:
        self._path = path
        if not make and not path.is_file():
            raise ConfigError(
                f"the database of signed trees is not there: {path}",
                hint="if it was lost, retire the key: without it, forks would be signed",
            )
        if make:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=PRIVATE_MODE)
                sync_folder(path.parent)
            except OSError as exc:
                raise StoreError(f"the database cannot be made: {path}") from exc
        with self._transaction() as connection:
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
            if mark != APPLICATION_ID and (tables or not make):
                raise ConfigError(f"the database is another program's: {path}")
            if make:
                connection.execute(_TABLE)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Run one durable transaction that waits for others and excludes them."""
        try:
            with closing(sqlite3.connect(self._path, _BUSY_S, isolation_level=None)) as connection:
                connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except sqlite3.Error as exc:
            hint = "check permissions and free space"
            raise StoreError("the database of signed trees failed", hint=hint) from exc

    def read(self, origin: str) -> SignedTree | None:
        """Read a log's row; None if there is none. Raises StoreError."""
        with self._transaction() as connection:
            return _read(connection, origin)

    def swap(
        self,
        origin: str,
        old: SignedTree | None,
        new: SignedTree,
        *,
        before: Callable[[], None] = lambda: None,
    ) -> bool:
        """Put a new tree in place of the old one, if the old one is still there.

        Args:
            origin: Which log.
            old: What ``read`` gave.
            new: What is to be there; durable when this returns.
            before: Done while nobody else can change the row, and only if it is the old one.

        Returns:
            Whether the old one was there.

        Raises:
            StoreError: The database failed; nothing was changed.
        """
        with self._transaction() as connection:
            if _read(connection, origin) != old:
                return False
            before()
            connection.execute(
                "INSERT OR REPLACE INTO tree VALUES (?, ?, ?, ?, ?)",
                (origin, new.size, new.root, new.old_root, b"".join(new.pending)),
            )
            return True


def _read(connection: sqlite3.Connection, origin: str) -> SignedTree | None:
    row = connection.execute(
        "SELECT size, root, old_root, pending FROM tree WHERE origin = ?", (origin,)
    ).fetchone()
    if row is None:
        return None
    size, root, old_root, joined = row
    pending = [joined[at : at + ENTRY_LEN] for at in range(0, len(joined), ENTRY_LEN)]
    if len(joined) % ENTRY_LEN or len(pending) > size or {len(root), len(old_root)} != {HASH_LEN}:
        raise StoreError("the database of signed trees is damaged")
    return SignedTree(size, root, old_root, tuple(pending))
