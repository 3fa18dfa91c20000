"""secretflow's unbalanced PSI (OPRF over FourQ, a smaller group) beside ours, in turn.

``table_row``: both hash an item to the curve and multiply; its time includes reading and
sorting a CSV file. ``table_item``: our whole table per hash, 2.1 rows, placed and checked.
"""

from __future__ import annotations

from benchmarks.harness import Record
from benchmarks.peers.ours import table_operations
from benchmarks.peers.turns import take_turns
from veilmatch.hazmat.backends.selection import current

_PEER = "secretflow-ub"


def run() -> list[Record]:
    """Time both sides."""
    both = take_turns("secretflow_ub", table_operations())
    if both is None:
        return []
    ours, theirs = both
    name, setup = current().name, theirs["setup"]
    records = [
        Record(what, name, _PEER, round(value, 3), "us", round(setup / value, 3))
        for what, value in ours.items()
    ]
    return [*records, Record("peer_setup", _PEER, None, round(setup, 3), "us", None)]
