"""Check a store row by row against its keys, its segments and its counters; changes nothing."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, MetaData, Row, and_, func, select

from veilmatch.errors import StoreError
from veilmatch.ingest.ledger import State
from veilmatch.intakestore.retention import Backlog, read_backlog
from veilmatch.store import schema
from veilmatch.store.crypter import Crypter, open_body
from veilmatch.store.database import Database
from veilmatch.store.reseal import open_value, read_pages, sealed_columns
from veilmatch.store.segments import SegmentShelf, cut_body

_BATCH = 1000


@dataclass
class Findings:
    """What a check found; counts by kind, never an id.

    Attributes:
        rows: Rows that were checked.
        faults: What is wrong.
        elsewhere: Segments that lie on another machine and were not read.
        backlog: What waits.
    """

    rows: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    elsewhere: int = 0
    backlog: Backlog = field(default_factory=lambda: Backlog(0, 0, 0, 0))


class StoreCheck:
    """Checks a store while nothing writes to it; beside running services it may see halves.

    Args:
        database: The store's database.
        crypter: Its keys.
        shelf: Where its segments lie.
        metadata: The tables of all rooms.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        crypter: Crypter,
        shelf: SegmentShelf,
        metadata: MetaData,
        now: int,
    ) -> None:
        self._database, self._crypter, self._shelf = database, crypter, shelf
        self._metadata, self._now = metadata, now
        self._found = Findings()

    def run(self, report: Callable[[int], None] = lambda count: None) -> Findings:
        """Check everything. Raises StoreError if the store cannot be read at all."""
        for column in sealed_columns(self._metadata):
            self._check_sealed(column, report)
        self._check_segments(report)
        self._check_ledger(report)
        self._check_accounts()
        self._found.backlog = read_backlog(self._database, self._now)
        return self._found

    def _fault(self, kind: str, count: int = 1) -> None:
        if count:
            self._found.faults[kind] += count

    def _check_sealed(self, column: Column[Any], report: Callable[[int], None]) -> None:
        """Open each value at its place."""
        table = schema.metadata.tables[column.table.name]
        for rows in read_pages(self._database, table, _BATCH, column.is_not(None)):
            for row in rows:
                try:
                    open_value(self._crypter, column, row)
                except StoreError:
                    self._fault(f"{table.name}.{column.name} does not open")
            self._found.rows += len(rows)
            report(len(rows))

    def _check_segments(self, report: Callable[[int], None]) -> None:
        """Read each waiting body from its segment, open it, compare its digest."""
        segment = schema.segment.c
        waits = segment.state != "done"
        for rows in read_pages(self._database, schema.segment, _BATCH, waits):
            for row in rows:
                self._check_segment(row)
            report(len(rows))

    def _check_segment(self, segment: Row[Any]) -> None:
        voucher = schema.voucher.c
        mine = and_(voucher.segment_id == segment.segment_id, voucher.state == State.WAITING.value)
        with self._database.transaction() as connection:
            count = connection.execute(
                select(func.count()).select_from(schema.voucher).where(mine)
            ).scalar_one()
        if count > segment.voucher_count:
            self._fault("a segment holds more vouchers than it counted")
        if not count:
            return
        length = self._shelf.length(segment.segment_id, segment.location)
        if length is None:
            if segment.location == "local":
                self._found.elsewhere += 1
            else:
                self._fault("vouchers without their segment", count)
            return
        if length < segment.body_len:
            self._fault("a segment is shorter than its row says")
        data = self._shelf.read(segment.segment_id, segment.location)
        for rows in read_pages(self._database, schema.voucher, _BATCH, mine):
            for row in rows:
                self._check_body(row, data)

    def _check_body(self, row: Row[Any], segment: bytes) -> None:
        place = row.account + row.asset_id
        if None in (row.sealed_key, row.offset, row.length):
            return  # the ledger's check counts it
        try:
            key = self._crypter.open(row.sealed_key, "voucher", place, "key")
            body = open_body(key, cut_body(segment, row.offset, row.length), place)
        except StoreError:
            self._fault("a waiting voucher does not open")
            return
        if not hmac.compare_digest(hashlib.sha256(body).digest(), row.digest):
            self._fault("a waiting voucher is not the one that was accepted")

    def _check_ledger(self, report: Callable[[int], None]) -> None:
        """A waiting row has all it needs, and any other row nothing."""
        known = {state.value for state in State}
        segments, devices = self._read_places()
        for rows in read_pages(self._database, schema.voucher, _BATCH):
            for row in rows:
                place = (row.segment_id, row.offset, row.length, row.sealed_key)
                if row.state not in known:
                    self._fault("a voucher in an unknown state")
                elif row.state != State.WAITING.value:
                    self._fault("an ended voucher still has a key", any(place))
                elif any(part is None for part in place):
                    self._fault("a waiting voucher has no key or place")
                elif row.segment_id not in segments:
                    self._fault("a waiting voucher's segment has no row")
                elif (row.account, row.device_key_id) not in devices:
                    self._fault("a waiting voucher's device is unknown")
            self._found.rows += len(rows)
            report(len(rows))

    def _read_places(self) -> tuple[set[bytes], set[tuple[bytes, bytes]]]:
        segment, device = schema.segment.c, schema.device.c
        with self._database.transaction() as connection:
            segments = set(
                connection.execute(
                    select(segment.segment_id).where(segment.state != "done")
                ).scalars()
            )
            rows = connection.execute(select(device.account, device.device_key_id)).all()
        return segments, {(row.account, row.device_key_id) for row in rows}

    def _check_accounts(self) -> None:
        """Each account counts as many ids as the ledger has; each share is of a processed one."""
        voucher, account, share = schema.voucher.c, schema.account.c, schema.share.c
        counted = (
            select(voucher.account, func.count().label("count"))
            .group_by(voucher.account)
            .subquery()
        )
        wrong = (
            select(func.count())
            .select_from(counted)
            .join(schema.account, account.account == counted.c.account, isouter=True)
            .where(func.coalesce(account.voucher_count, -1) != counted.c.count)
        )
        processed = and_(
            voucher.account == share.account,
            voucher.asset_id == share.asset_id,
            voucher.state == State.PROCESSED.value,
        )
        # What is in a case stays evidence, also of a voucher that was deleted.
        in_case = select(schema.case_file.c.account).where(
            schema.case_file.c.account == share.account
        )
        stray = (
            select(func.count())
            .select_from(schema.share)
            .where(and_(~select(voucher.account).where(processed).exists(), ~in_case.exists()))
        )
        with self._database.transaction() as connection:
            self._fault(
                "accounts that count another number", connection.execute(wrong).scalar_one()
            )
            self._fault("shares without their voucher", connection.execute(stray).scalar_one())
