"""Blind a set of image hashes into a table. Spec: ``spec/30-table.md`` section 4.

Row with a hash: P = alpha * H(0x01 | y). Filler row j: P = alpha * H(0x02 | epoch | j),
which nobody can use to hide a further hash: its input is public and starts with 0x02.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from veilmatch.errors import ConfigError, InternalError
from veilmatch.hazmat.backends.interface import DROPPED, ELEMENT_LEN, Bytes, Positions
from veilmatch.hazmat.group import blind_rows
from veilmatch.secret import SecretBytes
from veilmatch.table.blinded_table import BlindedTable, UncheckedTable, verify_rows
from veilmatch.table.params import MAX_DROPPED, derive_positions, image_hash_messages
from veilmatch.table.place import place

DOMAIN_FILLER = b"\x02"
_SHARD = 65_536  # rows between two progress reports

Progress = Callable[[int, int], None]
"""Called with (rows done, rows in all)."""


def filler_messages(epoch: int, rows: Positions | list[int]) -> Bytes:
    """Return ``0x02 | epoch (8) | j (4)`` for each row j. ``bytes (n, 13)``."""
    prefix = np.frombuffer(DOMAIN_FILLER + epoch.to_bytes(8, "big"), dtype=np.uint8)
    numbers = np.asarray(rows, dtype=">u4").view(np.uint8).reshape(-1, 4)
    return np.concatenate([np.broadcast_to(prefix, (len(rows), len(prefix))), numbers], axis=1)


def _fill(
    out: Bytes, rows: Positions, messages: Bytes, alpha: bytes, threads: int, report: Progress
) -> None:
    for start in range(0, len(rows), _SHARD):
        stop = min(start + _SHARD, len(rows))
        out[rows[start:stop]] = blind_rows(messages[start:stop], alpha, threads=threads)
        report(stop - start, len(out))


def build_table(
    encoded: list[bytes],
    *,
    alpha: SecretBytes,
    nonce: bytes,
    epoch: int,
    rows: int,
    threads: int = 1,
    report: Progress = lambda done, total: None,
) -> BlindedTable:
    """Build the blinded table of distinct encoded image hashes. The publisher runs it.

    Args:
        encoded: Image hashes ``alg_id | bit length | hash``, distinct, of one length.
        alpha: The table secret's scalar.
        nonce: 32 bytes of the release.
        epoch: The release's number.
        rows: n'.
        threads: Cores to use.
        report: Called with (rows done by this step, rows in all).

    Raises:
        ConfigError: More than 0.01 % of the hashes find no row; a larger expansion helps.

    Secret: ``alpha``; constant time.
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
    taken = np.zeros(rows, dtype=np.bool_)
    taken[placed[kept]] = True
    free = np.flatnonzero(~taken)
    out = np.zeros((rows, ELEMENT_LEN), dtype=np.uint8)
    secret = alpha.reveal()
    if kept.any():
        hashes = image_hash_messages(encoded)[kept]
        _fill(out, placed[kept], hashes, secret, threads, report)
    if len(free):
        _fill(out, free, filler_messages(epoch, free), secret, threads, report)
    try:
        return verify_rows(UncheckedTable(out), threads=threads)
    except Exception as exc:
        # Two equal rows or an identity: probability below 2^-190; the inputs were not distinct.
        raise InternalError("the built table is not valid") from exc
