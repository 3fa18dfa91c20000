"""Migrations make exactly the declared tables, on both databases, from every earlier version."""

from __future__ import annotations

import importlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.databases import Cluster
from tests.meta.source import PACKAGE, module_name
from veilmatch.cli.all_tables import ROOMS_WITH_TABLES, load_tables
from veilmatch.errors import ConfigError, StoreError
from veilmatch.store import schema
from veilmatch.store.database import Database
from veilmatch.store.migrations.upgrade import find_differences, find_revisions

_V1 = Path(__file__).with_name("version-0.1.sql")


@pytest.fixture
def empty_url(postgres_cluster: Cluster) -> Iterator[str]:
    """A PostgreSQL database without a table."""
    url = postgres_cluster.create_empty()
    yield url
    postgres_cluster.drop(url)


def _migrated(place: Path | str) -> Database:
    database = Database(place)
    database.migrate()
    return database


def _differences(database: Database) -> list[str]:
    with database.transaction() as connection:
        return find_differences(connection, load_tables())


def test_head_is_the_newest_step() -> None:
    assert find_revisions() == [f"{n:04d}" for n in range(1, int(schema.HEAD) + 1)]


def test_every_room_with_tables_is_known() -> None:
    found = {module_name(path) for path in PACKAGE.rglob("tables.py")}
    rooms = {name for name in found if hasattr(importlib.import_module(name), "metadata")}
    assert rooms == set(ROOMS_WITH_TABLES)


def test_every_sealed_column_says_to_what_it_is_bound() -> None:
    for table in load_tables().sorted_tables:
        for column in table.columns:
            assert column.name.startswith("sealed_") == ("sealed" in column.info), column


def test_embedded_migrations_make_the_declared_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "create_missing", lambda _self: None)
    with closing(Database(tmp_path / "store.sqlite")) as database:
        assert _differences(database) == []


def test_the_servers_migrations_make_the_declared_tables(empty_url: str) -> None:
    with closing(_migrated(empty_url)) as database:
        assert _differences(database) == []
        assert database.migrate() == []


def test_a_difference_is_found_and_named(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "store.sqlite")) as database:
        with database.transaction() as connection:
            connection.execute(text("ALTER TABLE device ADD COLUMN extra INTEGER"))
            connection.execute(text("DROP TABLE share"))
        found = " ".join(_differences(database))
    assert "remove_column device extra" in found
    assert "add_table share" in found


def test_a_server_is_refused_until_it_is_migrated(empty_url: str) -> None:
    with closing(Database(empty_url)) as database:
        with pytest.raises(ConfigError) as caught:
            database.require_current()
        assert "veilmatch admin migrate" in caught.value.hint
        assert database.migrate() == find_revisions()
        database.require_current()


@pytest.mark.parametrize("revision", ["9999", "zzzz"])
def test_a_newer_database_is_refused_and_not_changed(
    database_place: Path | str, revision: str
) -> None:
    with closing(_migrated(database_place)) as database:
        with database.transaction() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
        with pytest.raises(ConfigError, match="another version"):
            database.migrate()
        with pytest.raises(ConfigError, match="another version"):
            database.require_current()
    if isinstance(database_place, Path):
        before = database_place.read_bytes()
        with pytest.raises(ConfigError, match="another version"):
            Database(database_place)
        assert database_place.read_bytes() == before


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with (
        closing(Database("postgresql://user:secret@127.0.0.1:1/none")) as database,
        pytest.raises(StoreError) as caught,
    ):
        database.require_current()
    assert "secret" not in str(caught.value) + caught.value.hint
    assert caught.value.__cause__ is None


def test_a_url_that_does_not_parse_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        Database("postgresql://user:secret@host:port/x")
    assert "secret" not in str(caught.value)


def test_a_database_of_version_0_1_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_V1.read_text(encoding="utf-8"))
    with closing(Database(path)) as database:
        assert _differences(database) == []
        with database.transaction() as connection:
            counters = connection.execute(text("SELECT name, shard, value FROM counter")).all()
            vouchers = connection.execute(
                text("SELECT state, deleted_day, length(sealed_key) FROM voucher")
            ).all()
            segments = connection.execute(text("SELECT state, location FROM segment")).all()
    assert [tuple(row) for row in counters] == [("intake stored", 0, 7)]
    assert [tuple(row) for row in vouchers] == [("waiting", None, 61)]
    assert [tuple(row) for row in segments] == [("sealed", "local")]


def test_a_failed_migration_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_V1.read_text(encoding="utf-8"))
        before = list(connection.iterdump())
    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.drop_table", _fail)
        with pytest.raises(StoreError):
            Database(path)
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before
    Database(path).close()


def _fail(*_: object, **__: object) -> None:
    raise StoreError("ended here")


# Sealed under the store's key, but not in a column of its own; `admin rotate-keys --retire`
# looks at the first itself, and the docs name the others.
_NOT_COLUMNS = {("outbox_file", "content"), ("shard_done", "output")}


def test_what_is_sealed_in_a_column_is_declared_so() -> None:
    """A sealed value that no declaration knows would be lost when its key is destroyed."""
    declared = {
        (column.table.name, column.info["sealed"].column)
        for table in load_tables().sorted_tables
        for column in table.columns
        if "sealed" in column.info
    }
    called = re.compile(r'crypter\.seal\(\s*[^"]*"(\w+)",\s*[^"]*"(\w+)"\s*\)', re.DOTALL)
    found = {
        match.groups()
        for path in PACKAGE.rglob("*.py")
        for match in called.finditer(path.read_text(encoding="utf-8"))
    }
    assert len(found) >= 6
    assert found - _NOT_COLUMNS <= declared
