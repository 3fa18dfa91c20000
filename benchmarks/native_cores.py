"""What a second core gives: rows blinded by two threads, one on each core, against one thread.

The threads are pinned: on a busy machine the scheduler may leave both on one core. Wall time
suffers from load elsewhere, so the best of many short turns counts, not the median. That it
works at all shows that a batch call lets go of the interpreter lock.
"""

from __future__ import annotations

import os
import threading
import time

from benchmarks.harness import Record
from benchmarks.native_backends import as_backend
from veilmatch.hazmat.backends.selection import native_is_installed
from veilmatch.hazmat.group import blind_rows, random_elements
from veilmatch.secret import SYSTEM_RANDOM
from veilmatch.table.secret import generate_alpha

_ROWS = 512  # a few milliseconds: within one turn of the scheduler
_TURNS = 300


def _best_turn(cores: list[int]) -> float:
    """Return the shortest wall time in which every core blinds its rows."""
    scalar = generate_alpha().reveal()
    messages = random_elements(_ROWS, SYSTEM_RANDOM)
    together = threading.Barrier(len(cores))
    spans: list[list[tuple[float, float]]] = [[] for _ in cores]

    def work(place: int) -> None:
        os.sched_setaffinity(0, {cores[place]})  # of this thread only
        for _ in range(_TURNS):
            together.wait()
            begin = time.perf_counter()
            blind_rows(messages, scalar)
            spans[place].append((begin, time.perf_counter()))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(cores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # From the first to start to the last to end.
    walls: list[float] = [
        max(end for _, end in turn) - min(begin for begin, _ in turn)
        for turn in zip(*spans, strict=True)
    ]
    return min(walls)


def run() -> list[Record]:
    """Compare one core with two."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if not native_is_installed() or len(cores) < 2:
        return []
    times: dict[int, float] = {}

    def measure() -> None:
        for count in (1, 2):
            times[count] = _best_turn(cores[:count])

    as_backend("native", measure)()
    value = round(times[2] / (2 * _ROWS) * 1e6, 3)
    ratio = round(2 * times[1] / times[2], 3)
    return [Record("table_row_2_cores", "native", "native 1 core", value, "us", ratio)]
