"""Which message stands in which row, and how that is cut into shards of 65,536 rows.

A shard's order form says all that blinding it needs, except alpha::

    first row (8) | rows (4) | epoch (8) | width (1) | hashes (4) | their rows (4 each) | messages

Rows that no hash took are fillers. An output shard is its rows, 32 bytes each; shards in
order are the table. Spec: ``spec/30-table.md`` section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilmatch.errors import ConfigError, EncodingError
from veilmatch.hazmat.backends.interface import DROPPED, Bytes, Positions
from veilmatch.table.params import (
    MAX_DROPPED,
    MAX_ROWS,
    derive_positions,
    image_hash_messages,
)
from veilmatch.table.place import place
from veilmatch.wire import Reader

SHARD_ROWS = 65_536
_MAX_WIDTH = 255


@dataclass(frozen=True, eq=False)
class ShardOrder:
    """What is to be blinded into one range of rows. Holds image hashes: private.

    Attributes:
        first: Number of the first row.
        rows: Rows of the shard.
        epoch: Of the release; fillers depend on it.
        taken: ``int64 (h,)``, rows with a hash, relative to ``first``, ascending.
        messages: ``bytes (h, w)``: ``0x01 | y`` for each of them.
    """

    first: int
    rows: int
    epoch: int
    taken: Positions
    messages: Bytes

    def __repr__(self) -> str:
        return "ShardOrder(<private>)"

    @property
    def free(self) -> Positions:
        """``int64 (f,)``: the rows without a hash, as numbers of the whole table."""
        is_free = np.ones(self.rows, dtype=np.bool_)
        is_free[self.taken] = False
        return np.flatnonzero(is_free) + self.first

    def to_bytes(self) -> bytes:
        """Return the form that goes to a worker."""
        head = self.first.to_bytes(8, "big") + self.rows.to_bytes(4, "big")
        head += self.epoch.to_bytes(8, "big") + bytes([self.messages.shape[1]])
        head += len(self.taken).to_bytes(4, "big")
        return head + self.taken.astype(">u4").tobytes() + self.messages.tobytes()


def parse_shard_order(data: bytes) -> ShardOrder:
    """Parse a shard's order. Raises EncodingError."""
    reader = Reader(data, "shard order")
    first, rows = reader.uint(8, "first row"), reader.uint(4, "rows")
    epoch, width = reader.uint(8, "epoch"), reader.uint(1, "width")
    count = reader.uint(4, "hashes")
    if not 0 < rows <= SHARD_ROWS or count > rows or first + rows > MAX_ROWS:
        raise EncodingError("shard order: more rows than a shard has", field="rows")
    taken = np.frombuffer(reader.take(4 * count, "their rows"), dtype=">u4").astype(np.int64)
    messages = np.frombuffer(reader.take(width * count, "messages"), dtype=np.uint8)
    reader.finish()
    if count and (int(taken[-1]) >= rows or bool((np.diff(taken) <= 0).any())):
        raise EncodingError("shard order: rows are not ascending", field="their rows")
    return ShardOrder(first, rows, epoch, taken, messages.reshape(count, width))


@dataclass(frozen=True, eq=False)
class TablePlan:
    """Every row of a table, before blinding. Holds image hashes: private.

    Attributes:
        rows: n'.
        epoch: Of the release.
        taken: ``int64 (n,)``, rows with a hash, ascending.
        messages: ``bytes (n, w)``: ``0x01 | y`` in the same order.
        shard_rows: Rows of a shard; tests take fewer.
    """

    rows: int
    epoch: int
    taken: Positions
    messages: Bytes
    shard_rows: int = SHARD_ROWS

    def __repr__(self) -> str:
        return "TablePlan(<private>)"

    @property
    def shard_count(self) -> int:
        """Shards of the table; the last may be shorter."""
        return -(-self.rows // self.shard_rows)

    def shard(self, number: int) -> ShardOrder:
        """Return the order of shard ``number``."""
        first = number * self.shard_rows
        rows = min(self.shard_rows, self.rows - first)
        start, stop = np.searchsorted(self.taken, [first, first + rows])
        taken = self.taken[start:stop] - first
        return ShardOrder(first, rows, self.epoch, taken, self.messages[start:stop])


def plan_table(
    encoded: list[bytes], *, nonce: bytes, epoch: int, rows: int, threads: int = 1
) -> TablePlan:
    """Place distinct encoded image hashes into rows. The publisher runs it.

    Raises:
        ConfigError: More than 0.01 % of the hashes find no row; another nonce or a larger
            expansion helps.
    """
    placed = place(derive_positions(encoded, nonce, rows, threads=threads), rows)
    kept = placed != DROPPED
    dropped = len(encoded) - int(kept.sum())
    if dropped > MAX_DROPPED * len(encoded):
        raise ConfigError(
            f"{dropped} hashes find no row in the table",
            setting="expansion",
            hint="build again, with a larger expansion",
        )
    order = np.argsort(placed[kept])
    messages = image_hash_messages(encoded)[kept][order]
    return TablePlan(rows, epoch, placed[kept][order], messages)
