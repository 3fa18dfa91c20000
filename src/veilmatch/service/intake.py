"""``POST /v1/vouchers`` and ``DELETE /v1/vouchers``: 204, always alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from veilmatch.ingest.accept import accept_deletion, accept_vouchers
from veilmatch.intakestore.intake_store import IntakeStore
from veilmatch.service import problems
from veilmatch.service.group_commit import GroupCommit
from veilmatch.service.release_files import ReleaseFiles

_Handler = Callable[[bytes], Awaitable[Response]]
_LENGTH_DIGITS = 18  # a longer number is larger than any limit; int() may refuse it


class InFlight:
    """Counts the bytes of bodies held in memory, so that a flood is turned away early."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0

    def take(self, length: int) -> bool:
        """Reserve ``length`` bytes; False if that would be too many."""
        if self._held + length > self._limit:
            return False
        self._held += length
        return True

    def give(self, length: int) -> None:
        """Return what was reserved."""
        self._held -= length


class Intake:
    """The two endpoints that devices write to."""

    def __init__(
        self,
        store: IntakeStore,
        commit: GroupCommit,
        releases: ReleaseFiles,
        in_flight: InFlight,
        max_body_len: int,
    ) -> None:
        self._store, self._commit, self._releases = store, commit, releases
        self._in_flight, self._max_body_len = in_flight, max_body_len

    async def handle(self, request: Request) -> Response:
        """Take a batch of vouchers (POST) or of deletions (DELETE)."""
        return await self._with_body(
            request, self._post if request.method == "POST" else self._delete
        )

    async def _with_body(self, request: Request, handle: _Handler) -> Response:
        """Check the declared length before reading; hold it against the bytes in flight."""
        length = _declared_length(request)
        if length is None:
            return problems.answer(problems.LENGTH)
        if length > self._max_body_len:
            return problems.answer(problems.TOO_LARGE)
        if not self._in_flight.take(length):
            return problems.answer(problems.BUSY)
        try:
            return await handle(await request.body())
        except ClientDisconnect:
            return problems.answer(problems.MALFORMED)
        finally:
            self._in_flight.give(length)

    async def _post(self, body: bytes) -> Response:
        batch = accept_vouchers(body, self._releases.layouts())
        await self._commit.store(batch)
        return Response(status_code=204)

    async def _delete(self, body: bytes) -> Response:
        batch = accept_deletion(body)
        account = batch.identity.account
        await asyncio.to_thread(self._store.delete_vouchers, account, batch.asset_ids)
        return Response(status_code=204)


def _declared_length(request: Request) -> int | None:
    value = request.headers.get("content-length", "")
    if not (value.isascii() and value.isdigit()):
        return None
    return int(value) if len(value) <= _LENGTH_DIGITS else 10**_LENGTH_DIGITS
