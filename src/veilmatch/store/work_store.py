"""What the worker reads and writes: leases of segments, shares, forgetting.

A lease is a token and an expiry on the segment's row. Whatever a worker found is committed
in one transaction with the lease's end, so running a segment twice is harmless and a killed
worker loses nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, and_, select, update

from veilmatch.errors import StoreError
from veilmatch.ingest.ledger import State
from veilmatch.matching.match import MatchOutcome, MatchResult, Share, parse_share
from veilmatch.matching.match_set import MatchSet
from veilmatch.release.manifest import Parameters
from veilmatch.store import schema
from veilmatch.store.crypter import Crypter, open_body
from veilmatch.store.database import Database, add_to_counter
from veilmatch.store.segments import delete_segment, read_body
from veilmatch.store.statements import insert

_TOKEN_LEN = 16


@dataclass(frozen=True)
class Lease:
    """A segment that this worker may process until the lease expires."""

    segment_id: bytes
    token: bytes


@dataclass(frozen=True)
class WaitingVoucher:
    """A voucher of a leased segment, with its body opened and its device's key."""

    account: bytes
    asset_id: bytes
    release_id: bytes
    device_public_key: bytes
    body: bytes

    def __repr__(self) -> str:
        return "WaitingVoucher(<private>)"


@dataclass(frozen=True)
class Processed:
    """A voucher and what matching said of it."""

    voucher: WaitingVoucher
    result: MatchResult

    def __repr__(self) -> str:
        return "Processed(<private>)"


@dataclass(frozen=True)
class ShareGroup:
    """The matches of one account that were made with the same sharing parameters."""

    account: bytes
    min_shares: int
    dhf_width: int
    delta_max: int
    matches: MatchSet
    version: int

    def __repr__(self) -> str:
        return f"ShareGroup({len(self.matches)} matches)"


class WorkStore:
    """Leases, shares and forgetting.

    Args:
        database: The store's database.
        folder: Where segments live.
        crypter: Opens keys, seals shares.
    """

    def __init__(self, database: Database, folder: Path, crypter: Crypter) -> None:
        self._database, self._folder, self._crypter = database, folder, crypter

    def lease_segment(self, now: int, lease_s: int) -> Lease | None:
        """Lease one sealed segment that is due, chosen at random; None if there is none."""
        table = schema.segment.c
        due = and_(table.state == "sealed", table.not_before <= now, table.lease_expires_at <= now)
        with self._database.transaction() as connection:
            ids = list(connection.execute(select(table.segment_id).where(due)).scalars())
            if not ids:
                return None
            lease = Lease(secrets.choice(ids), secrets.token_bytes(_TOKEN_LEN))
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

    def pending_count(self) -> tuple[int, int]:
        """Return how many segments wait (sealed or open) and how many vouchers they hold."""
        table = schema.segment.c
        with self._database.transaction() as connection:
            rows = connection.execute(
                select(table.voucher_count).where(table.state != "done")
            ).scalars()
            counts = list(rows)
        return len(counts), sum(counts)

    def read_segment(self, lease: Lease) -> list[WaitingVoucher]:
        """Read the vouchers of a leased segment that still wait."""
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
        found = []
        for row in rows:
            place = row.account + row.asset_id
            key = self._crypter.open(row.sealed_key, "voucher", place, "key")
            sealed = read_body(self._folder, lease.segment_id, row.offset, row.length)
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
            StoreError: The lease was lost to another worker; nothing was changed.
        """
        with self._database.transaction() as connection:
            self._check_lease(connection, lease)
            for one in processed:
                self._finish_voucher(connection, one, parameters)
            for outcome in MatchOutcome:
                amount = sum(one.result.outcome is outcome for one in processed)
                # Matches are not counted: a count in time would say what no one may know.
                if outcome is MatchOutcome.INVALID:
                    add_to_counter(connection, "work invalid", amount)
            add_to_counter(connection, "work processed", len(processed))
            connection.execute(
                update(schema.segment)
                .where(schema.segment.c.segment_id == lease.segment_id)
                .values(state="done", lease_token=None, lease_expires_at=0)
            )
        delete_segment(self._folder, lease.segment_id)

    def _check_lease(self, connection: Connection, lease: Lease) -> None:
        table = schema.segment.c
        held = connection.execute(
            select(table.segment_id).where(
                and_(
                    table.segment_id == lease.segment_id,
                    table.lease_token == lease.token,
                    table.state == "sealed",
                )
            )
        ).first()
        if held is None:
            raise StoreError("the lease of a segment was lost; another worker has it")

    def _finish_voucher(
        self, connection: Connection, one: Processed, parameters: dict[bytes, Parameters]
    ) -> None:
        voucher = schema.voucher.c
        changed = connection.execute(
            update(schema.voucher)
            .where(
                and_(
                    voucher.account == one.voucher.account,
                    voucher.asset_id == one.voucher.asset_id,
                    voucher.state == State.WAITING.value,
                )
            )
            .values(
                state=State.PROCESSED.value,
                segment_id=None,
                offset=None,
                length=None,
                sealed_key=None,
            )
        )
        # A voucher that was deleted meanwhile leaves no share.
        if changed.rowcount and one.result.share is not None:
            self._insert_share(
                connection,
                one.voucher.account,
                one.result.share,
                parameters[one.voucher.release_id],
            )

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
                .values(share_version=schema.account.c.share_version + 1)
            )

    def changed_groups(self) -> list[ShareGroup]:
        """Read the accounts whose shares changed since they were last looked at."""
        account = schema.account.c
        with self._database.transaction() as connection:
            rows = connection.execute(
                select(account.account, account.share_version).where(
                    account.share_version != account.checked_version
                )
            ).all()
            return [
                group
                for row in rows
                for group in self._read_groups(connection, row.account, row.share_version)
            ]

    def _read_groups(
        self, connection: Connection, account: bytes, version: int
    ) -> list[ShareGroup]:
        matches: dict[tuple[int, int], MatchSet] = {}
        delta_max: dict[tuple[int, int], int] = {}
        table = schema.share.c
        for row in connection.execute(select(schema.share).where(table.account == account)):
            data = self._crypter.open(row.sealed_share, "share", account + row.asset_id, "share")
            sizes = (row.min_shares, row.dhf_width)
            matches.setdefault(sizes, MatchSet()).add(parse_share(data, row.dhf_width))
            delta_max[sizes] = max(row.delta_max, delta_max.get(sizes, 0))
        return [
            ShareGroup(account, *sizes, delta_max[sizes], found, version)
            for sizes, found in matches.items()
        ]

    def mark_checked(self, account: bytes, version: int) -> None:
        """Remember that an account was looked at with its shares as of ``version``."""
        with self._database.transaction() as connection:
            connection.execute(
                update(schema.account)
                .where(schema.account.c.account == account)
                .values(checked_version=version)
            )

    def forget_done_segments(self) -> int:
        """Delete files that a worker left between its commit and the deletion."""
        table = schema.segment.c
        with self._database.transaction() as connection:
            ids = list(
                connection.execute(select(table.segment_id).where(table.state == "done")).scalars()
            )
            connection.execute(schema.segment.delete().where(table.state == "done"))
        for segment_id in ids:
            delete_segment(self._folder, segment_id)
        return len(ids)
