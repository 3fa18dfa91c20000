"""One row in the client's check of a table: canonical, not the identity, distinct."""

from __future__ import annotations

from benchmarks.harness import Record
from benchmarks.native_backends import compare_backends
from veilmatch.hazmat.group import random_elements
from veilmatch.secret import SYSTEM_RANDOM
from veilmatch.table.blinded_table import UncheckedTable, verify_rows

_ROWS = 4096


def run() -> list[Record]:
    """Check the same rows on both backends."""
    rows = random_elements(_ROWS, SYSTEM_RANDOM)
    return compare_backends("validate_row", lambda: verify_rows(UncheckedTable(rows)), _ROWS)
