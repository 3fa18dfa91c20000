"""A pool of processes on this machine. A killed one costs a new pool, not the run."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from veilmatch.errors import UnavailableError
from veilmatch.shards.engine import MAX_ATTEMPTS
from veilmatch.shards.shard_map import ShardTask

_LOOK_S = 0.5


def _end_with_driver(driver: int) -> None:
    """In a worker: end when the driver does, also if it was killed."""

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class LocalEngine:
    """Runs shards in processes of this machine.

    Args:
        workers: How many processes.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def _submit(self, task: ShardTask, data: bytes) -> Future[bytes]:
        if self._pool is None:
            # spawn: nothing of the driver's memory, and no lock held by a thread, is inherited
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self._workers, context, initializer=_end_with_driver, initargs=(os.getpid(),)
            )
        return self._pool.submit(task, data)

    def run(
        self, task: ShardTask, inputs: Iterator[tuple[int, bytes]]
    ) -> Iterator[tuple[int, bytes]]:
        """See ``Engine.run``."""
        under_way: dict[Future[bytes], tuple[int, bytes]] = {}
        waiting: list[tuple[int, bytes]] = []
        broken: dict[int, int] = {}
        while True:
            while len(under_way) < 2 * self._workers:
                item = waiting.pop() if waiting else next(inputs, None)
                if item is None:
                    break
                try:
                    under_way[self._submit(task, item[1])] = item
                except BrokenProcessPool:
                    waiting.append(item)
                    break
            if not under_way and not waiting:
                return
            finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
            is_broken = False
            for future in finished:
                number, data = under_way.pop(future)
                try:
                    output = future.result()
                except BrokenProcessPool:
                    is_broken = True
                    waiting.append((number, data))
                else:
                    broken.pop(number, None)
                    yield number, output
            if is_broken or not finished:
                # Any of those under way may have been the one; all are tried again.
                waiting += under_way.values()
                under_way.clear()
                self.close()
                _count_attempts(broken, waiting)

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _count_attempts(broken: dict[int, int], again: list[tuple[int, bytes]]) -> None:
    for number, _ in again:
        broken[number] = broken.get(number, 0) + 1
        if broken[number] >= MAX_ATTEMPTS:
            raise UnavailableError(
                f"the processes that had shard {number} died {MAX_ATTEMPTS} times",
                hint="is there enough memory? what is finished is kept; run it again",
            )
