"""Retention: nothing waits for ever, and nothing is left lying. All in bounded batches.

Spec: ``spec/55-ingest.md`` section 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, and_, case, func, select, update

from veilmatch.clock import DAY_S
from veilmatch.errors import StoreError
from veilmatch.ingest.ledger import State
from veilmatch.intakestore.clock_watch import ClockWatch
from veilmatch.intakestore.deletion import EMPTIED
from veilmatch.intakestore.hot_rows import add_counts
from veilmatch.intakestore.limits import RetentionLimits
from veilmatch.store import schema
from veilmatch.store.blobs import Blobs
from veilmatch.store.database import Database, add_to_counter
from veilmatch.store.segments import SegmentShelf, hold_abandoned, list_files

_ORPHAN_BLOB_S = DAY_S  # a blob may be younger than its row's change of place


@dataclass(frozen=True)
class Backlog:
    """What waits to be matched; says nothing of matches.

    Attributes:
        segments: Segments that are not done.
        vouchers: Vouchers they were sealed with.
        held: Segments that an operator must look at.
        oldest_age_s: Age of the oldest, in seconds; 0 if nothing waits.
        open: Segments that still take vouchers.
        leased: Segments that a worker has now.
        attempts: The most often that one of those which wait was leased.
    """

    segments: int
    vouchers: int
    held: int
    oldest_age_s: int
    open: int = 0
    leased: int = 0
    attempts: int = 0


@dataclass(frozen=True)
class Collected:
    """What one run of the collector removed."""

    done_segments: int
    expired_vouchers: int
    marks: int
    orphans: int


def read_backlog(database: Database, now: int) -> Backlog:
    """Read what waits. Raises StoreError."""
    segment = schema.segment.c

    def how_many(which: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((which, 1), else_=0)), 0)

    query = select(
        func.count(),
        func.coalesce(func.sum(segment.voucher_count), 0),
        func.min(segment.opened_at),
        how_many(segment.state == "held"),
        how_many(segment.state == "open"),
        how_many(segment.lease_expires_at > now),
        func.coalesce(func.max(case((segment.state == "sealed", segment.attempts), else_=0)), 0),
    ).where(segment.state != "done")
    with database.transaction() as connection:
        count, vouchers, oldest, *more = connection.execute(query).one()
    held, still_open, leased, attempts = map(int, more)
    age_s = max(0, now - oldest) if count else 0
    return Backlog(count, int(vouchers), held, age_s, still_open, leased, attempts)


class Collector:
    """Removes what may not be kept; any number may run at once.

    Args:
        database: The store's database.
        folder: Where this machine's segments live.
        blobs: Where sealed segments go; None if they stay.
        limits: See there.
        clock: Gives seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        limits: RetentionLimits,
        clock: Callable[[], int],
        blobs: Blobs | None = None,
    ) -> None:
        self._database, self._shelf = database, SegmentShelf(folder, blobs)
        self._limits, self._clock = limits, clock
        self._watch = ClockWatch(database, clock)

    def look_at_clock(self) -> None:
        """Note the time at the start, so that a jump soon after it is seen. Raises StoreError."""
        self._watch.may_destroy()

    def run(self) -> Collected:
        """Collect once. Raises StoreError; what was collected before it stays collected.

        After the clock jumped, only what is done is collected, for a day (``ClockWatch``).
        """
        if not self._watch.may_destroy():
            return Collected(self.collect_done(), 0, 0, 0)
        expired = self.expire_waiting()
        done = self.collect_done()
        return Collected(done, expired, self.drop_marks(), self.collect_orphans())

    def expire_waiting(self) -> int:
        """Destroy the keys of what waited too long; a segment that is leased now is left."""
        segment, limit, count = schema.segment.c, self._limits.batch_count, 0
        due = and_(
            segment.state != "done",
            segment.opened_at <= self._clock() - self._limits.hard_age_s,
            segment.lease_expires_at <= self._clock(),
        )
        with self._database.transaction() as connection:
            ids = list(connection.execute(select(segment.segment_id).where(due)).scalars())
        for segment_id in ids:
            more = limit
            while more == limit:
                with self._database.transaction() as connection:
                    more = self._expire_batch(connection, segment_id, due)
                count += more
        return count

    def _expire_batch(
        self, connection: Connection, segment_id: bytes, due: ColumnElement[bool]
    ) -> int:
        segment, voucher = schema.segment.c, schema.voucher.c
        mine = and_(segment.segment_id == segment_id, due)
        # The row is held, so that nobody leases or fills the segment meanwhile.
        query = select(segment.segment_id).where(mine).with_for_update()
        if connection.execute(query).first() is None:
            return 0
        waiting = and_(voucher.segment_id == segment_id, voucher.state == State.WAITING.value)
        keys = connection.execute(
            select(voucher.account, voucher.asset_id).where(waiting).limit(self._limits.batch_count)
        ).all()
        for row in keys:
            connection.execute(
                update(schema.voucher)
                .where(
                    and_(waiting, voucher.account == row.account, voucher.asset_id == row.asset_id)
                )
                .values(state=State.EXPIRED.value, **EMPTIED)
            )
        add_to_counter(connection, "intake expired", len(keys))
        if len(keys) < self._limits.batch_count:
            connection.execute(update(schema.segment).where(mine).values(state="done"))
        return len(keys)

    def collect_done(self) -> int:
        """Delete the files of segments that are done, then their rows."""
        segment, count = schema.segment.c, 0
        while True:
            with self._database.transaction() as connection:
                rows = connection.execute(
                    select(segment.segment_id, segment.location)
                    .where(segment.state == "done")
                    .limit(self._limits.batch_count)
                ).all()
            # Without the blobs their segments are left to a collector that has them.
            mine = [row for row in rows if row.location == "local" or self._shelf.blobs]
            for row in mine:
                self._shelf.delete(row.segment_id, row.location)
            with self._database.transaction() as connection:
                for row in mine:
                    connection.execute(
                        schema.segment.delete().where(segment.segment_id == row.segment_id)
                    )
            count += len(mine)
            if len(mine) < self._limits.batch_count:
                return count

    def drop_marks(self) -> int:
        """Drop marks of deletions that are older than any accepted release."""
        voucher, count = schema.voucher.c, 0
        last_day = self._clock() // DAY_S - self._limits.mark_age_days
        old = and_(voucher.state == State.DELETED.value, voucher.deleted_day < last_day)
        while True:
            with self._database.transaction() as connection:
                rows = connection.execute(
                    select(voucher.account, voucher.asset_id)
                    .where(old)
                    .limit(self._limits.batch_count)
                    .with_for_update(skip_locked=True)
                ).all()
                for row in rows:
                    connection.execute(
                        schema.voucher.delete().where(
                            and_(
                                old,
                                voucher.account == row.account,
                                voucher.asset_id == row.asset_id,
                            )
                        )
                    )
                fewer = Counter(row.account for row in rows)
                add_counts(connection, {account: -n for account, n in fewer.items()})
            count += len(rows)
            if len(rows) < self._limits.batch_count:
                return count

    def collect_orphans(self) -> int:
        """Delete files and blobs that no row knows: what a kill left between two steps."""
        count = 0
        for segment_id, path in list_files(self._shelf.folder):
            with hold_abandoned(path) as is_held:
                # Under the lock: a writer that is just starting holds it before its row is there.
                if is_held and not self._has_row(segment_id):
                    _unlink(path)
                    count += 1
        if self._shelf.blobs is not None:
            for name, _, changed_at in list(self._shelf.blobs.list("segments")):
                segment_id = _id_of(name)
                if changed_at > self._clock() - _ORPHAN_BLOB_S or not segment_id:
                    continue
                if not self._has_row(segment_id):
                    self._shelf.delete(segment_id, "blob")
                    count += 1
        return count

    def _has_row(self, segment_id: bytes) -> bool:
        segment = schema.segment.c
        with self._database.transaction() as connection:
            query = select(segment.segment_id).where(segment.segment_id == segment_id)
            return connection.execute(query).first() is not None


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise StoreError("a file that nobody knows cannot be deleted") from exc


def _id_of(name: str) -> bytes:
    try:
        return bytes.fromhex(name.removeprefix("segments/").removesuffix(".segment"))
    except ValueError:
        return b""
