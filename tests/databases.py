"""The fixture ``database``: every test that takes it runs on SQLite and on PostgreSQL.

PostgreSQL is the cluster that ``VEILMATCH_TEST_POSTGRES`` names (a URL of a user who may
create databases; ``tools/postgres.py start`` prints one). Each test gets a database of its
own there, copied from a template that is made once per process. Where the variable is not
set, those tests are skipped and say so.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from veilmatch.store.database import Database

VARIABLE = "VEILMATCH_TEST_POSTGRES"


@dataclass
class Cluster:
    """A PostgreSQL server on which tests may create databases."""

    url: str
    template: str = ""
    made: list[str] = field(default_factory=list)

    def create(self) -> str:
        """Create a database with all tables. Returns its URL."""
        if not self.template:
            self.template = self._create(None)
            migrated = Database(self.url_of(self.template))
            migrated.migrate()
            migrated.create_missing()
            migrated.close()
        return self.url_of(self._create(self.template))

    def create_empty(self) -> str:
        """Create a database without a table. Returns its URL."""
        return self.url_of(self._create(None))

    def _create(self, template: str | None) -> str:
        name = f"veilmatch_test_{secrets.token_hex(6)}"
        source = sql.Identifier(template or "template0")
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), source)
        )
        self.made.append(name)
        return name

    def drop(self, url: str) -> None:
        """Drop a database, whoever still holds it."""
        name = make_url(url).database or ""
        self.made.remove(name)
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def url_of(self, name: str) -> str:
        """Return the URL of a database of this cluster."""
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """The cluster that the environment names; without one the test is skipped."""
    url = os.environ.get(VARIABLE)
    if not url:
        pytest.skip(f"{VARIABLE} is not set; tools/postgres.py start prints a value for it")
    cluster = Cluster(url)
    yield cluster
    for name in list(reversed(cluster.made)):
        cluster.drop(cluster.url_of(name))


@pytest.fixture(params=["sqlite", "postgres"])
def database_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Where a fresh database is: a file's path, or a URL."""
    if request.param == "sqlite":
        yield tmp_path / "store.sqlite"
        return
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    url = cluster.create()
    yield url
    cluster.drop(url)


@pytest.fixture
def database(database_place: Path | str) -> Iterator[Database]:
    """A fresh database with all tables, closed at the end."""
    made = Database(database_place)
    made.create_missing()
    yield made
    made.close()
