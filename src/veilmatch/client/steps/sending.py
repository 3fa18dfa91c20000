"""Send what waits: deletions first, then vouchers, the very bytes that were committed.

Guide: ``docs/guides/app-developer.md``, "What happens when".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from veilmatch.client.records import Queued
from veilmatch.client.session import Session
from veilmatch.client.steps.adding import Adder
from veilmatch.client.steps.reports import SendReport
from veilmatch.client.transport import MAX_BODY_LEN, Progress, quiet
from veilmatch.errors import EpochError, LengthError
from veilmatch.voucher.batch import (
    BATCH_OVERHEAD_LEN,
    build_deletion_batch,
    build_voucher_batch,
)

BATCH = 32  # vouchers in one request
DELETIONS = 1024  # ids in one request


class Sender:
    """Empties a session's outbox."""

    def __init__(self, session: Session, adder: Adder) -> None:
        self._session = session
        self._records = session.records
        self._adder = adder

    def send(self, progress: Progress = quiet) -> SendReport:
        """Send deletions and vouchers; see ``Client.send``."""
        deleted = self._send_deletions()
        remade = self._remake_stale()
        sent, limit, refused = 0, BATCH, set[bytes]()
        while batch := self._next_batch(limit):
            try:
                self._send_batch(batch)
            except LengthError:
                if len(batch) == 1:
                    raise
                limit = len(batch) // 2
                continue
            except EpochError:
                remade += self._move_on(batch[0].release_id, refused)
                continue
            sent += len(batch)
            progress(sent, sent + self._records.count_queued()[0])
        return SendReport(sent, deleted, remade, self._records.count_queued()[1])

    def delete(self, asset_ids: Iterable[bytes]) -> int:
        """Have vouchers deleted; see ``Client.delete``."""
        with self._session.state.transaction():
            known = sum(self._records.mark_deleting(asset_id) for asset_id in asset_ids)
        self._send_deletions()
        return known

    def _next_batch(self, limit: int) -> list[Queued]:
        """Return the oldest vouchers of one release, so of one length, that fit a request."""
        batch = self._records.next_batch(limit)
        if not batch:
            return []
        return batch[: max(1, (MAX_BODY_LEN - BATCH_OVERHEAD_LEN) // len(batch[0].voucher))]

    def _send_batch(self, batch: Sequence[Queued]) -> None:
        """Send vouchers; note the acknowledgement before anything else is done."""
        session, bodies = self._session, [queued.voucher for queued in batch]
        session.transport.send_vouchers(
            build_voucher_batch(session.identity, session.device, batch[0].release_id, bodies)
        )
        with session.state.transaction():
            self._records.mark_sent(batch)

    def _send_deletions(self) -> int:
        deleted = 0
        while ids := self._records.next_deletions(DELETIONS):
            body = build_deletion_batch(self._session.identity, self._session.device, ids)
            self._session.transport.send_deletion(body)
            with self._session.state.transaction():
                self._records.mark_deleted(ids)
            deleted += len(ids)
        return deleted

    def _remake_stale(self) -> int:
        return self._adder.remake() if self._records.count_queued()[1] else 0

    def _move_on(self, release_id: bytes, refused: set[bytes]) -> int:
        """Take the release that the service has moved on to; make its vouchers again."""
        session = self._session
        session.releases.update(session.transport)
        if session.releases.in_use == release_id or release_id in refused:
            raise EpochError(
                "the service refuses vouchers of the release that it offers",
                hint="try again later; nothing is lost",
            )
        refused.add(release_id)
        with session.state.transaction():
            self._records.mark_stale(release_id)
        return self._remake_stale()
