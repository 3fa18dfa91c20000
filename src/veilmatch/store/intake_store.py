"""What the intake writes: segments, ledger rows, deletions; idempotent by (account, id)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, and_, func, select, true, update

from veilmatch.errors import InternalError, PolicyError, StoreError
from veilmatch.ingest.accept import AcceptedBatch, AcceptedVoucher
from veilmatch.ingest.ledger import LedgerEntry, Outcome, State, classify
from veilmatch.store import schema
from veilmatch.store.crypter import Crypter, seal_body
from veilmatch.store.database import Database, add_to_counter
from veilmatch.store.segments import SegmentWriter, delete_segment
from veilmatch.store.statements import insert

_IN_CHUNK = 400  # bound parameters per look-up


@dataclass(frozen=True)
class IntakeLimits:
    """When a segment is sealed and how much an account may upload.

    Attributes:
        segment_max_len: Bytes.
        segment_max_age_s: Seconds.
        min_delay_s: Seconds between sealing and matching, so that arrival does not show.
        account_quota: Vouchers an account may have in all.
    """

    segment_max_len: int = 64 << 20
    segment_max_age_s: int = 15 * 60
    min_delay_s: int = 6 * 3600
    account_quota: int = 5_000_000


@dataclass
class _Group:
    """What becomes of a group of arriving batches."""

    fresh: list[tuple[AcceptedBatch, AcceptedVoucher]]
    outcomes: list[Outcome]
    refusals: list[PolicyError | None]


class IntakeStore:
    """Durable intake. Calls are serialised by a lock: one writer, one open segment.

    Args:
        database: The store's database.
        folder: Where segments live.
        crypter: Seals the bodies' keys.
        limits: See there.
        clock: Gives seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        crypter: Crypter,
        limits: IntakeLimits,
        clock: Callable[[], int],
    ) -> None:
        self._database, self._folder, self._crypter = database, folder, crypter
        self._limits, self._clock = limits, clock
        self._writer: SegmentWriter | None = None
        self._lock = threading.Lock()

    def store_batches(self, batches: Sequence[AcceptedBatch]) -> list[PolicyError | None]:
        """Store batches durably in one group: one sync of the segment, one commit.

        Returns:
            For each batch None if it is stored, or why it was refused (quota). A refused
            batch does not hold up the others of its group.

        Raises:
            StoreError: Storage failed; nothing of the group may be acknowledged.
        """
        with self._lock:
            group = self._sort(batches)
            places = self._write_bodies(group.fresh)
            with self._database.transaction() as connection:
                if group.fresh:
                    self._insert(connection, group.fresh, places)
                for batch, refusal in zip(batches, group.refusals, strict=True):
                    if refusal is None:
                        _register_device(connection, batch)
                for outcome in Outcome:
                    amount = group.outcomes.count(outcome)
                    add_to_counter(connection, f"intake {outcome.value}", amount)
            # The group is durable now; a seal that fails is tried again at the next tick.
            with suppress(StoreError):
                self._seal_if_due()
            return group.refusals

    def _sort(self, batches: Sequence[AcceptedBatch]) -> _Group:
        """Split arriving vouchers into fresh ones and what the ledger already knows."""
        group = _Group([], [], [])
        ledgers: dict[bytes, dict[bytes, LedgerEntry]] = {}
        counts: dict[bytes, int] = {}
        with self._database.transaction() as connection:
            for account in {batch.account for batch in batches}:
                mine = [batch for batch in batches if batch.account == account]
                ids = [item.asset_id for batch in mine for item in batch.vouchers]
                ledgers[account] = _read_ledger(connection, account, ids)
                counts[account] = _read_voucher_count(connection, account)
        for batch in batches:
            ledger = ledgers[batch.account]
            more = len({item.asset_id for item in batch.vouchers} - ledger.keys())
            if counts[batch.account] + more > self._limits.account_quota:
                group.refusals.append(PolicyError("the account is over its quota of vouchers"))
                continue
            group.refusals.append(None)
            for item in batch.vouchers:
                outcome = classify(ledger.get(item.asset_id), item.digest)
                group.outcomes.append(outcome)
                if outcome is Outcome.STORED:
                    ledger[item.asset_id] = LedgerEntry(item.digest, State.WAITING)
                    counts[batch.account] += 1
                    group.fresh.append((batch, item))
        return group

    def _write_bodies(
        self, fresh: Sequence[tuple[AcceptedBatch, AcceptedVoucher]]
    ) -> list[tuple[bytes, int, int]]:
        """Seal and append the bodies. Returns (key, offset, length) of each."""
        if not fresh:
            return []
        sealed = [seal_body(v.body, batch.account + v.asset_id) for batch, v in fresh]
        offsets = self._open_writer().append([body for _, body in sealed])
        return [(key, o, len(body)) for (key, body), o in zip(sealed, offsets, strict=True)]

    def _open_writer(self) -> SegmentWriter:
        if self._writer is None:
            writer = SegmentWriter(self._folder, self._clock())
            try:
                with self._database.transaction() as connection:
                    connection.execute(
                        schema.segment.insert().values(
                            segment_id=writer.segment_id,
                            state="open",
                            opened_at=writer.opened_at,
                        )
                    )
            except StoreError:
                # Without its row no worker would ever find the segment.
                writer.close()
                delete_segment(self._folder, writer.segment_id)
                raise
            self._writer = writer
        return self._writer

    def _insert(
        self,
        connection: Connection,
        fresh: Sequence[tuple[AcceptedBatch, AcceptedVoucher]],
        places: Sequence[tuple[bytes, int, int]],
    ) -> None:
        writer = self._writer
        if writer is None:
            raise InternalError("bodies were written without an open segment")
        grown = connection.execute(
            update(schema.segment)
            .where(
                and_(
                    schema.segment.c.segment_id == writer.segment_id,
                    schema.segment.c.state == "open",
                )
            )
            .values(
                body_len=writer.length,
                voucher_count=schema.segment.c.voucher_count + len(fresh),
            )
        )
        if not grown.rowcount:
            # Another process sealed it, and a worker may have emptied it already: nothing
            # may be added; the next group opens a new one.
            self._drop_writer()
            raise StoreError("the open segment was lost; nothing of this group was kept")
        rows = [
            {
                "account": batch.account,
                "asset_id": item.asset_id,
                "state": State.WAITING.value,
                "digest": item.digest,
                "release_id": batch.release_id,
                "device_key_id": batch.device_key_id,
                "segment_id": writer.segment_id,
                "offset": offset,
                "length": length,
                "sealed_key": self._crypter.seal(
                    key, "voucher", batch.account + item.asset_id, "key"
                ),
            }
            for (batch, item), (key, offset, length) in zip(fresh, places, strict=True)
        ]
        # A second intake process may have been faster; then the row that is there counts.
        connection.execute(insert(connection, schema.voucher).on_conflict_do_nothing(), rows)
        for account in {batch.account for batch, _ in fresh}:
            _count_vouchers(connection, account, sum(b.account == account for b, _ in fresh))

    def delete_vouchers(self, account: bytes, asset_ids: Sequence[bytes]) -> None:
        """Delete by id: row emptied, key and share gone; an opened case keeps its items.

        Deleting an unknown id leaves a mark, so that a late copy of the voucher is ignored.
        """
        with self._lock, self._database.transaction() as connection:
            in_case = connection.execute(
                select(func.count()).where(schema.case_file.c.account == account)
            ).scalar_one()
            for asset_id in asset_ids:
                _delete_one(connection, account, asset_id, keep_share=bool(in_case))
            add_to_counter(connection, "intake deleted", len(asset_ids))

    def seal_due(self) -> None:
        """Seal the open segment if it is old enough; called by a timer."""
        with self._lock:
            self._seal_if_due()

    def _seal_if_due(self) -> None:
        writer = self._writer
        if writer is None:
            return
        old = self._clock() - writer.opened_at >= self._limits.segment_max_age_s
        if old or writer.length >= self._limits.segment_max_len:
            self._seal(schema.segment.c.segment_id == writer.segment_id)

    def _seal(self, which: ColumnElement[bool]) -> None:
        """Seal open segments in the database first: if that fails, the writer stays."""
        with self._database.transaction() as connection:
            connection.execute(
                update(schema.segment)
                .where(and_(schema.segment.c.state == "open", which))
                .values(state="sealed", not_before=self._clock() + self._limits.min_delay_s)
            )
        self._drop_writer()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def seal_all(self) -> None:
        """Seal every open segment: at start (what a killed process left) and at the end."""
        with self._lock:
            self._seal(true())


def _read_ledger(
    connection: Connection, account: bytes, ids: Sequence[bytes]
) -> dict[bytes, LedgerEntry]:
    found: dict[bytes, LedgerEntry] = {}
    table = schema.voucher.c
    for start in range(0, len(ids), _IN_CHUNK):
        chunk = ids[start : start + _IN_CHUNK]
        query = select(table.asset_id, table.digest, table.state).where(
            and_(table.account == account, table.asset_id.in_(chunk))
        )
        for row in connection.execute(query):
            found[row.asset_id] = LedgerEntry(row.digest, State(row.state))
    return found


def _read_voucher_count(connection: Connection, account: bytes) -> int:
    query = select(schema.account.c.voucher_count).where(schema.account.c.account == account)
    return connection.execute(query).scalar() or 0


def _register_device(connection: Connection, batch: AcceptedBatch) -> None:
    connection.execute(
        insert(connection, schema.device)
        .values(
            account=batch.account,
            device_key_id=batch.device_key_id,
            public_key=batch.identity.device_public_key,
        )
        .on_conflict_do_nothing()
    )


def _count_vouchers(connection: Connection, account: bytes, more: int) -> None:
    connection.execute(
        insert(connection, schema.account)
        .values(account=account, voucher_count=more)
        .on_conflict_do_update(
            index_elements=[schema.account.c.account],
            set_={"voucher_count": schema.account.c.voucher_count + more},
        )
    )


def _delete_one(
    connection: Connection, account: bytes, asset_id: bytes, *, keep_share: bool
) -> None:
    emptied = {
        "state": State.DELETED.value,
        "segment_id": None,
        "offset": None,
        "length": None,
        "sealed_key": None,
    }
    statement = insert(connection, schema.voucher).values(
        account=account, asset_id=asset_id, digest=bytes(32), **emptied
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[schema.voucher.c.account, schema.voucher.c.asset_id], set_=emptied
        )
    )
    if keep_share:
        return
    gone = connection.execute(
        schema.share.delete().where(
            and_(schema.share.c.account == account, schema.share.c.asset_id == asset_id)
        )
    )
    if gone.rowcount:
        connection.execute(
            update(schema.account)
            .where(schema.account.c.account == account)
            .values(share_version=schema.account.c.share_version + 1)
        )
