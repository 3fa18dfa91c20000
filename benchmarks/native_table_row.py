"""One row of a table, whole: position, placement, hash, times alpha, encode, check."""

from __future__ import annotations

import os

from benchmarks.harness import Record
from benchmarks.native_backends import compare_backends
from veilmatch.table.blind import build_table
from veilmatch.table.params import row_count
from veilmatch.table.secret import generate_alpha

_HASHES = 400


def run() -> list[Record]:
    """Build the same table on both backends."""
    encoded = [bytes([1, 1, 0]) + os.urandom(32) for _ in range(_HASHES)]
    rows = row_count(_HASHES, 2.1)
    alpha, nonce = generate_alpha(), os.urandom(32)
    return compare_backends(
        "table_row",
        lambda: build_table(encoded, alpha=alpha, nonce=nonce, epoch=1, rows=rows),
        rows,
    )
