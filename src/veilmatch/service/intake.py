"""``POST /v1/vouchers`` and ``DELETE /v1/vouchers``: 204, always alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from veilmatch.ingest.accept import accept_deletion, accept_vouchers
from veilmatch.intakestore.intake_store import IntakeStore
from veilmatch.service import problems
from veilmatch.service.admission import HEAD_LEN, Admission
from veilmatch.service.group_commit import GroupCommit
from veilmatch.service.release_files import ReleaseFiles
from veilmatch.service.watch.metrics import Metrics

_Handler = Callable[[bytes], Awaitable[Response]]
_MAGICS = (b"VMB1", b"VMD1")
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


@dataclass(frozen=True)
class BodyLimits:
    """How long a body may be, and how long it may take.

    Attributes:
        max_body_len: Bytes.
        base_s: Seconds that any body may take.
        min_rate: Bytes per second below which a longer one is too slow.
    """

    max_body_len: int
    base_s: float
    min_rate: int

    def seconds_for(self, length: int) -> float:
        """Return the seconds that a body of ``length`` bytes may take."""
        return self.base_s + length / self.min_rate


class Intake:
    """The two endpoints that devices write to."""

    def __init__(
        self,
        store: IntakeStore,
        commit: GroupCommit,
        releases: ReleaseFiles,
        in_flight: InFlight,
        admission: Admission,
        metrics: Metrics,
        limits: BodyLimits,
    ) -> None:
        self._store, self._commit, self._releases = store, commit, releases
        self._in_flight, self._admission, self._metrics = in_flight, admission, metrics
        self._limits = limits

    async def handle(self, request: Request) -> Response:
        """Take a batch of vouchers (POST) or of deletions (DELETE)."""
        return await self._with_body(
            request, self._post if request.method == "POST" else self._delete
        )

    async def _with_body(self, request: Request, handle: _Handler) -> Response:
        """Check what is known before reading; hold the length against the bytes in flight."""
        refusal = self._admission.before_body(request)
        if refusal is not None:
            return refusal
        length = _declared_length(request)
        if length is None:
            return problems.answer(problems.LENGTH)
        if length > self._limits.max_body_len:
            return problems.answer(problems.TOO_LARGE)
        if not self._in_flight.take(length):
            return problems.answer(problems.BUSY)
        self._metrics.in_flight.inc(length)
        try:
            async with asyncio.timeout(self._limits.seconds_for(length)):
                body = await self._read(request)
            return body if isinstance(body, Response) else await handle(body)
        except TimeoutError:
            return problems.answer(problems.TIMEOUT)
        except ClientDisconnect:
            return problems.answer(problems.MALFORMED)
        finally:
            self._in_flight.give(length)
            self._metrics.in_flight.dec(length)

    async def _read(self, request: Request) -> bytes | Response:
        """Read the body; stop early if its account has asked too often."""
        parts, length, is_checked = [], 0, False
        async for part in request.stream():
            parts.append(part)
            length += len(part)
            if not is_checked and length >= HEAD_LEN:
                is_checked = True
                head = parts[0] if len(parts[0]) >= HEAD_LEN else b"".join(parts)
                if head.startswith(_MAGICS):
                    refusal = self._admission.before_rest(head)
                    if refusal is not None:
                        return refusal
        return b"".join(parts)

    async def _post(self, body: bytes) -> Response:
        batch = accept_vouchers(body, self._releases.layouts())
        self._admission.admit_batch(batch.identity, len(body))
        await self._commit.store(batch)
        self._metrics.count_vouchers(len(batch.vouchers))
        return Response(status_code=204)

    async def _delete(self, body: bytes) -> Response:
        batch = accept_deletion(body)
        self._admission.admit_deletion(batch.identity, len(batch.asset_ids))
        account = batch.identity.account
        await asyncio.to_thread(self._store.delete_vouchers, account, batch.asset_ids)
        self._metrics.count_deletions(len(batch.asset_ids))
        return Response(status_code=204)


def _declared_length(request: Request) -> int | None:
    value = request.headers.get("content-length", "")
    if not (value.isascii() and value.isdigit()):
        return None
    return int(value) if len(value) <= _LENGTH_DIGITS else 10**_LENGTH_DIGITS
