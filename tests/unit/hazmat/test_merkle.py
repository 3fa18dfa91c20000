"""The Merkle root against the recursive definition of RFC 9162 section 2.1.1."""

from __future__ import annotations

import hashlib

import pytest

from veilmatch.hazmat.group import to_batch
from veilmatch.hazmat.merkle import merkle_root


def _reference(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    left, right = _reference(leaves[:k]), _reference(leaves[k:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize("count", [*range(18), 31, 32, 33, 100])
def test_root(count: int) -> None:
    leaves = [bytes([i]) * 32 for i in range(count)]
    assert merkle_root(to_batch(leaves, 32)) == _reference(leaves)
    assert merkle_root(to_batch(leaves, 32), threads=3) == _reference(leaves)


def test_order_and_every_leaf_count() -> None:
    leaves = [bytes([i]) * 5 for i in range(7)]
    root = merkle_root(to_batch(leaves, 5))
    assert merkle_root(to_batch(leaves[::-1], 5)) != root
    for i in range(7):
        changed = [*leaves[:i], b"other", *leaves[i + 1 :]]
        assert merkle_root(to_batch(changed, 5)) != root
