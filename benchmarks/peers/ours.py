"""Our side of the comparisons: whole steps of the house, and the bare kernel per row."""

from __future__ import annotations

import os

from benchmarks.harness import Operation
from veilmatch.hazmat.group import blind_rows, random_elements
from veilmatch.secret import SYSTEM_RANDOM
from veilmatch.table.blind import build_table
from veilmatch.table.params import row_count
from veilmatch.table.secret import generate_alpha

HASHES = 2000
_ROWS = 2048


def table_operations() -> dict[str, Operation]:
    """Time per hash of a whole table (2.1 rows each), and per row of the bare kernel."""
    encoded = [bytes([1, 1, 0]) + os.urandom(32) for _ in range(HASHES)]
    rows = row_count(HASHES, 2.1)
    alpha, nonce = generate_alpha(), os.urandom(32)
    messages = random_elements(_ROWS, SYSTEM_RANDOM)
    scalar = alpha.reveal()
    return {
        "table_item": (
            lambda: build_table(encoded, alpha=alpha, nonce=nonce, epoch=1, rows=rows),
            HASHES,
        ),
        "table_row": (lambda: blind_rows(messages, scalar), _ROWS),
    }
