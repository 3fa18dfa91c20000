"""One voucher in the worker: two slots tried; none of these vouchers opens, as is usual."""

from __future__ import annotations

from benchmarks.fixture import make_fixture
from benchmarks.harness import Record, compare
from benchmarks.libsodium import Bare
from veilmatch.hazmat.backends.selection import current
from veilmatch.matching.match import match_vouchers
from veilmatch.secret import SYSTEM_RANDOM

_COUNT = 256


def run() -> list[Record]:
    """Compare with two bare multiplications per voucher."""
    fixture = make_fixture()
    pictures = fixture.pictures(0, _COUNT)
    vouchers = fixture.maker.deterministic_make_vouchers(pictures, SYSTEM_RANDOM)

    def match() -> object:
        return match_vouchers(fixture.built.secret, fixture.maker.layout, vouchers)

    bare = Bare().loop(_COUNT, multiplications=2)
    name = current().name
    operations = {name: (match, _COUNT), "libsodium": (bare, _COUNT)}
    return compare("match_voucher", name, "libsodium", operations)
