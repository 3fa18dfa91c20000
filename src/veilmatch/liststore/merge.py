"""The new version of a list out of its rows and the version before, one split at a time.

Spec: ``spec/26-list-formats.md`` sections 6.2 and 6.3.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from veilmatch.hashlist.entry import ListSource
from veilmatch.hashlist.hygiene import VersionCounts
from veilmatch.liststore.engine import Connection, fetch_int, quote, read_parquet
from veilmatch.liststore.spool import COLUMNS, HASH_OP, NOTHING

_KEY = ("member", "entry_id", "kind", "value")
# What the newest sight of a hash brings along.
_SEEN = (
    "state",
    "reason",
    "media",
    "scheme",
    "classification",
    "flags",
    "source_at",
    "size",
    "quality",
    "positives",
    "negatives",
)
_MATCHED = "state = 'live'"


@dataclass
class MergeCounts:
    """What the new version is made of.

    ``changes`` counts hashes by kind and what happened: ``new``, ``same``, ``gone``, ``old``.
    ``live`` counts distinct live hashes by kind.
    """

    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    live: Counter[str] = field(default_factory=Counter)
    live_before: int = 0
    overlap_before: int = 0
    overlap_after: int = 0

    def to_version_counts(self) -> VersionCounts:
        """Return what the flood guard looks at."""
        return VersionCounts(
            self.live_before, self.live.total(), self.overlap_before, self.overlap_after
        )


@dataclass(frozen=True)
class Merge:
    """One import on its way to a version.

    Attributes:
        connection: An open database.
        source: What the list is; every row carries it.
        is_update: Whether the rows say what changed, or are the whole list.
        now: When the import began, UTC.
    """

    connection: Connection
    source: ListSource
    is_update: bool
    now: datetime

    def load_rows(self, spool: Path) -> None:
        """Load the spool into the database."""
        columns = ", ".join(f"{quote(name)}: {quote(kind)}" for name, kind in COLUMNS.items())
        names = ", ".join("unhex(value) AS value" if n == "value" else n for n in COLUMNS)
        self.connection.execute(
            f"CREATE TABLE rows AS SELECT {names} FROM read_csv({quote(spool)}, "  # noqa: S608
            f"auto_detect=false, header=false, delim=',', quote='\"', escape='\"', "
            f"nullstr={quote(NOTHING)}, max_line_size=4000000, parallel=true, "
            f"columns={{{columns}}})"
        )

    def find_winners(self, before: list[Path]) -> None:
        """Find the newest record of each entry; an older one than the list has loses.

        In a whole list every record counts; in an update the newest record of an entry
        replaces all that the entry had.
        """
        self.connection.execute(
            "CREATE TABLE winners "
            "(member VARCHAR, entry_id VARCHAR, moment TIMESTAMP, record BIGINT)"
        )
        if not self.is_update:
            return
        self.connection.execute(
            "INSERT INTO winners SELECT member, entry_id, max(source_at), arg_max(record, "
            "coalesce(epoch_us(source_at), 0)::HUGEINT * 1000000000000 + record) "
            "FROM rows WHERE entry_id <> '' GROUP BY member, entry_id"
        )
        if before:
            self.connection.execute(
                "DELETE FROM winners USING (SELECT member, entry_id, max(source_at) AS moment "  # noqa: S608
                f"FROM {read_parquet(before)} WHERE entry_id <> '' GROUP BY member, entry_id) AS o "
                "WHERE winners.member = o.member AND winners.entry_id = o.entry_id "
                "AND winners.moment < o.moment"
            )

    def merge_split(self, split: int, before: Path | None, target: Path) -> None:
        """Merge one split and write it, sorted by kind and value."""
        self.connection.execute("DROP TABLE IF EXISTS merged")
        self.connection.execute(f"CREATE TEMP TABLE merged AS {self._merge_sql(split, before)}")
        columns = ", ".join(
            [
                *_KEY,
                *_SEEN,
                "first_seen",
                "last_seen",
                f"{quote(self.source.name)} AS source",
                f"{quote(self.source.environment)} AS environment",
                f"{quote(self.source.jurisdiction)} AS jurisdiction",
            ]
        )
        self.connection.execute(
            f"COPY (SELECT {columns} FROM merged ORDER BY kind, value) TO {quote(target)} "  # noqa: S608
            "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
        )

    def count_split(self, counts: MergeCounts, before: Path | None, other: list[Path]) -> None:
        """Add up what the split that was merged last is made of.

        ``other`` are the same split of the lists that the flood guard compares with.
        """
        run = self.connection.execute
        for kind, change, state, number in run(
            "SELECT kind, change, state, count(*) FROM merged GROUP BY ALL"
        ).fetchall():
            counts.changes[kind, change] += number
            counts.states[kind, state] += number
        for kind, number in run(
            f"SELECT kind, count(DISTINCT value) FROM merged WHERE {_MATCHED} GROUP BY kind"  # noqa: S608
        ).fetchall():
            counts.live[kind] += number
        counts.overlap_after += self._count_overlap("merged", other)
        if before is not None:
            old = read_parquet([before])
            counts.live_before += fetch_int(
                self.connection,
                f"SELECT count(*) FROM (SELECT DISTINCT kind, value FROM {old} WHERE {_MATCHED})",  # noqa: S608
            )
            counts.overlap_before += self._count_overlap(old, other)

    def _count_overlap(self, table: str, other: list[Path]) -> int:
        if not other:
            return 0
        return fetch_int(
            self.connection,
            f"SELECT count(*) FROM (SELECT DISTINCT kind, value FROM {table} WHERE {_MATCHED}) "  # noqa: S608
            f"SEMI JOIN (SELECT kind, value FROM {read_parquet(other)} WHERE {_MATCHED}) "
            "USING (kind, value)",
        )

    def _merge_sql(self, split: int, before: Path | None) -> str:
        """Build the query of one split.

        A row of the version before stays as it is, is seen again, or is gone: in a whole
        list because it is missing, in an update because its entry came without it.
        """
        now = f"TIMESTAMP {quote(self.now.replace(tzinfo=None).isoformat(sep=' '))}"
        winner = " AND (r.entry_id = '' OR r.record = w.record)" if self.is_update else ""
        incoming = (
            "SELECT r.*, true AS here FROM rows r LEFT JOIN winners w "  # noqa: S608
            "ON r.member = w.member AND r.entry_id = w.entry_id "
            f"WHERE r.split = {split} AND r.op = {HASH_OP}{winner} "
            f"QUALIFY row_number() OVER (PARTITION BY {', '.join('r.' + k for k in _KEY)} "
            "ORDER BY r.source_at DESC NULLS LAST, r.record DESC) = 1"
        )
        if before is None:
            names = ", ".join([*_KEY, *_SEEN])
            change = "CASE WHEN state = 'withdrawn' THEN 'old' ELSE 'new' END AS change"
            return (
                f"SELECT {names}, {now} AS first_seen, {now} AS last_seen, {change} "  # noqa: S608
                f"FROM ({incoming})"
            )
        key = ", ".join(f"coalesce(n.{name}, o.{name}) AS {name}" for name in _KEY)
        stale = "coalesce(o.source_at > n.source_at, false)" if self.is_update else "false"
        fresh = f"(n.here IS NOT NULL AND NOT {stale})"
        gone = "w.record IS NOT NULL AND n.here IS NULL" if self.is_update else "n.here IS NULL"
        gone = f"({gone} AND o.state <> 'withdrawn')"
        why = "withdrawn by the source" if self.is_update else "gone from the list"
        special = {"state": "'withdrawn'", "reason": quote(why)}
        seen = ", ".join(
            f"CASE WHEN {fresh} THEN n.{name} "
            + (f"WHEN {gone} THEN {special[name]} " if name in special else "")
            + f"ELSE o.{name} END AS {name}"
            for name in _SEEN
        )
        change = (
            f"CASE WHEN {fresh} AND n.state = 'withdrawn' THEN "
            "  CASE WHEN coalesce(o.state, 'withdrawn') = 'withdrawn' THEN 'old' ELSE 'gone' END "
            f"WHEN {fresh} AND coalesce(o.state, 'withdrawn') = 'withdrawn' THEN 'new' "
            f"WHEN {gone} THEN 'gone' "
            f"WHEN o.state = 'withdrawn' THEN 'old' ELSE 'same' END AS change"
        )
        return (
            f"SELECT {key}, {seen}, coalesce(o.first_seen, {now}) AS first_seen, "  # noqa: S608
            f"CASE WHEN {fresh} THEN {now} ELSE o.last_seen END AS last_seen, {change} "
            f"FROM ({incoming}) n FULL JOIN {read_parquet([before])} o "
            f"ON {' AND '.join(f'n.{name} = o.{name}' for name in _KEY)} "
            "LEFT JOIN winners w ON o.member = w.member AND o.entry_id = w.entry_id"
        )
