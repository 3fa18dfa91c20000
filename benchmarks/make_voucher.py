"""One voucher on the device (C = 1): derivations, shares, DHF, two slots, seals, signature."""

from __future__ import annotations

from benchmarks.fixture import make_fixture
from benchmarks.harness import Record, compare
from benchmarks.libsodium import Bare
from veilmatch.hazmat.backends.selection import current
from veilmatch.secret import SYSTEM_RANDOM

_COUNT = 64


def run() -> list[Record]:
    """Compare with the bare group operations of two slots.

    Per voucher: three maps to the group (the hash, and two random elements that stand ready
    for slots that must stay closed) and, for each slot, three multiplications, one of the
    generator and two additions.
    """
    fixture = make_fixture()
    pictures = fixture.pictures(0, _COUNT)

    def make() -> object:
        return fixture.maker.deterministic_make_vouchers(pictures, SYSTEM_RANDOM)

    bare = Bare().loop(_COUNT, hashes=3, multiplications=6, base=2, adds=4)
    name = current().name
    operations = {name: (make, _COUNT), "libsodium": (bare, _COUNT)}
    return compare("make_voucher", name, "libsodium", operations)
