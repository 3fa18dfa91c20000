"""Group commit: what arrives within a few milliseconds shares one sync and one commit.

A request is answered only after its vouchers are durable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from veilmatch.errors import PolicyError, StoreError, UnavailableError
from veilmatch.ingest.accept import AcceptedBatch
from veilmatch.intakestore.intake_store import IntakeStore


@dataclass
class _Pending:
    batch: AcceptedBatch
    done: asyncio.Future[PolicyError | None]


class GroupCommit:
    """Gathers batches and stores them together, one group at a time.

    Args:
        store: The intake's store.
        gather_s: How long to wait for company after the first batch.
        group_count: Vouchers after which a group is full.
        timer: Seconds that only grow.
        observe: Called with the seconds that each group took.
    """

    def __init__(
        self,
        store: IntakeStore,
        gather_s: float,
        group_count: int,
        timer: Callable[[], float] = time.perf_counter,
        observe: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._timer, self._observe = timer, observe
        self._store, self._gather_s, self._group_count = store, gather_s, group_count
        self._queue: asyncio.Queue[_Pending] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._failed_at: float | None = None

    def has_failed(self, within_s: float) -> bool:
        """Say whether the last group was not stored, and that less than so long ago."""
        return self._failed_at is not None and time.monotonic() - self._failed_at < within_s

    def start(self) -> None:
        """Start gathering; call it inside the event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop after what is queued has been stored."""
        await self._queue.join()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def store(self, batch: AcceptedBatch) -> None:
        """Store a batch; returns when it is durable.

        Raises:
            PolicyError: Over quota. StoreError: Not stored.
        """
        pending = _Pending(batch, asyncio.get_running_loop().create_future())
        await self._queue.put(pending)
        refusal = await pending.done
        if refusal is not None:
            raise refusal

    async def _run(self) -> None:
        while True:
            group = [await self._queue.get()]
            await asyncio.sleep(self._gather_s)
            count = len(group[0].batch.vouchers)
            while count < self._group_count and not self._queue.empty():
                group.append(self._queue.get_nowait())
                count += len(group[-1].batch.vouchers)
            begun = self._timer()
            await self._commit(group)
            self._observe(self._timer() - begun)
            for _ in group:
                self._queue.task_done()

    async def _commit(self, group: list[_Pending]) -> None:
        batches = [pending.batch for pending in group]
        try:
            refusals = await asyncio.to_thread(self._store.store_batches, batches)
        except UnavailableError as exc:
            self._fail(group, exc)
        except Exception:  # noqa: BLE001  a fault of ours must not end the loop or hang a request
            self._fail(group, StoreError("the group was not stored"))
        else:
            self._failed_at = None
            for pending, refusal in zip(group, refusals, strict=True):
                if not pending.done.done():
                    pending.done.set_result(refusal)

    def _fail(self, group: list[_Pending], error: UnavailableError) -> None:
        self._failed_at = time.monotonic()
        for pending in group:
            if not pending.done.done():
                pending.done.set_exception(error)
