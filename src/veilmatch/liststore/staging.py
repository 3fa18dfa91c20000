"""Staged import: files in, one complete version with its report out, or nothing.

Spec: ``spec/26-list-formats.md`` section 6.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from veilmatch.errors import EncodingError
from veilmatch.hashlist.entry import BENIGN, KNOWN_BAD, Item, ListSource
from veilmatch.hashlist.hygiene import CategoryRule, FloodLimits, find_flood
from veilmatch.liststore.engine import DEFAULT_MEMORY_MIB, SPLITS, open_engine
from veilmatch.liststore.list_folder import ListFolder, StoredList
from veilmatch.liststore.merge import Merge, MergeCounts
from veilmatch.liststore.spool import SpoolCounts, SpoolRules, spool_items
from veilmatch.store.files import PRIVATE_MODE, sync_folder, write_atomic
from veilmatch.wire import Json, to_canonical_json

REPORT_FORMAT = "veilmatch-list-version-v1"

Progress = Callable[[int, int], None]
"""Called with (splits done, splits in all) while a version is written."""


@dataclass(frozen=True)
class ImportOptions:
    """How one import is done.

    Attributes:
        is_update: Whether the files say what changed, or are the whole list.
        categories: Which classifications go live.
        max_malformed: Malformed hashes that are counted and left out; 0 refuses all.
        expected_count: Records that the source says it sent, if it does.
        limits: When the version is quarantined.
        memory_mib: Memory for the database, MiB.
        checkpoint: Up to when the source was read; kept with the version.
        attested: Gives, once everything was read, what the provider's signed header says;
            kept with the version, so that a release can be built from it.
    """

    is_update: bool = False
    categories: CategoryRule = field(default_factory=CategoryRule)
    max_malformed: int = 0
    expected_count: int | None = None
    limits: FloodLimits = field(default_factory=FloodLimits)
    memory_mib: int = DEFAULT_MEMORY_MIB
    checkpoint: str = ""
    attested: Callable[[], Json | None] = lambda: None


def stage_import(
    folder: ListFolder,
    list_id: str,
    source: ListSource,
    sequences: Iterable[Iterable[Item]],
    options: ImportOptions,
    now: datetime,
    progress: Progress = lambda done, total: None,
) -> Json:
    """Import a list as a new version that is not yet live, and report on it.

    Killed at any moment, it leaves no version: the report is written last, by one rename.

    Args:
        folder: Where lists live.
        list_id: Which list.
        source: What the list is; fixed at its first import.
        sequences: The items of each file or page.
        options: How.
        now: UTC.
        progress: See ``Progress``.

    Returns:
        The report: counts alone, no hash.

    Raises:
        EncodingError: A file is malformed, or holds another number of records than expected,
            or nothing at all.
        PolicyError: The list was set up as something else.
        StoreError: The disk or the database failed.
    """
    with folder.lock():
        stored = folder.open(list_id)
        stored.fix_source(source)
        version = stored.begin_version()
        path = stored.version_path(version)
        try:
            spooled = spool_items(
                sequences,
                path / "rows.csv",
                SpoolRules(options.categories, options.max_malformed),
            )
            _check_counts(spooled, options)
            merged = _merge(folder, stored, source, options, now, version, progress)
            (path / "rows.csv").unlink()
            report = _build_report(stored, source, version, spooled, merged, options, now)
            _sync_version(path)
            data = to_canonical_json(report) + b"\n"
            write_atomic(path / "report.json", data, mode=PRIVATE_MODE)
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        stored.drop_versions({stored.live_version, version})
        return report


def _check_counts(spooled: SpoolCounts, options: ImportOptions) -> None:
    if options.expected_count is not None and spooled.records != options.expected_count:
        raise EncodingError(
            "the files hold another number of records than was expected",
            field="count",
            hint="the file may have been cut off; fetch it again",
        )
    if not options.is_update and not spooled.records:
        raise EncodingError(
            "the files list nothing",
            field="count",
            hint="to take a whole list back, use veilmatch list withdraw",
        )


def _merge(
    folder: ListFolder,
    stored: StoredList,
    source: ListSource,
    options: ImportOptions,
    now: datetime,
    version: int,
    progress: Progress,
) -> MergeCounts:
    path, live = stored.version_path(version), stored.live_version
    others = (BENIGN,) if source.polarity == KNOWN_BAD else (KNOWN_BAD,)
    before = {
        split: stored.split_path(live, split)
        for split in range(SPLITS)
        if live and stored.split_path(live, split).exists()
    }
    counts = MergeCounts()
    work = path / "work"
    work.mkdir()
    with open_engine(
        work, memory_mib=options.memory_mib, database=work / "rows.duckdb"
    ) as connection:
        merge = Merge(connection, source, options.is_update, now)
        merge.load_rows(path / "rows.csv")
        merge.find_winners(list(before.values()))
        for split in range(SPLITS):
            merge.merge_split(split, before.get(split), stored.split_path(version, split))
            other = folder.live_splits(others, split, but=stored.list_id)
            merge.count_split(counts, before.get(split), other)
            progress(split + 1, SPLITS)
    shutil.rmtree(work)
    return counts


def _sync_version(path: Path) -> None:
    for one in path.iterdir():
        os.chmod(one, PRIVATE_MODE)
        handle = os.open(one, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    sync_folder(path)
    sync_folder(path.parent)


def _build_report(
    stored: StoredList,
    source: ListSource,
    version: int,
    spooled: SpoolCounts,
    merged: MergeCounts,
    options: ImportOptions,
    now: datetime,
) -> Json:
    changes: Counter[str] = Counter()
    for (_, change), number in merged.changes.items():
        changes[change] += number
    states: Counter[str] = Counter()
    for (_, state), number in merged.states.items():
        states[state] += number
    return {
        "format": REPORT_FORMAT,
        "list": stored.list_id,
        "version": version,
        "base": stored.live_version,
        "imported_at": now.isoformat(timespec="seconds"),
        "purpose": source.polarity,
        "jurisdiction": source.jurisdiction,
        "update": options.is_update,
        "checkpoint": options.checkpoint,
        "records": spooled.records,
        "hashes": spooled.hashes,
        "tombstones": spooled.tombstones,
        "new": changes["new"],
        "gone": changes["gone"],
        "same": changes["same"],
        "live": dict(sorted(merged.live.items())),
        "live_before": merged.live_before,
        "states": dict(sorted(states.items())),
        "kinds": dict(sorted(spooled.kinds.items())),
        "refused": {str(k): n for k, n in sorted(spooled.refused.items())},
        "held": dict(sorted(spooled.held.items())),
        "not_matchable": dict(sorted(spooled.opaque.items())),
        "malformed": dict(sorted(spooled.malformed.items())),
        "classifications": dict(sorted(spooled.classifications.items())),
        "overlap_before": merged.overlap_before,
        "overlap_after": merged.overlap_after,
        "attested": options.attested(),
        "quarantined": [
            *(["the list was withdrawn"] if stored.is_withdrawn else []),
            *find_flood(source.polarity, merged.to_version_counts(), options.limits),
        ],
    }
