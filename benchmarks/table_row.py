"""One row of a blinded table: position, placement, hash to group, times alpha, encode, check."""

from __future__ import annotations

import os

from benchmarks.harness import Record, compare
from benchmarks.libsodium import Bare
from veilmatch.hazmat.backends.selection import current
from veilmatch.table.blind import build_table
from veilmatch.table.params import row_count
from veilmatch.table.secret import generate_alpha

_HASHES = 400


def run() -> list[Record]:
    """Compare whole tables with a bare hash-to-group and multiplication per row."""
    encoded = [bytes([1, 1, 0]) + os.urandom(32) for _ in range(_HASHES)]
    rows = row_count(_HASHES, 2.1)
    alpha, nonce = generate_alpha(), os.urandom(32)

    def build() -> object:
        return build_table(encoded, alpha=alpha, nonce=nonce, epoch=1, rows=rows)

    bare = Bare().loop(rows, hashes=1, multiplications=1)
    name = current().name
    operations = {name: (build, rows), "libsodium": (bare, rows)}
    return compare("table_row", name, "libsodium", operations)
