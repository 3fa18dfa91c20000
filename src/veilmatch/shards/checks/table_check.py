"""Check a table's rows on many cores or machines, so that a killed check goes on where it stood.

The table is public: a provider's or an auditor's machine does this without any secret. Spec:
``spec/30-table.md`` section 4; ADR 56.
"""

from __future__ import annotations

import hashlib

from veilmatch.errors import TableError
from veilmatch.hazmat.backends.interface import ELEMENT_LEN
from veilmatch.hazmat.group import as_rows, duplicate_index, is_element
from veilmatch.shards.engine import Engine
from veilmatch.shards.ledger import ShardLedger
from veilmatch.shards.map_shards import ShardProgress, map_shards
from veilmatch.shards.shard_map import ShardMap
from veilmatch.table.blinded_table import BlindedTable, UncheckedTable
from veilmatch.table.plan import SHARD_ROWS


def check_rows(data: bytes) -> bytes:
    """Check one shard in a worker: canonical elements, not the identity. Raises TableError."""
    if not is_element(as_rows(data, ELEMENT_LEN)).all():
        raise TableError("a row of the table is not a valid element")
    return hashlib.sha256(data).digest()


def verify_rows_on_engine(
    table: UncheckedTable,
    engine: Engine,
    ledger: ShardLedger,
    report: ShardProgress = lambda done, total: None,
    shard_rows: int = SHARD_ROWS,
) -> BlindedTable:
    """Check every row of a table as ``verify_rows`` does, its shards on an engine.

    Raises:
        TableError: A row is not a valid element, or two are equal.
    """
    count = -(-len(table.rows) // shard_rows)

    def read_input(number: int) -> bytes:
        return table.rows[number * shard_rows : (number + 1) * shard_rows].tobytes()

    binding = hashlib.sha256(table.rows.tobytes()).digest()
    run = map_shards(
        ShardMap("table check", check_rows, count, read_input, binding), engine, ledger, report
    )
    run.forget()
    twin = duplicate_index(table.rows)
    if twin >= 0:
        raise TableError(f"row {twin} of the table equals another row")
    return BlindedTable(table.rows)
