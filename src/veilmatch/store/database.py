"""The database: SQLite in WAL mode or PostgreSQL, every commit durable. One engine per process."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from veilmatch.errors import ConfigError, StoreError
from veilmatch.store import schema
from veilmatch.store.files import PRIVATE_MODE
from veilmatch.store.statements import insert, register_packed_array

APPLICATION_ID = 0x564D5354  # "VMST"
_BUSY_MS = 30_000
_SHARDS = 16
_version = Table("alembic_version", MetaData(), Column("version_num", Text))


def _configure(connection: Any, _record: object) -> None:
    # Transactions are begun by hand (BEGIN IMMEDIATE), so that a writer waits instead of
    # failing when another one is at work.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # destroyed keys leave the file as well
    cursor.close()


def _require_ours(path: Path) -> None:
    """Refuse another program's database before anything is changed in it."""
    with closing(sqlite3.connect(path)) as connection:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
    if tables and mark != APPLICATION_ID:
        raise ConfigError(
            f"the database is another program's: {path}",
            setting="data",
            hint="give a folder of Veilmatch's own; the file was not changed",
        )


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _read_revision(connection: Connection) -> str | None:
    """Read the migration reached, without loading Alembic: every command does this."""
    if not inspect(connection).has_table(_version.name):
        return None
    found: str | None = connection.execute(select(_version.c.version_num)).scalar()
    return found


def _upgrade(connection: Connection) -> list[str]:
    from veilmatch.store.migrations.upgrade import upgrade  # Alembic, only where it is needed

    return upgrade(connection)


def newer() -> ConfigError:
    """Build the refusal of a database of a newer version."""
    return ConfigError(
        "the database is of another version of Veilmatch",
        setting="data",
        hint="use the newer program, or bring back the backup from before it",
    )


def is_url(place: Path | str) -> bool:
    """Say whether a place is a PostgreSQL server's URL and not a file."""
    return isinstance(place, str) and place.startswith(("postgresql://", "postgres://"))


def _sqlite_engine(path: Path) -> Engine:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=PRIVATE_MODE)
        _require_ours(path)
    except (OSError, sqlite3.Error) as exc:
        raise _unusable(path) from exc
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False},
        hide_parameters=True,  # values are private, also in a message that nobody expects
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _postgres_engine(url: str) -> Engine:
    try:
        parsed = make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError) as exc:
        raise ConfigError("the database's URL does not parse", setting="database") from exc
    register_packed_array()
    return create_engine(
        parsed,
        hide_parameters=True,
        pool_pre_ping=True,  # a server that was restarted is found again without an error
        isolation_level="READ COMMITTED",
    )


def _unusable(place: Path | None) -> StoreError:
    if place is None:  # a URL may hold a password
        return StoreError(
            "the database server cannot be used",
            hint="check that it runs and that --database names it",
        )
    return StoreError(
        f"the database cannot be used: {place}",
        hint="check that the path is a Veilmatch store and that it may be written",
    )


class Database:
    """Opens the store's database.

    A file is SQLite, embedded: it migrates itself. A URL (``postgresql://…``) is a server:
    ``veilmatch admin migrate`` does it, and every role calls ``require_current`` first.

    Args:
        place: The SQLite file, or the server's URL.

    Raises:
        StoreError: It cannot be opened. ConfigError: Not ours, or of another version.
    """

    def __init__(self, place: Path | str) -> None:
        self.is_embedded = not is_url(place)
        path = Path(place) if self.is_embedded else None
        self._engine = _postgres_engine(str(place)) if path is None else _sqlite_engine(path)
        try:
            if self.is_embedded:
                self._prepare()
        except StoreError as exc:
            self._engine.dispose()
            raise _unusable(path) from exc
        except ConfigError:
            self._engine.dispose()
            raise

    def _prepare(self) -> None:
        """Migrate an embedded database, then make what has no migration yet."""
        with self.transaction() as connection:
            if _read_revision(connection) != schema.HEAD:
                _upgrade(connection)
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        self.create_missing()

    def create_missing(self) -> None:
        """Make the declared tables that are not there; on a server, ``migrate`` does it."""
        with self.transaction() as connection:
            schema.metadata.create_all(connection)

    def migrate(self) -> list[str]:
        """Bring the tables to this version: all steps or none. Returns the steps taken.

        Raises:
            ConfigError: The database is of a newer version. StoreError: It cannot be changed.
        """
        with self.transaction() as connection:
            if not self.is_embedded:  # two at once: the second finds nothing to do
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({APPLICATION_ID})")
            return _upgrade(connection)

    def is_fresh(self) -> bool:
        """Say whether nothing was ever stored: then, and only then, a new store key is right."""
        with self.transaction() as connection:
            for table in (schema.voucher, schema.share, schema.case_file):
                if connection.execute(select(table).limit(1)).first() is not None:
                    return False
        return True

    def require_current(self) -> None:
        """Refuse a server whose tables are not of this version; called by every role.

        Raises:
            ConfigError: Not migrated, or of a newer version. StoreError: It is not there.
        """
        try:
            with self.transaction() as connection:
                reached = _read_revision(connection)
        except StoreError:
            raise _unusable(None) from None
        if reached == schema.HEAD:
            return
        if reached is None or reached < schema.HEAD:
            raise ConfigError(
                "the database has not been migrated to this version",
                setting="database",
                hint="run veilmatch admin migrate once, with every service stopped",
            )
        raise newer()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run one transaction: all of it, durable, or nothing. Raises StoreError."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as exc:
            failure = StoreError("the database failed; nothing of this step was kept")
            if self.is_embedded:
                raise failure from exc
            # PostgreSQL's own messages quote the values of rows: they end here.
            raise failure from None

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


# By hand, for it runs with every group of vouchers: building it anew each time costs more
# than sending it.
_ADD_ON_SERVER = """
INSERT INTO counter (name, shard, value) VALUES (%s, %s, %s)
ON CONFLICT (name, shard) DO UPDATE SET value = counter.value + excluded.value
"""


def add_to_counter(connection: Connection, name: str, amount: int) -> None:
    """Add to a counter inside a transaction."""
    if not amount:
        return
    if connection.dialect.name == "postgresql":
        # On a server several processes count at once: they would wait for one row.
        shard = secrets.randbelow(_SHARDS)
        connection.exec_driver_sql(_ADD_ON_SERVER, (name, shard, amount))
        return
    statement = insert(connection, schema.counter)
    connection.execute(
        statement.values(name=name, shard=0, value=amount).on_conflict_do_update(
            index_elements=[schema.counter.c.name, schema.counter.c.shard],
            set_={"value": schema.counter.c.value + amount},
        )
    )


def read_counters(database: Database) -> dict[str, int]:
    """Read all counters."""
    counter = schema.counter.c
    query = select(counter.name, func.sum(counter.value)).group_by(counter.name)
    with database.transaction() as connection:
        return {name: int(value) for name, value in connection.execute(query)}
