"""The shard list: the table file cut into pieces, each with its SHA-256.

Shard i is the bytes from i * shard_len on, at most shard_len of them; put together in order the
shards are the table file. The list is one of the files that the providers sign, so each shard
is checked before it is written and may come from anybody.

Spec: ``spec/40-release.md`` section 2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError, TableError
from veilmatch.wire import Fields, Json, parse_canonical_json, to_canonical_json

SHARD_LEN = 1 << 21
_SHARD_LEN_MIN = 1 << 12
_SHARD_COUNT_MAX = 65_536
_FORMAT = "veilmatch-shards-v1"
_DIGEST_LEN = 32


@dataclass(frozen=True)
class ShardList:
    """Where a table's pieces begin and end, and what they must be.

    Attributes:
        table_len: Bytes of the table file.
        shard_len: Bytes of every shard but the last.
        digests: SHA-256 of each, in order.
    """

    table_len: int
    shard_len: int
    digests: tuple[bytes, ...] = field(repr=False)

    def span(self, number: int) -> tuple[int, int]:
        """Return offset and length of a shard in the table file."""
        offset = number * self.shard_len
        return offset, min(self.shard_len, self.table_len - offset)

    def is_shard(self, number: int, data: bytes) -> bool:
        """Say whether these bytes are that shard. A question; ``verify_shard`` is the check."""
        return (
            len(data) == self.span(number)[1]
            and hashlib.sha256(data).digest() == self.digests[number]
        )

    def to_bytes(self) -> bytes:
        """Write the list as canonical JSON. The inverse of ``parse_shard_list``."""
        value: Json = {
            "format": _FORMAT,
            "table_len": self.table_len,
            "shard_len": self.shard_len,
            "shards": [digest.hex() for digest in self.digests],
        }
        return to_canonical_json(value)


def cut_shards(pieces: Iterable[bytes], shard_len: int = SHARD_LEN) -> Iterator[bytes]:
    """Cut a table file, given in pieces of any length, into its shards."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) >= shard_len:
            yield bytes(waiting[:shard_len])
            del waiting[:shard_len]
    if waiting:
        yield bytes(waiting)


def build_shard_list(shards: Iterable[bytes], shard_len: int = SHARD_LEN) -> ShardList:
    """Build the list of a table's shards, as ``cut_shards`` gives them."""
    digests, total = [], 0
    for shard in shards:
        digests.append(hashlib.sha256(shard).digest())
        total += len(shard)
    return ShardList(total, shard_len, tuple(digests))


def parse_shard_list(data: bytes) -> ShardList:
    """Read a shard list, strictly.

    Raises:
        EncodingError: Malformed, or not as many digests as the lengths ask for.
        LengthError: A digest is not 32 bytes.
    """
    fields = Fields(parse_canonical_json(data, "the shard list"), "shard list")
    if fields.text("format") != _FORMAT:
        raise EncodingError("not a shard list of a known format", field="format")
    table_len = fields.integer("table_len", 1, _SHARD_COUNT_MAX * SHARD_LEN)
    shard_len = fields.integer("shard_len", _SHARD_LEN_MIN, SHARD_LEN)
    values = fields.array("shards", max_count=_SHARD_COUNT_MAX)
    fields.finish()
    # One at a time through the reader of fields, so that each is text, hexadecimal and 32 bytes.
    digests = tuple(Fields({"shard": v}, "shard list").hex("shard", _DIGEST_LEN) for v in values)
    if shard_len & (shard_len - 1) or len(digests) != -(-table_len // shard_len):
        raise EncodingError("the shard list does not fit together", field="shards")
    return ShardList(table_len, shard_len, digests)


def verify_shard(shards: ShardList, number: int, data: bytes) -> bytes:
    """Return a shard that is the signed one. Raises TableError."""
    if not shards.is_shard(number, data):
        raise TableError(f"shard {number} of the table is not the signed one")
    return data
