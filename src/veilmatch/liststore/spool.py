"""From items to rows on disk: hygiene is applied, everything is counted, nothing is held.

Spec: ``spec/26-list-formats.md`` section 4.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from veilmatch.errors import EncodingError, StoreError
from veilmatch.hashlist.entry import Item, ListEntry, Malformed, Record, Tombstone
from veilmatch.hashlist.hygiene import CategoryRule, State, find_refusal, find_state
from veilmatch.store.files import PRIVATE_MODE

COLUMNS: dict[str, str] = {
    "record": "BIGINT",
    "op": "UTINYINT",
    "split": "UTINYINT",
    "kind": "VARCHAR",
    "value": "VARCHAR",
    "state": "VARCHAR",
    "reason": "VARCHAR",
    "member": "VARCHAR",
    "entry_id": "VARCHAR",
    "media": "VARCHAR",
    "scheme": "VARCHAR",
    "classification": "VARCHAR",
    "flags": "VARCHAR",
    "source_at": "TIMESTAMP",
    "size": "BIGINT",
    "quality": "INTEGER",
    "positives": "INTEGER",
    "negatives": "INTEGER",
}
"""Columns of the spool; ``value`` is hexadecimal there and bytes in the database."""

NOTHING = "\x1f"
_Write = Callable[[tuple[object, ...]], object]

HASH_OP, TOUCH_OP = 0, 1
"""A row is a hash, or says that its entry was seen (a tombstone, or its hashes are refused)."""


@dataclass
class SpoolCounts:
    """What stood in the files.

    ``records`` counts records; the other counts are of hashes, except ``tombstones`` and
    ``malformed``.
    """

    records: int = 0
    hashes: int = 0
    tombstones: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    opaque: Counter[str] = field(default_factory=Counter)
    malformed: Counter[str] = field(default_factory=Counter)
    classifications: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class SpoolRules:
    """What may go through.

    Attributes:
        categories: Which classifications go live.
        max_malformed: Malformed hashes that are counted and left out before the whole import
            is refused; 0 refuses at the first.
    """

    categories: CategoryRule
    max_malformed: int = 0


def spool_items(sequences: Iterable[Iterable[Item]], path: Path, rules: SpoolRules) -> SpoolCounts:
    """Write the rows of one import to ``path``.

    Args:
        sequences: The items of each file or page, in order.
        path: A new file.
        rules: What may go through.

    Returns:
        What was read.

    Raises:
        EncodingError: A file is malformed, or more hashes are than allowed.
        StoreError: The file cannot be written.
    """
    counts = SpoolCounts()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            for items in sequences:
                offset = counts.records
                for item in items:
                    _spool_item(item, offset, writer.writerow, counts, rules)
    except OSError as exc:
        raise StoreError("the import cannot be written", hint="check free space") from exc
    return counts


def _spool_item(
    item: Item,
    offset: int,
    write: _Write,
    counts: SpoolCounts,
    rules: SpoolRules,
) -> None:
    if isinstance(item, ListEntry):
        record = item.record
        if offset + record.number > counts.records:
            counts.records = offset + record.number
            if record.classification:
                counts.classifications[f"{record.scheme} {record.classification}"] += 1
        counts.hashes += 1
        counts.kinds[item.kind] += 1
        refusal = find_refusal(item)
        if refusal:
            counts.refused[refusal] += 1
            write(_touch_row(offset, record))
            return
        state, reason = find_state(item, rules.categories)
        if state is State.OPAQUE:
            counts.opaque[item.kind] += 1
        elif state is State.HELD:
            counts.held[reason] += 1
        write(_hash_row(offset, item, state, reason))
    elif isinstance(item, Tombstone):
        counts.records = max(counts.records, offset + item.record.number)
        counts.tombstones += 1
        write(_touch_row(offset, item.record))
    else:
        _count_malformed(item, offset, counts, rules)


def _count_malformed(item: Malformed, offset: int, counts: SpoolCounts, rules: SpoolRules) -> None:
    number = offset + item.number
    counts.records = max(counts.records, number)
    counts.malformed[item.field] += 1
    if counts.malformed.total() > rules.max_malformed:
        hint = f"look at its {item.field}, or allow some with --max-malformed"
        if item.field == "scheme":
            hint = "it has a category: say with --scheme whose categories they are"
        raise EncodingError(f"record {number} is malformed", field=item.field, hint=hint)


def _hash_row(offset: int, item: ListEntry, state: str, reason: str) -> tuple[object, ...]:
    record = item.record
    quality = NOTHING if item.quality is None else item.quality
    return (
        offset + record.number,
        HASH_OP,
        item.value[0] >> 4,
        item.kind,
        item.value.hex(),
        state,
        reason,
        *_record_values(record),
        quality,
        record.positives,
        record.negatives,
    )


def _touch_row(offset: int, record: Record) -> tuple[object, ...]:
    number = offset + record.number
    return (number, TOUCH_OP, 0, "", "", "", "", *_record_values(record), NOTHING, 0, 0)


def _record_values(record: Record) -> tuple[object, ...]:
    return (
        record.member,
        record.entry_id,
        record.media,
        record.scheme,
        record.classification,
        record.flags,
        NOTHING if record.source_at is None else _moment_text(record.source_at),
        NOTHING if record.size is None else record.size,
    )


def _moment_text(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(sep=" ")
