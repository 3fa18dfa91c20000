"""What a second core gives: the wall time of one batch call with one thread and with two.

Wall time suffers from load elsewhere, so the best of many short turns counts, not the median.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from benchmarks.harness import Record
from benchmarks.native_backends import as_backend
from veilmatch.hazmat.backends.selection import native_is_installed
from veilmatch.hazmat.group import blind_rows, random_elements
from veilmatch.secret import SYSTEM_RANDOM
from veilmatch.table.secret import generate_alpha

_ROWS = 2048
_TURNS = 60


def run() -> list[Record]:
    """Blind the same rows with one thread and with two, in turn."""
    if not native_is_installed() or len(os.sched_getaffinity(0)) < 2:
        return []
    scalar = generate_alpha().reveal()
    messages = random_elements(_ROWS, SYSTEM_RANDOM)

    def blind(threads: int) -> Callable[[], object]:
        return as_backend("native", lambda: blind_rows(messages, scalar, threads=threads))

    calls = {threads: blind(threads) for threads in (1, 2)}
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(_TURNS):
        for threads, call in calls.items():
            start = time.perf_counter()
            call()
            best[threads] = min(best[threads], time.perf_counter() - start)
    ratio = round(best[1] / best[2], 3)
    value = round(best[2] / _ROWS * 1e6, 3)
    return [Record("table_row_2_cores", "native", "native 1 core", value, "us", ratio)]
