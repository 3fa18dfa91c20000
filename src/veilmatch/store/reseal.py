"""Rotate the keys of sealed columns, in bounded batches; killing it at any moment is safe.

A value says which key sealed it. So what is left to do can always be seen in the values
themselves: running again goes on where the last run ended. Each value is replaced only if
it is still the one that was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Column, MetaData, Row, Table, and_, func, select, tuple_, update

from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database

_PASSES = 5  # writers that still seal under the old key make another pass necessary


def sealed_columns(metadata: MetaData) -> list[Column[Any]]:
    """List the sealed columns of all declared tables."""
    return [
        column
        for table in metadata.sorted_tables
        for column in table.columns
        if "sealed" in column.info
    ]


def open_value(crypter: Crypter, column: Column[Any], row: Row[Any]) -> bytes:
    """Open a row's value of a sealed column. Raises StoreError."""
    bound = column.info["sealed"]
    sealed: bytes = row._mapping[column.name]
    return crypter.open(sealed, column.table.name, bound.row(row), bound.column)


def read_pages(
    database: Database, table: Table, batch_count: int, *conditions: Any
) -> Iterator[list[Row[Any]]]:
    """Read a table's rows in the order of their key, a batch in each transaction."""
    keys = list(table.primary_key.columns)
    last: tuple[Any, ...] | None = None
    while True:
        after = () if last is None else (tuple_(*keys) > tuple_(*last),)
        query = select(table).where(and_(True, *conditions, *after))
        with database.transaction() as connection:
            rows = list(connection.execute(query.order_by(*keys).limit(batch_count)))
        if rows:
            yield rows
        if len(rows) < batch_count:
            return
        last = tuple(rows[-1]._mapping[key.name] for key in keys)


def count_old(database: Database, crypter: Crypter, metadata: MetaData) -> int:
    """Count the values that an older key sealed."""
    total = 0
    with database.transaction() as connection:
        for column in sealed_columns(metadata):
            query = select(func.count()).select_from(column.table).where(_is_old(column, crypter))
            total += int(connection.execute(query).scalar_one())
    return total


def _is_old(column: Column[Any], crypter: Crypter) -> Any:
    newest = bytes([crypter.newest])
    return and_(column.is_not(None), func.substr(column, 1, 1) != newest)


def reseal(
    database: Database,
    crypter: Crypter,
    metadata: MetaData,
    batch_count: int,
    report: Callable[[int], None],
) -> int:
    """Seal every value under the newest key. Returns how many were replaced.

    Raises:
        StoreError: A value does not open, or the database failed; run it again.
    """
    count = 0
    for _ in range(_PASSES):
        before = count
        for column in sealed_columns(metadata):
            for rows in read_pages(database, column.table, batch_count, _is_old(column, crypter)):
                done = _reseal_rows(database, crypter, column, rows)
                count += done
                report(done)
        if count == before:
            break
    return count


def _reseal_rows(
    database: Database, crypter: Crypter, column: Column[Any], rows: list[Row[Any]]
) -> int:
    table, bound, count = column.table, column.info["sealed"], 0
    if not isinstance(table, Table):
        return 0
    with database.transaction() as connection:
        for row in rows:
            value = open_value(crypter, column, row)
            fresh = crypter.seal(value, table.name, bound.row(row), bound.column)
            same = [key == row._mapping[key.name] for key in table.primary_key.columns]
            changed = connection.execute(
                update(table)
                .where(and_(*same, column == row._mapping[column.name]))
                .values({column.name: fresh})
            )
            count += changed.rowcount
    return count
