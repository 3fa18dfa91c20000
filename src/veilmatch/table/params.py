"""Sizes and positions of a table. Spec: ``spec/30-table.md`` sections 1 and 2."""

from __future__ import annotations

import math
from collections.abc import Iterable

from veilmatch.errors import ConfigError
from veilmatch.hazmat.backends.interface import Bytes, Positions
from veilmatch.hazmat.backends.selection import current
from veilmatch.hazmat.group import to_batch
from veilmatch.hazmat.prf import label
from veilmatch.wire import length_prefixed

NONCE_LEN = 32
MIN_ROWS = 2
MAX_ROWS = 2**32
SMALL_TABLE = 100_000
# Expected loss of exact two-choice placement (protocol notes 2.2): zero above 2.0 for large n.
EXPANSION_SMALL, EXPANSION_LARGE = 2.1, 2.0
MAX_DROPPED = 0.0001  # 0.01 %

DOMAIN_IMAGE_HASH = b"\x01"

_POSITION_LABEL = label("table position")


def default_expansion(hash_count: int) -> float:
    """Return rows per hash: 2.1 below 100,000 hashes, 2.0 from there on."""
    return EXPANSION_SMALL if hash_count < SMALL_TABLE else EXPANSION_LARGE


def row_count(hash_count: int, expansion: float) -> int:
    """Return n' = ceil(expansion * n), at least 2. Raises ConfigError."""
    rows = max(MIN_ROWS, math.ceil(expansion * hash_count))
    if not 1.0 <= expansion <= 100.0 or rows > MAX_ROWS:
        raise ConfigError("the expansion or the hash count is out of range", setting="expansion")
    return rows


def derive_positions(
    hashes: Iterable[bytes], nonce: bytes, rows: int, *, threads: int = 1
) -> Positions:
    """Derive the two rows of each encoded image hash (spec 30 section 2).

    d = SHA-512(label | nonce | y); a = d[0:16] mod n'; b = d[16:32] mod (n' - 1), and
    b += 1 where b >= a, so that the two differ.

    Args:
        hashes: Encoded image hashes y (``alg_id | bit length | hash``), of one length.
        nonce: 32 bytes of the release.
        rows: n'.
        threads: Cores to use.

    Raises:
        LengthError: The hashes are not of one length.
    """
    encoded = list(hashes)
    items = to_batch(encoded, len(encoded[0]) if encoded else 0)
    prefix = _POSITION_LABEL + length_prefixed(nonce)
    return current().derive_positions(prefix, items, rows, threads=threads)


def image_hash_messages(encoded: list[bytes]) -> Bytes:
    """Return ``0x01 | y`` for each encoded image hash of one length: what is hashed to the group.

    The publisher blinds these; the client makes its slots from them.
    """
    width = 1 + (len(encoded[0]) if encoded else 0)
    return to_batch((DOMAIN_IMAGE_HASH + y for y in encoded), width)
