"""Detection of 31 real matches among 150 synthetic ones, verification included."""

from __future__ import annotations

import numpy as np

from benchmarks.harness import Record, time_together
from veilmatch.hazmat.backends.selection import current
from veilmatch.hazmat.dhf import evaluate_dhf, words_from_wide
from veilmatch.opening.detect import detect
from veilmatch.secret import SYSTEM_RANDOM

_REAL, _SYNTHETIC, _WIDTH, _MIN_SHARES = 31, 150, 150, 31


def run() -> list[Record]:
    """Time one detection; there is no libsodium equivalent."""

    def words(count: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        return words_from_wide(SYSTEM_RANDOM(16 * count))

    key = words(_WIDTH * (_MIN_SHARES - 1)).reshape(_WIDTH, _MIN_SHARES - 1)
    inputs = words(_REAL + _SYNTHETIC)
    outputs = words((_REAL + _SYNTHETIC) * _WIDTH).reshape(-1, _WIDTH)
    outputs[:_REAL] = evaluate_dhf(key, inputs[:_REAL])

    def run_detect() -> None:
        found = detect(inputs, outputs, _MIN_SHARES, 8)
        if found.sum() != _REAL:
            raise AssertionError("detection found another number of matches")

    name = current().name
    median = time_together({name: (run_detect, 1)})[name]
    return [Record("detection", name, None, round(median / 1000, 3), "ms", None)]
