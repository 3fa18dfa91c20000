"""What the worker reads and writes: leases of segments and of accounts, shares, forgetting.

A lease is a token and an expiry on a row. Whatever a worker found is committed in one
transaction with the lease's end, so running a segment twice is harmless and a killed worker
loses nothing. The token decides, never the clock: where two clocks differ, or one is set, a
lease may be lost early, and the loser's work is dropped.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, and_, func, literal, select, update

from veilmatch.errors import StoreError
from veilmatch.ingest.ledger import State
from veilmatch.matching.match_set import MatchSet
from veilmatch.matching.share import MatchOutcome, Share, parse_share
from veilmatch.release.manifest import Parameters
from veilmatch.store import schema
from veilmatch.store.blobs import Blobs
from veilmatch.store.crypter import Crypter, open_body
from veilmatch.store.database import Database, add_to_counter
from veilmatch.store.segments import SegmentShelf, cut_body
from veilmatch.store.statements import insert, is_past
from veilmatch.workstore.leases import held_by, lost_lease, queue_for_operator
from veilmatch.workstore.records import (
    AccountLease,
    Lease,
    Processed,
    ShareGroup,
    WaitingVoucher,
)

MAX_ATTEMPTS = 20
Note = Callable[[Connection, int], None]
"""Writes down, inside the transaction, for how many something was done."""
_TOKEN_LEN = 16


class WorkStore:
    """Leases, shares and forgetting; any number of workers may share a store.

    Args:
        database: The store's database.
        folder: Where this machine's segments live.
        crypter: Opens keys, seals shares.
        blobs: Where sealed segments go; with it the worker takes those there, and no others.
    """

    def __init__(
        self, database: Database, folder: Path, crypter: Crypter, blobs: Blobs | None = None
    ) -> None:
        self._database, self._crypter = database, crypter
        self._shelf = SegmentShelf(folder, blobs)

    def lease_segment(self, now: int, lease_s: int) -> Lease | None:
        """Lease one sealed segment that is due, chosen at random; None if there is none.

        A segment that was leased too often without an end is held for an operator.
        """
        table = schema.segment.c
        free = and_(
            table.state == "sealed",
            table.location == self._shelf.location,
            table.not_before <= now,
            is_past(table.lease_expires_at, now, lease_s),
        )
        chosen = select(table.segment_id).where(and_(free, table.attempts < MAX_ATTEMPTS))
        with self._database.transaction() as connection:
            self._hold_hopeless(connection, and_(free, table.attempts >= MAX_ATTEMPTS))
            segment_id = connection.execute(
                chosen.order_by(func.random()).limit(1).with_for_update(skip_locked=True)
            ).scalar()
            if segment_id is None:
                return None
            lease = Lease(segment_id, secrets.token_bytes(_TOKEN_LEN), self._shelf.location)
            connection.execute(
                update(schema.segment)
                .where(table.segment_id == lease.segment_id)
                .values(
                    lease_token=lease.token,
                    lease_expires_at=now + lease_s,
                    attempts=table.attempts + 1,
                )
            )
            return lease

    def _hold_hopeless(self, connection: Connection, which: ColumnElement[bool]) -> None:
        table = schema.segment.c
        query = select(table.segment_id).where(which).with_for_update(skip_locked=True)
        for segment_id in connection.execute(query).scalars().all():
            connection.execute(
                update(schema.segment)
                .where(table.segment_id == segment_id)
                .values(state="held", lease_token=None, lease_expires_at=0)
            )
            queue_for_operator(connection, segment_id, "held segment")

    def renew_lease(self, lease: Lease, now: int, lease_s: int) -> None:
        """Hold a segment longer. Raises LeaseError if another worker has it."""
        with self._database.transaction() as connection:
            renewed = connection.execute(
                update(schema.segment).where(held_by(lease)).values(lease_expires_at=now + lease_s)
            )
            if not renewed.rowcount:
                raise lost_lease()

    def release_lease(self, lease: Lease) -> None:
        """Give a segment back unprocessed: the next worker has it at once, no try is counted.

        Harmless if the lease was lost meanwhile.
        """
        with self._database.transaction() as connection:
            connection.execute(
                update(schema.segment)
                .where(and_(held_by(lease), schema.segment.c.attempts > 0))
                .values(
                    lease_token=None,
                    lease_expires_at=0,
                    attempts=schema.segment.c.attempts - 1,
                )
            )

    def retry_held(self, note: Note = lambda _connection, _count: None) -> int:
        """Give the held segments to the workers again. Returns how many.

        Args:
            note: Called last, inside the transaction, with the count: who did it is told there.
        """
        table = schema.segment.c
        item = schema.operator_item
        with self._database.transaction() as connection:
            freed = connection.execute(
                update(schema.segment)
                .where(table.state == "held")
                .values(state="sealed", attempts=0)
            )
            connection.execute(item.delete().where(item.c.kind == "held segment"))
            connection.execute(
                update(schema.account)
                .where(schema.account.c.open_attempts >= MAX_ATTEMPTS)
                .values(open_attempts=0)
            )
            connection.execute(item.delete().where(item.c.kind == "held opening"))
            note(connection, freed.rowcount)
            return freed.rowcount

    def pending_count(self) -> tuple[int, int]:
        """Return how many segments wait (sealed or open) and how many vouchers they hold."""
        table = schema.segment.c
        with self._database.transaction() as connection:
            waiting = table.state.in_(("open", "sealed"))
            counts = connection.execute(select(table.voucher_count).where(waiting)).scalars().all()
        return len(counts), sum(counts)

    def is_any_begun(self) -> bool:
        """Say whether a segment that waits was ever begun, by a worker that lives or not."""
        table = schema.segment.c
        return self._is_any(and_(table.state == "sealed", table.attempts > 0))

    def is_drained(self) -> bool:
        """Say whether nothing waits: no segment, and no account whose shares changed.

        What another worker has now still waits; what is held for an operator does not.
        """
        account = schema.account.c
        changed = and_(
            account.share_version != account.checked_version,
            account.open_attempts <= MAX_ATTEMPTS,
        )
        return not self._is_any(changed) and self.pending_count() == (0, 0)

    def _is_any(self, which: ColumnElement[bool]) -> bool:
        with self._database.transaction() as connection:
            return connection.execute(select(literal(1)).where(which).limit(1)).first() is not None

    def read_segment(self, lease: Lease) -> list[WaitingVoucher]:
        """Read the vouchers of a leased segment that still wait. Raises StoreError."""
        voucher, device = schema.voucher.c, schema.device.c
        query = (
            select(schema.voucher, device.public_key)
            .join_from(
                schema.voucher,
                schema.device,
                and_(
                    device.account == voucher.account,
                    device.device_key_id == voucher.device_key_id,
                ),
            )
            .where(
                and_(
                    voucher.segment_id == lease.segment_id,
                    voucher.state == State.WAITING.value,
                )
            )
        )
        with self._database.transaction() as connection:
            rows = connection.execute(query).all()
        bodies = self._shelf.read(lease.segment_id, lease.location) if rows else b""
        found = []
        for row in rows:
            place = row.account + row.asset_id
            key = self._crypter.open(row.sealed_key, "voucher", place, "key")
            sealed = cut_body(bodies, row.offset, row.length)
            found.append(
                WaitingVoucher(
                    row.account,
                    row.asset_id,
                    row.release_id,
                    row.public_key,
                    open_body(key, sealed, place),
                )
            )
        return found

    def finish_segment(
        self, lease: Lease, processed: Sequence[Processed], parameters: dict[bytes, Parameters]
    ) -> None:
        """Keep the shares, destroy the rest, end the lease: one transaction; then the file.

        Args:
            lease: The lease under which the segment was read.
            processed: Every voucher that was read, with its result.
            parameters: By release id, for the sharing parameters of each share.

        Raises:
            LeaseError: The lease was lost to another worker; nothing was changed.
            StoreError: The database failed; nothing was changed.
        """
        with self._database.transaction() as connection:
            ended = connection.execute(
                update(schema.segment)
                .where(held_by(lease))
                .values(state="done", lease_token=None, lease_expires_at=0)
            )
            if not ended.rowcount:
                raise lost_lease()
            waiting = self._end_vouchers(connection, lease, processed)
            for one in processed:
                place = (one.voucher.account, one.voucher.asset_id)
                # A voucher that was deleted meanwhile leaves no share.
                if one.result.share is not None and place in waiting:
                    sizes = parameters[one.voucher.release_id]
                    self._insert_share(connection, one.voucher.account, one.result.share, sizes)
            # Matches are not counted: a count in time would say what no one may know.
            invalid = sum(one.result.outcome is MatchOutcome.INVALID for one in processed)
            add_to_counter(connection, "work invalid", invalid)
            add_to_counter(connection, "work processed", len(processed))
        self._shelf.delete(lease.segment_id, lease.location)

    def _end_vouchers(
        self, connection: Connection, lease: Lease, processed: Sequence[Processed]
    ) -> set[tuple[bytes, bytes]]:
        """Destroy the keys of the segment. Returns which of them still waited."""
        voucher = schema.voucher.c
        mine = and_(voucher.segment_id == lease.segment_id, voucher.state == State.WAITING.value)
        query = select(voucher.account, voucher.asset_id).where(mine).with_for_update()
        waiting = {(row.account, row.asset_id) for row in connection.execute(query)}
        if not waiting <= {(one.voucher.account, one.voucher.asset_id) for one in processed}:
            # A sealed segment gets no more vouchers: something is broken, and nothing is lost.
            raise StoreError("a segment holds vouchers that were not processed")
        connection.execute(
            update(schema.voucher)
            .where(mine)
            .values(
                state=State.PROCESSED.value,
                segment_id=None,
                offset=None,
                length=None,
                sealed_key=None,
            )
        )
        return waiting

    def _insert_share(
        self, connection: Connection, account: bytes, share: Share, parameters: Parameters
    ) -> None:
        sealed = self._crypter.seal(share.to_bytes(), "share", account + share.asset_id, "share")
        added = connection.execute(
            insert(connection, schema.share)
            .values(
                account=account,
                asset_id=share.asset_id,
                point_tag=hashlib.sha256(share.point).digest()[:16],
                min_shares=parameters.min_shares,
                dhf_width=parameters.dhf_width,
                delta_max=parameters.delta_max,
                sealed_share=sealed,
            )
            .on_conflict_do_nothing()
        )
        if added.rowcount:
            connection.execute(
                update(schema.account)
                .where(schema.account.c.account == account)
                .values(share_version=schema.account.c.share_version + 1, open_attempts=0)
            )

    def lease_account(self, now: int, lease_s: int) -> AccountLease | None:
        """Lease one account whose shares changed since it was looked at; None if none did.

        One that was leased too often without an end is held for an operator, until its
        shares change again.
        """
        account = schema.account.c
        free = and_(
            account.share_version != account.checked_version,
            is_past(account.open_expires_at, now, lease_s),
        )
        chosen = select(account.account, account.share_version).where(
            and_(free, account.open_attempts < MAX_ATTEMPTS)
        )
        with self._database.transaction() as connection:
            self._hold_hopeless_accounts(connection, free)
            row = connection.execute(
                chosen.order_by(func.random()).limit(1).with_for_update(skip_locked=True)
            ).first()
            if row is None:
                return None
            lease = AccountLease(row.account, secrets.token_bytes(_TOKEN_LEN), row.share_version)
            connection.execute(
                update(schema.account)
                .where(account.account == lease.account)
                .values(
                    open_token=lease.token,
                    open_expires_at=now + lease_s,
                    open_attempts=account.open_attempts + 1,
                )
            )
            return lease

    def _hold_hopeless_accounts(self, connection: Connection, free: ColumnElement[bool]) -> None:
        account = schema.account.c
        hopeless = and_(free, account.open_attempts == MAX_ATTEMPTS)
        query = select(account.account).where(hopeless).with_for_update(skip_locked=True)
        for one in connection.execute(query).scalars().all():
            connection.execute(
                update(schema.account)
                .where(account.account == one)
                .values(open_attempts=MAX_ATTEMPTS + 1)
            )
            queue_for_operator(connection, one, "held opening")

    def read_groups(self, lease: AccountLease) -> list[ShareGroup]:
        """Read the shares of a leased account, by sharing parameters. Raises StoreError."""
        account = lease.account
        matches: dict[tuple[int, int], MatchSet] = {}
        delta_max: dict[tuple[int, int], int] = {}
        with self._database.transaction() as connection:
            rows = connection.execute(
                select(schema.share).where(schema.share.c.account == account)
            ).all()
        for row in rows:
            data = self._crypter.open(row.sealed_share, "share", account + row.asset_id, "share")
            sizes = (row.min_shares, row.dhf_width)
            matches.setdefault(sizes, MatchSet()).add(parse_share(data, row.dhf_width))
            delta_max[sizes] = max(row.delta_max, delta_max.get(sizes, 0))
        return [
            ShareGroup(account, *sizes, delta_max[sizes], found) for sizes, found in matches.items()
        ]

    def mark_checked(self, lease: AccountLease) -> None:
        """End an account's lease: it was looked at with its shares as of the lease's version.

        Raises:
            LeaseError: Another worker has the account; it looks at it again, harmlessly.
        """
        account = schema.account.c
        with self._database.transaction() as connection:
            ended = connection.execute(
                update(schema.account)
                .where(and_(account.account == lease.account, account.open_token == lease.token))
                .values(
                    checked_version=lease.version,
                    open_token=None,
                    open_expires_at=0,
                    open_attempts=0,
                )
            )
            if not ended.rowcount:
                raise lost_lease()

    def forget_done_segments(self) -> int:
        """Delete files that a worker left between its commit and the deletion."""
        table = schema.segment.c
        done = and_(table.state == "done", table.location == self._shelf.location)
        with self._database.transaction() as connection:
            ids = list(connection.execute(select(table.segment_id).where(done)).scalars())
        for segment_id in ids:
            self._shelf.delete(segment_id, self._shelf.location)
        with self._database.transaction() as connection:
            for segment_id in ids:
                connection.execute(
                    schema.segment.delete().where(and_(done, table.segment_id == segment_id))
                )
        return len(ids)
