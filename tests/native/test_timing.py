"""Time tells nothing: not the kind of a voucher, nor whether a slot opens.

Welch's t-test over calls in random order (the method of dudect); |t| of ten or more would say
that a class shows. The kernels alone, with many more samples: ``native/check.sh full``.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("veilmatch_native", reason="the native core is not installed: make native")

from tests.simulator import UNKNOWN, House, Item
from tests.vectors.backends import use_backend
from veilmatch.hazmat.backends.native import NativeBackend
from veilmatch.hazmat.backends.portable import PortableBackend
from veilmatch.hazmat.group import GENERATOR
from veilmatch.secret import SYSTEM_RANDOM
from veilmatch.voucher.asset import Kind

LIMIT = 10.0
SAMPLES = 1_200
ROWS = 16


def welch(first: list[float], second: list[float]) -> float:
    """Welch's t without the slowest tenth: interruptions."""
    cut = sorted(first + second)[len(first + second) * 9 // 10]
    kept = [[t for t in times if t <= cut] for times in (first, second)]
    means = [statistics.fmean(times) for times in kept]
    errors = [statistics.variance(times) / len(times) for times in kept]
    return (means[0] - means[1]) / math.sqrt(sum(errors))


def compare(calls: list[Callable[[], object]]) -> float:
    """Time both calls in random order."""
    times: list[list[float]] = [[], []]
    order = random.Random(1)
    for call in calls:
        call()
    for _ in range(SAMPLES):
        which = order.randrange(2)
        start = time.perf_counter_ns()
        calls[which]()
        times[which].append(float(time.perf_counter_ns() - start))
    return welch(*times)


def made_of(house: House, kind: Kind, picture: int) -> Callable[[], object]:
    """Make four vouchers of one kind."""
    device = house.account("t").device()
    inputs = [device.picture_input(Item(picture + i, kind)) for i in range(4)]
    maker = device.maker()
    return lambda: maker.deterministic_make_vouchers(inputs, SYSTEM_RANDOM)


@pytest.mark.parametrize(
    ("kind", "picture"),
    [(Kind.SYNTHETIC, 0), (Kind.NULL, 0), (Kind.REAL, UNKNOWN)],
    ids=["synthetic", "null", "real but unknown"],
)
def test_no_kind_of_voucher_shows(kind: Kind, picture: int) -> None:
    with use_backend(NativeBackend()):
        house = House()
        known, other = made_of(house, Kind.REAL, 0), made_of(house, kind, picture)
        assert abs(compare([known, other])) < LIMIT


def test_no_match_shows() -> None:
    backend, oracle = NativeBackend(), PortableBackend()
    uniform = np.frombuffer(SYSTEM_RANDOM(64 * ROWS), dtype=np.uint8).reshape(ROWS, 64)
    scalars, points = oracle.scalar_reduce(uniform), oracle.from_uniform(uniform)
    scalar, keys, salts = scalars[0], scalars, points[:, :16].copy()
    public = oracle.mul(scalar, GENERATOR.reshape(1, 32))[0]
    matching = [oracle.mul(scalar, points), oracle.mul(scalars[1], points)]
    slots = [
        oracle.seal_slots(points, right, public, scalars, keys, keys, points, salts)
        for right in matching
    ]
    calls: list[Callable[[], object]] = [
        lambda: backend.open_slots(scalar, slots[0], points),
        lambda: backend.open_slots(scalar, slots[1], points),
    ]
    assert backend.open_slots(scalar, slots[0], points)[1].all()
    assert not backend.open_slots(scalar, slots[1], points)[1].any()
    assert abs(compare(calls)) < LIMIT


def test_the_test_sees_a_difference() -> None:
    """A comparison that stops at the first difference is found out."""
    text = bytes(100_000)
    early, late = b"\x01" + text[1:], text[:-1] + b"\x01"
    assert abs(compare([lambda: text == early, lambda: text == late])) > LIMIT
