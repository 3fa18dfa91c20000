"""OpenMined PSI (ECDH over P-256) beside ours, in turn.

``table_row``: both hash an item to the curve and multiply. ``table_item``: our whole table per
hash, which is 2.1 such rows, placed and checked. ``match_voucher``: our two slots tried, with
key derivation and seals, beside its one multiplication per item of the client.
"""

from __future__ import annotations

from benchmarks.fixture import make_fixture
from benchmarks.harness import Record
from benchmarks.peers.ours import table_operations
from benchmarks.peers.turns import take_turns
from veilmatch.hazmat.backends.selection import current
from veilmatch.matching.match import match_vouchers
from veilmatch.secret import SYSTEM_RANDOM

_PEER = "openmined-psi"
_VOUCHERS = 256
_AGAINST = {"table_row": "setup", "table_item": "setup", "match_voucher": "response"}


def run() -> list[Record]:
    """Time both sides."""
    fixture = make_fixture()
    pictures = fixture.pictures(0, _VOUCHERS)
    vouchers = fixture.maker.deterministic_make_vouchers(pictures, SYSTEM_RANDOM)

    def match() -> object:
        return match_vouchers(fixture.built.secret, fixture.maker.layout, vouchers)

    operations = {**table_operations(), "match_voucher": (match, _VOUCHERS)}
    both = take_turns("openmined_psi", operations)
    if both is None:
        return []
    ours, theirs = both
    name = current().name
    records = [
        Record(
            what, name, _PEER, round(ours[what], 3), "us", round(theirs[against] / ours[what], 3)
        )
        for what, against in _AGAINST.items()
    ]
    records += [
        Record(f"peer_{what}", _PEER, None, round(value, 3), "us", None)
        for what, value in theirs.items()
    ]
    return records
