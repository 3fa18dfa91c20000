"""One row of a table in the client's check: canonical, not the identity, distinct."""

from __future__ import annotations

import numpy as np

from benchmarks.harness import Record, compare
from benchmarks.libsodium import _at
from veilmatch.hazmat.backends import sodium
from veilmatch.hazmat.backends.selection import current
from veilmatch.hazmat.group import random_elements
from veilmatch.secret import SYSTEM_RANDOM
from veilmatch.table.blinded_table import UncheckedTable, verify_rows

_ROWS = 4096


def run() -> list[Record]:
    """Compare with bare validity checks."""
    rows = np.ascontiguousarray(random_elements(_ROWS, SYSTEM_RANDOM))
    address = _at(rows)

    def bare() -> None:
        for place in range(address, address + 32 * _ROWS, 32):
            sodium.is_valid_point(place)

    name = current().name
    operations = {
        name: (lambda: verify_rows(UncheckedTable(rows)), _ROWS),
        "libsodium": (bare, _ROWS),
    }
    return compare("validate_row", name, "libsodium", operations)
