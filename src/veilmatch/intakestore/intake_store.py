"""What the intake writes: segments, ledger rows, deletions; idempotent by (account, id).

Any number of intake processes may share a store. Each has an open segment of its own and
seals that one alone, and those whose writer has died.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, and_, select, update

from veilmatch.errors import InternalError, PolicyError, StoreError
from veilmatch.ingest.accept import AcceptedBatch, AcceptedVoucher
from veilmatch.ingest.ledger import LedgerEntry, Outcome, State, classify
from veilmatch.intakestore.deletion import delete_ids
from veilmatch.intakestore.hot_rows import (
    DeviceRow,
    Key,
    VoucherRow,
    add_devices,
    keep_ours,
    read_counts,
    read_ledger,
    store_rows,
)
from veilmatch.intakestore.limits import IntakeLimits
from veilmatch.store import schema
from veilmatch.store.blobs import Blobs
from veilmatch.store.crypter import Crypter, seal_bodies
from veilmatch.store.database import Database, add_to_counter
from veilmatch.store.segments import SegmentShelf, SegmentWriter, is_abandoned
from veilmatch.store.statements import insert

_KNOWN_MAX = 200_000  # devices remembered in memory
_CLOCK_SLACK_S = 3600  # clocks of two machines may differ

Fresh = tuple[AcceptedBatch, AcceptedVoucher]


@dataclass
class _Group:
    """What becomes of a group of arriving batches."""

    fresh: list[Fresh]
    outcomes: Counter[Outcome]
    refusals: list[PolicyError | None]
    devices: dict[Key, DeviceRow]


class IntakeStore:
    """Durable intake. Calls are serialised by a lock: one writer, one open segment.

    Args:
        database: The store's database.
        folder: Where this machine's segments live.
        crypter: Seals the bodies' keys.
        limits: See there.
        clock: Gives seconds since 1970.
        blobs: Where sealed segments go for workers on other machines; None keeps them here.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        crypter: Crypter,
        limits: IntakeLimits,
        clock: Callable[[], int],
        blobs: Blobs | None = None,
    ) -> None:
        self._database, self._shelf, self._crypter = database, SegmentShelf(folder, blobs), crypter
        self._limits, self._clock = limits, clock
        self._writer: SegmentWriter | None = None
        self._unlisted: SegmentWriter | None = None  # its row may be there or not
        self._known_devices: set[Key] = set()
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
            rows = self._write_bodies(group.fresh)
            with self._database.transaction() as connection:
                if rows:
                    self._insert(connection, rows, group.outcomes)
                add_devices(connection, list(group.devices.values()))
                for outcome in Outcome:  # always in the same order: no two wait crosswise
                    add_to_counter(connection, f"intake {outcome.value}", group.outcomes[outcome])
            self._remember(group.devices)
            # The group is durable now; a seal that fails is tried again at the next tick.
            with suppress(StoreError):
                self._seal_if_due()
            return group.refusals

    def _sort(self, batches: Sequence[AcceptedBatch]) -> _Group:
        """Split arriving vouchers into fresh ones and what the ledger already knows."""
        group = _Group([], Counter(), [], {})
        keys = {(batch.account, item.asset_id) for batch in batches for item in batch.vouchers}
        accounts = list({batch.account for batch in batches})
        unknown = {
            batch.account for batch in batches if _device_of(batch) not in self._known_devices
        }
        with self._database.transaction() as connection:
            ledger = read_ledger(connection, list(keys))
            counts = Counter(read_counts(connection, accounts))
            devices = {account: _read_devices(connection, account) for account in unknown}
        for batch in batches:
            places = [(batch.account, item.asset_id) for item in batch.vouchers]
            new_count = len(set(places) - ledger.keys())
            refusal = self._refusal(batch, counts[batch.account] + new_count, devices)
            group.refusals.append(refusal)
            if refusal is not None:
                continue
            device = _device_of(batch)
            if batch.account in devices:
                devices[batch.account].add(device[1])
                key = batch.identity.device_public_key
                group.devices[device] = DeviceRow(*device, key)
            for place, item in zip(places, batch.vouchers, strict=True):
                known = ledger.get(place)
                if known is None:
                    ledger[place] = LedgerEntry(item.digest, State.WAITING)
                    group.fresh.append((batch, item))
                else:
                    group.outcomes[classify(known, item.digest)] += 1
            counts[batch.account] += new_count
        group.outcomes[Outcome.STORED] = len(group.fresh)
        return group

    def _refusal(
        self,
        batch: AcceptedBatch,
        count: int,
        devices: dict[bytes, set[bytes]],
    ) -> PolicyError | None:
        """Say why a batch that would give its account ``count`` ids is refused, if it is."""
        if count > self._limits.account_quota:
            return PolicyError("the account is over its quota of vouchers")
        known = devices.get(batch.account)
        if known is None or batch.device_key_id in known:
            return None
        if len(known) >= self._limits.device_quota:
            return PolicyError("the account is over its quota of devices")
        return None

    def _write_bodies(self, fresh: Sequence[Fresh]) -> list[VoucherRow]:
        """Seal and append the bodies. Returns their rows."""
        if not fresh:
            return []
        places = [batch.account + item.asset_id for batch, item in fresh]
        keys, bodies = seal_bodies([item.body for _, item in fresh], places)
        offsets = self._open_writer().append(bodies)
        sealed_keys = self._crypter.seal_rows(keys, "voucher", places, "key")
        return [
            VoucherRow(
                batch.account,
                item.asset_id,
                item.digest,
                batch.release_id,
                batch.device_key_id,
                offset,
                len(body),
                sealed_key,
            )
            for (batch, item), body, offset, sealed_key in zip(
                fresh, bodies, offsets, sealed_keys, strict=True
            )
        ]

    def _open_writer(self) -> SegmentWriter:
        if self._writer is None:
            writer = self._unlisted or SegmentWriter(self._shelf.folder, self._clock())
            # A failure does not say whether the row was kept: until it is known to be there, the
            # file stays for the next try. A row without a file would wait for ever.
            self._unlisted = writer
            writer.opened_at = self._clock()
            with self._database.transaction() as connection:
                connection.execute(
                    insert(connection, schema.segment)
                    .values(segment_id=writer.segment_id, state="open", opened_at=writer.opened_at)
                    .on_conflict_do_update(
                        index_elements=[schema.segment.c.segment_id],
                        set_={"opened_at": writer.opened_at},
                    )
                )
            self._writer, self._unlisted = writer, None
        return self._writer

    def _insert(
        self, connection: Connection, rows: Sequence[VoucherRow], outcomes: Counter[Outcome]
    ) -> None:
        writer = self._writer
        if writer is None:
            raise InternalError("bodies were written without an open segment")
        stored = store_rows(connection, writer.segment_id, writer.length, rows)
        if stored is None:
            # Another process sealed it, and a worker may have emptied it already: nothing
            # may be added; the next group opens a new one.
            self._drop_writer()
            raise StoreError("the open segment was lost; nothing of this group was kept")
        if stored != len(rows):
            _count_others(connection, writer.segment_id, rows, outcomes)

    def _remember(self, devices: dict[Key, DeviceRow]) -> None:
        if len(self._known_devices) > _KNOWN_MAX:
            self._known_devices.clear()
        self._known_devices.update(devices)

    def delete_vouchers(self, account: bytes, asset_ids: Sequence[bytes]) -> None:
        """Delete by id: row emptied, key and share gone; an opened case keeps its items.

        Deleting an unknown id leaves a mark, so that a late copy of the voucher is ignored.

        Raises:
            PolicyError: Marks of unknown ids would pass the account's quota; ids that are
                there were deleted. StoreError: Nothing was kept.
        """
        with self._database.transaction() as connection:
            refusal = delete_ids(
                connection, account, asset_ids, self._clock(), self._limits.account_quota
            )
            add_to_counter(connection, "intake deleted", len(asset_ids))
        if refusal is not None:
            raise refusal

    def seal_due(self) -> None:
        """Seal the open segment if it is old enough; called by a timer."""
        with self._lock:
            self._seal_if_due()

    def _seal_if_due(self) -> None:
        writer = self._writer
        if writer is None:
            return
        # The larger of the two: a clock that was set back must not keep a segment open.
        age_s = max(self._clock() - writer.opened_at, writer.age_s)
        old = age_s >= self._limits.segment_max_age_s
        if old or writer.length >= self._limits.segment_max_len:
            self._seal([writer.segment_id])
            self._drop_writer()

    def _seal(self, ids: Sequence[bytes]) -> None:
        """Seal open segments in the database first: if that fails, the writer stays."""
        table = schema.segment.c
        with self._database.transaction() as connection:
            for segment_id in ids:
                connection.execute(
                    update(schema.segment)
                    .where(and_(table.state == "open", table.segment_id == segment_id))
                    .values(state="sealed", not_before=self._clock() + self._limits.min_delay_s)
                )

    def mend_delays(self) -> int:
        """Bring forward what waits longer than it may: the clock was set back. Returns how many.

        What is brought forward waits at least the whole delay from now on.
        """
        table, due = schema.segment.c, self._clock() + self._limits.min_delay_s
        late = and_(table.state == "sealed", table.not_before > due + _CLOCK_SLACK_S)
        with self._database.transaction() as connection:
            return connection.execute(
                update(schema.segment).where(late).values(not_before=due)
            ).rowcount

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def seal_all(self) -> None:
        """Seal our own segment and those of dead writers here; at start and at the end."""
        with self._lock:
            if self._writer is not None:
                self._seal([self._writer.segment_id])
                self._drop_writer()
            if self._unlisted is not None:  # sealed with the dead writers', if its row is there
                self._unlisted.close()
                self._unlisted = None
            table = schema.segment.c
            with self._database.transaction() as connection:
                query = select(table.segment_id).where(table.state == "open")
                opened = list(connection.execute(query).scalars())
            # A writer elsewhere has its file elsewhere; one that lives here holds its lock.
            self._seal([one for one in opened if is_abandoned(self._shelf.folder, one)])

    def upload_sealed(self) -> int:
        """Move sealed segments of this machine to the blobs. Returns how many.

        The file here stays until the row says where the copy is, so nothing is lost whenever
        this ends.

        Raises:
            StoreError: The blob store failed; what is left is tried again at the next call.
        """
        if self._shelf.blobs is None:
            return 0
        table, count = schema.segment.c, 0
        waiting = and_(table.state == "sealed", table.location == "local")
        with self._database.transaction() as connection:
            ids = list(connection.execute(select(table.segment_id).where(waiting)).scalars())
        for segment_id in ids:
            if not is_abandoned(self._shelf.folder, segment_id):
                continue  # another machine's
            self._shelf.upload(segment_id)
            with self._database.transaction() as connection:
                moved = connection.execute(
                    update(schema.segment)
                    .where(
                        and_(
                            table.segment_id == segment_id,
                            waiting,
                            table.lease_expires_at <= self._clock(),
                        )
                    )
                    .values(location="blob")
                )
            if moved.rowcount:
                self._shelf.delete(segment_id, "local")
                count += 1
        return count


def _device_of(batch: AcceptedBatch) -> Key:
    return batch.account, batch.device_key_id


def _read_devices(connection: Connection, account: bytes) -> set[bytes]:
    device = schema.device.c
    query = select(device.device_key_id).where(device.account == account)
    return set(connection.execute(query).scalars())


def _count_others(
    connection: Connection,
    segment_id: bytes,
    rows: Sequence[VoucherRow],
    outcomes: Counter[Outcome],
) -> None:
    """Another intake was faster with some ids: its rows count; ours are told apart by place."""
    mine = set(keep_ours(connection, segment_id, rows))
    others = [row for row in rows if row not in mine]
    ledger = read_ledger(connection, [(row.account, row.asset_id) for row in others])
    for row in others:
        outcomes[Outcome.STORED] -= 1
        outcomes[classify(ledger.get((row.account, row.asset_id)), row.digest)] += 1
