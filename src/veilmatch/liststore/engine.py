"""DuckDB, held to a memory limit, without network and without telling what it read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from veilmatch.errors import StoreError

SPLITS = 16
"""Lists are split by the first four bits of a hash; each split is worked on alone."""

DEFAULT_MEMORY_MIB = 128
_THREADS = 2

Connection = duckdb.DuckDBPyConnection


@contextmanager
def open_engine(
    folder: Path, *, memory_mib: int = DEFAULT_MEMORY_MIB, database: Path | None = None
) -> Iterator[Connection]:
    """Open a connection that spills into ``folder`` and never asks the network.

    Raises:
        StoreError: DuckDB failed. Its own text is not shown: it quotes the data.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_mib}MiB",
        "threads": _THREADS,
        "temp_directory": str(folder / "spill"),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    try:
        with duckdb.connect(str(database or ":memory:"), config=config) as connection:
            # It would draw on the terminal of whoever runs a command.
            connection.execute("SET enable_progress_bar = false")
            yield connection
    except duckdb.Error as exc:
        raise StoreError(
            f"the list database failed ({type(exc).__name__})",
            hint="check free space, or give more memory with --memory",
        ) from None


def quote(path: Path | str) -> str:
    """Return a text as an SQL literal."""
    return "'" + str(path).replace("'", "''") + "'"


def read_parquet(paths: list[Path]) -> str:
    """Return the SQL that reads Parquet files of this room."""
    return "read_parquet([" + ", ".join(quote(path) for path in paths) + "])"


def fetch_int(connection: Connection, sql: str) -> int:
    """Run a query for one whole number."""
    row = connection.execute(sql).fetchone()
    return int(row[0] or 0) if row else 0
