"""Detection, verification included: the usual size, the largest, and an account opened before."""

from __future__ import annotations

import numpy as np

from benchmarks.harness import Record, time_together
from veilmatch.hazmat.backends.interface import Flags, Words
from veilmatch.hazmat.backends.selection import current
from veilmatch.hazmat.dhf import evaluate_dhf, words_from_wide
from veilmatch.opening.detect import detect, detect_on_known
from veilmatch.secret import SYSTEM_RANDOM

_WIDTH, _MIN_SHARES, _DELTA_MAX = 150, 31, 8
_SIZES = {"detection": (31, 150), "detection_large": (300, 1200)}


def _words(count: int) -> Words:
    return words_from_wide(SYSTEM_RANDOM(16 * count))


def _matches(real: int, synthetic: int) -> tuple[Words, Words]:
    """Inputs and outputs: ``real`` on common polynomials, then ``synthetic`` random ones."""
    key = _words(_WIDTH * (_MIN_SHARES - 1)).reshape(_WIDTH, _MIN_SHARES - 1)
    inputs = _words(real + synthetic)
    outputs = _words((real + synthetic) * _WIDTH).reshape(-1, _WIDTH)
    outputs[:real] = evaluate_dhf(key, inputs[:real])
    return inputs, outputs


def _check(found: Flags, real: int) -> None:
    if found.sum() != real or not found[:real].all():
        raise AssertionError("detection found other matches than the real ones")


def run() -> list[Record]:
    """Time detection from nothing, and from matches that were known before."""
    records = []
    name = current().name
    for what, (real, synthetic) in _SIZES.items():
        inputs, outputs = _matches(real, synthetic)
        known = np.arange(len(inputs)) < _MIN_SHARES

        def fresh(x: Words = inputs, r: Words = outputs, real: int = real) -> None:
            _check(detect(x, r, _MIN_SHARES, _DELTA_MAX), real)

        def again(x: Words = inputs, r: Words = outputs, k: Flags = known, n: int = real) -> None:
            _check(detect_on_known(x, r, k, _MIN_SHARES), n)

        medians = time_together({"fresh": (fresh, 1), "again": (again, 1)}, rounds=3)
        records.append(Record(what, name, None, round(medians["fresh"] / 1000, 3), "ms", None))
        label = f"{what}_again"
        records.append(Record(label, name, None, round(medians["again"] / 1000, 3), "ms", None))
    return records
