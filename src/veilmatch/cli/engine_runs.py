"""The record of runs on an engine, and ``--engine`` itself. No secret is loaded here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veilmatch.cli.console import progress
from veilmatch.clock import system_clock
from veilmatch.shards.checks.table_check import verify_rows_on_engine
from veilmatch.shards.engine import Engine, open_engine, parse_engine
from veilmatch.shards.ledger import ShardLedger
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database
from veilmatch.table.blinded_table import BlindedTable, UncheckedTable

_DATABASE, _KEY, _SHARDS = "runs.sqlite", "runs.key", "shards"


@contextmanager
def open_ledger(data: Path) -> Iterator[tuple[Database, ShardLedger]]:
    """Open the record of runs below a folder. Raises ConfigError, StoreError."""
    database = Database(data / _DATABASE)
    try:
        crypter = load_crypter(data / _KEY)
        yield database, ShardLedger(database, crypter, data / _SHARDS, system_clock)
    finally:
        database.close()


@contextmanager
def open_engine_named(text: str) -> Iterator[Engine]:
    """Open the engine that an option names; end it at the end. Raises ConfigError."""
    engine = open_engine(parse_engine(text))
    try:
        yield engine
    finally:
        engine.close()


def check_table_on(text: str, data: Path, table: UncheckedTable) -> BlindedTable:
    """Check every row of a table on the engine that an option names; killed, it goes on.

    Raises:
        TableError: A row is not a valid element, or two are equal.
        ConfigError, StoreError: The engine, or the folder of its runs, cannot be had.
    """
    with (
        open_ledger(data) as (_database, ledger),
        open_engine_named(text) as engine,
        progress() as bars,
    ):
        task = bars.add_task("checking the table in shards", total=None)

        def report(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        return verify_rows_on_engine(table, engine, ledger, report)
