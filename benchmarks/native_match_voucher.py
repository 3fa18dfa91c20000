"""One voucher in the worker, whole: two slots tried; as is usual, none opens."""

from __future__ import annotations

from benchmarks.fixture import make_fixture
from benchmarks.harness import Record
from benchmarks.native_backends import compare_backends
from veilmatch.matching.match import match_vouchers
from veilmatch.secret import SYSTEM_RANDOM

_COUNT = 256


def run() -> list[Record]:
    """Match the same vouchers on both backends."""
    fixture = make_fixture()
    pictures = fixture.pictures(0, _COUNT)
    vouchers = fixture.maker.deterministic_make_vouchers(pictures, SYSTEM_RANDOM)
    return compare_backends(
        "match_voucher",
        lambda: match_vouchers(fixture.built.secret, fixture.maker.layout, vouchers),
        _COUNT,
    )
