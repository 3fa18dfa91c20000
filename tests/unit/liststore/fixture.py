"""Small made-up lists, imported in one call."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import duckdb

from veilmatch.hashlist.entry import KNOWN_BAD, Item, ListEntry, ListSource, Record
from veilmatch.liststore.list_folder import ListFolder
from veilmatch.liststore.promotion import promote
from veilmatch.liststore.staging import ImportOptions, stage_import
from veilmatch.wire import Json

NOW = datetime(2026, 3, 1, tzinfo=UTC)
_DRAW = random.Random(7)
HASHES = [_DRAW.randbytes(32) for _ in range(200)]
"""Made-up PDQ hashes."""


def entry(number: int, value: bytes, **facts: str) -> ListEntry:
    """Make one entry; ``facts`` go into its record."""
    return ListEntry(Record(number, **facts), "pdq", value)  # type: ignore[arg-type]


def query(sql: str) -> list[tuple[object, ...]]:
    """Ask the Parquet files of a version."""
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


def entries(values: Iterable[bytes]) -> list[Item]:
    """Make entries with ids of their own."""
    return [
        entry(number, value, entry_id=f"e{value[:3].hex()}")
        for number, value in enumerate(values, start=1)
    ]


def stage(
    folder: ListFolder,
    list_id: str,
    items: Sequence[Item],
    *,
    jurisdiction: str = "NL",
    purpose: str = KNOWN_BAD,
    options: ImportOptions | None = None,
    now: datetime = NOW,
    **changes: object,
) -> Json:
    """Stage a list."""
    source = ListSource("Made up", "test", jurisdiction, purpose, "jsonl")
    chosen = replace(options or ImportOptions(), **changes)  # type: ignore[arg-type]
    return stage_import(folder, list_id, source, [items], chosen, now)


def load(folder: ListFolder, list_id: str, items: Sequence[Item], **how: object) -> Json:
    """Stage a list and make it live."""
    report = stage(folder, list_id, items, **how)  # type: ignore[arg-type]
    promote(folder, list_id, NOW)
    return report
