"""One voucher on the device, whole: derivations, shares, DHF, two slots, seals, signature."""

from __future__ import annotations

from benchmarks.fixture import make_fixture
from benchmarks.harness import Record
from benchmarks.native_backends import compare_backends
from veilmatch.secret import SYSTEM_RANDOM

_COUNT = 64


def run() -> list[Record]:
    """Make the same vouchers on both backends."""
    fixture = make_fixture()
    pictures = fixture.pictures(0, _COUNT)
    return compare_backends(
        "make_voucher",
        lambda: fixture.maker.deterministic_make_vouchers(pictures, SYSTEM_RANDOM),
        _COUNT,
    )
