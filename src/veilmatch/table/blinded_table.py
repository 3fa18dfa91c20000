"""The public table: rows of 32 bytes, each tells nothing about its hash or whether it has one.

File form: a 64-byte header, then the rows, so that one mapped file is the whole table::

    "VMTABLE1" | row count (8, BE) | zeros (48) | row 0 | row 1 | …

Spec: ``spec/30-table.md`` section 5.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import numpy as np

from veilmatch.errors import TableError
from veilmatch.hazmat.backends.interface import ELEMENT_LEN, Bytes, Positions
from veilmatch.hazmat.group import duplicate_index, is_element
from veilmatch.hazmat.merkle import merkle_root
from veilmatch.table.params import MAX_ROWS, MIN_ROWS

MAGIC = b"VMTABLE1"
HEADER_LEN = 64
ROW_LEN = ELEMENT_LEN


@dataclass(frozen=True, eq=False)
class UncheckedTable:
    """Rows as they came from a file: right in length, otherwise unknown."""

    rows: Bytes


@dataclass(frozen=True, eq=False)
class BlindedTable:
    """Rows that passed ``verify_rows``: canonical, not the identity, all distinct.

    Attributes:
        rows: ``bytes (n', 32)``; may be a mapped file.
    """

    rows: Bytes

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, positions: Positions) -> Bytes:
        """Read rows at ``int64 (n,)`` or ``(n, 2)``; the last axis of the result is 32 bytes."""
        found: Bytes = self.rows[positions]
        return found

    def root(self, *, threads: int = 1) -> bytes:
        """Merkle root over the rows, 32 bytes."""
        return merkle_root(self.rows, threads=threads)

    def header(self) -> bytes:
        """Return the 64 bytes that stand before the rows in the file."""
        return (MAGIC + len(self.rows).to_bytes(8, "big")).ljust(HEADER_LEN, b"\x00")


def parse_table(data: bytes | mmap.mmap, expected_rows: int) -> UncheckedTable:
    """View a table file as rows, without copying.

    Raises:
        TableError: The header, the row count or the length is not what it must be.
    """
    if not MIN_ROWS <= expected_rows <= MAX_ROWS:
        raise TableError("the table's row count is out of range")
    want = HEADER_LEN + ROW_LEN * expected_rows
    if len(data) != want:
        raise TableError(
            f"the table file has {len(data)} bytes instead of {want}",
            hint="the download may be cut short; fetch the release again",
        )
    header = (MAGIC + expected_rows.to_bytes(8, "big")).ljust(HEADER_LEN, b"\x00")
    if data[:HEADER_LEN] != header:
        raise TableError("the table file's header is not the one its manifest asks for")
    rows = np.frombuffer(data, dtype=np.uint8, offset=HEADER_LEN).reshape(-1, ROW_LEN)
    return UncheckedTable(rows)


def verify_rows(table: UncheckedTable, *, threads: int = 1) -> BlindedTable:
    """Check every row: canonical, not the identity, all distinct.

    Raises:
        TableError: A row is not; the message names its number, which is public.

    Cost: about 5 us a row portable.
    Source: spec 40 check 7; Bhowmick et al. 2021, section 4.1 (validity of pdata).
    """
    good = is_element(table.rows, threads=threads)
    if not good.all():
        raise TableError(f"row {int(np.argmin(good))} of the table is not a valid element")
    twin = duplicate_index(table.rows, threads=threads)
    if twin >= 0:
        raise TableError(f"row {twin} of the table equals another row")
    return BlindedTable(table.rows)
