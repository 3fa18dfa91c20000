"""Statements that both databases know, each in its own dialect."""

from __future__ import annotations

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Build the dialect's INSERT, which has ``on_conflict_do_nothing`` and ``…_do_update``.

    The result's ``rowcount`` is the number of rows that were inserted, on both.
    """
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).execution_options(preserve_rowcount=True)
    return sqlite.insert(table).execution_options(preserve_rowcount=True)
