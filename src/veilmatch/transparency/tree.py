"""The Merkle tree of the log: roots, and proofs that an entry is in and nothing was changed.

A proof is a list of roots of subtrees. Which subtrees is a matter of numbers alone and is
worked out here once; where the roots come from, memory or tiles, is an argument.

Spec: ``spec/80-transparency.md`` section 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from veilmatch.errors import EncodingError, LengthError, ProofError
from veilmatch.transparency.checkpoint import HASH_LEN, SIZE_MAX

EMPTY_ROOT = hashlib.sha256(b"").digest()
PROOF_LEN_MAX = 63
"""No proof in a tree of at most 2^63 - 1 entries has more hashes."""

ReadSubtree = Callable[[int, int], bytes]
"""Gives the root over entries ``first`` to ``end``, exclusive, as ``bytes (32,)``."""


def hash_leaf(entry: bytes) -> bytes:
    """Hash one entry to its leaf. Source: RFC 9162 section 2.1.1."""
    return hashlib.sha256(b"\0" + entry).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees to the node above. Source: RFC 9162 section 2.1.1."""
    return hashlib.sha256(b"\1" + left + right).digest()


def build_root(hashes: Sequence[bytes]) -> bytes:
    """Build the root over hashes of one level, leaves or roots of equal full subtrees.

    Args:
        hashes: ``bytes (32,)`` each, any number.

    Returns:
        ``bytes (32,)``; for no hashes the root of the empty tree.

    Source: RFC 9162 section 2.1.1.
    """
    level = list(hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        # The last one of an odd row moves up as it is. That gives the same tree as splitting
        # at the largest power of two, as the RFC writes it.
        last = [level[-1]] if len(level) % 2 else []
        paired = zip(level[::2], level[1::2], strict=False)
        level = [hash_node(left, right) for left, right in paired] + last
    return level[0]


class RootBuilder:
    """Builds the root over any number of leaves in little memory, one leaf after the other.

    Source: RFC 9162 section 2.1.1.
    """

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add the next leaf, ``bytes (32,)``, from ``hash_leaf``."""
        self.size += 1
        value, rest = leaf, self.size
        # Each zero at the end of the new size is a pair of equal subtrees that is now full.
        while not rest & 1:
            value, rest = hash_node(self._roots.pop(), value), rest >> 1
        self._roots.append(value)

    def root(self) -> bytes:
        """Give the root over what was added so far, ``bytes (32,)``."""
        if not self._roots:
            return EMPTY_ROOT
        value = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            value = hash_node(left, value)
        return value


def build_subtree_reader(leaves: Sequence[bytes]) -> ReadSubtree:
    """Read subtrees from leaf hashes in memory; for small trees and for tests."""
    return lambda first, end: build_root(leaves[first:end])


def _check_size(size: int) -> None:
    if not 0 <= size <= SIZE_MAX:
        raise EncodingError("tree size is out of range", field="tree size")


def _split(size: int) -> int:
    """Largest power of two smaller than size."""
    return 1 << ((size - 1).bit_length() - 1)


def build_inclusion_proof(index: int, size: int, read_subtree: ReadSubtree) -> tuple[bytes, ...]:
    """Build the proof that the entry at ``index`` is in the tree of ``size``.

    Args:
        index: Place of the entry, from 0.
        size: Size of the tree that the proof leads to.
        read_subtree: Where roots of subtrees come from.

    Returns:
        Hashes from the leaf's neighbour upwards, ``bytes (32,)`` each.

    Raises:
        ProofError: The entry lies outside the tree.

    Source: RFC 9162 section 2.1.3.1.
    """
    _check_size(size)
    if not 0 <= index < size:
        raise ProofError("the entry lies outside the tree")
    ranges = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((first, middle))
            first = middle
    return tuple(read_subtree(*part) for part in reversed(ranges))


def build_consistency_proof(
    old_size: int, size: int, read_subtree: ReadSubtree
) -> tuple[bytes, ...]:
    """Build the proof that the tree of ``old_size`` is the beginning of that of ``size``.

    Args:
        old_size: Size of the older tree.
        size: Size of the newer tree.
        read_subtree: Where roots of subtrees come from.

    Returns:
        Hashes, ``bytes (32,)`` each; none from or to the same tree and from the empty one.

    Raises:
        ProofError: The older tree is the larger one.

    Source: RFC 9162 section 2.1.4.1.
    """
    _check_size(size)
    if not 0 <= old_size <= size:
        raise ProofError("the older tree is larger than the newer one")
    if old_size in (0, size):
        return ()
    ranges = []
    first, end = 0, size
    while old_size != end:
        middle = first + _split(end - first)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((first, middle))
            first = middle
    if first:
        # The verifier knows the root of the old tree only if that is one whole subtree.
        ranges.append((first, end))
    return tuple(read_subtree(*part) for part in reversed(ranges))


def _check_proof(proof: Sequence[bytes], roots: Sequence[bytes]) -> None:
    if len(proof) > PROOF_LEN_MAX:
        raise ProofError("the proof is longer than any tree is high")
    for value in (*proof, *roots):
        if len(value) != HASH_LEN:
            raise LengthError("hash", HASH_LEN, len(value))


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Verify that a leaf stands at ``index`` in the tree of ``size`` with this root.

    Args:
        leaf: ``bytes (32,)``, from ``hash_leaf`` over the entry at hand.
        index: Place that is claimed.
        size: Size of the tree, from a verified checkpoint.
        proof: Hashes from the leaf upwards, ``bytes (32,)`` each.
        root: ``bytes (32,)``, from the same checkpoint.

    Raises:
        ProofError: The proof does not lead from the leaf to the root.
        LengthError: Something is not 32 bytes.

    Source: RFC 9162 section 2.1.3.2, spec/80-transparency.md rule M-3.
    """
    _check_size(size)
    _check_proof(proof, (leaf, root))
    if not 0 <= index < size:
        raise ProofError("the entry lies outside the tree")
    place, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if place & 1 or place == last:
            value = hash_node(sibling, value)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            value = hash_node(value, sibling)
        place, last = place >> 1, last >> 1
    if last or value != root:
        raise ProofError("the inclusion proof does not lead to the root")


def verify_consistency(
    old_size: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Verify that a tree only grew: the older one is the beginning of the newer one.

    Args:
        old_size: Size of the older tree.
        size: Size of the newer tree.
        old_root: ``bytes (32,)`` of the older tree.
        root: ``bytes (32,)`` of the newer tree.
        proof: From ``build_consistency_proof``.

    Raises:
        ProofError: It does not follow from the proof, or the older tree is the larger one.
        LengthError: Something is not 32 bytes.

    Source: RFC 9162 section 2.1.4.2, spec/80-transparency.md rule M-4.
    """
    _check_size(size)
    _check_proof(proof, (old_root, root))
    if not 0 <= old_size <= size:
        raise ProofError("the older tree is larger than the newer one")
    if old_size in (0, size):
        _verify_trivial(old_size, size, old_root, root, proof)
        return
    # A whole subtree is its own first hash; the proof leaves it out.
    path = (old_root, *proof) if old_size & (old_size - 1) == 0 else tuple(proof)
    if not path:
        raise ProofError("the consistency proof is empty")
    place, last = old_size - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_value = value = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long")
        if place & 1 or place == last:
            old_value, value = hash_node(sibling, old_value), hash_node(sibling, value)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            value = hash_node(value, sibling)
        place, last = place >> 1, last >> 1
    if last or old_value != old_root or value != root:
        raise ProofError("the trees are not consistent")


def _verify_trivial(
    old_size: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    if proof:
        raise ProofError("a proof where none is needed")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ProofError("the empty tree has another root")
    if size == 0 and root != EMPTY_ROOT:
        raise ProofError("the empty tree has another root")
    if old_size == size and old_root != root:
        raise ProofError("two trees of one size have different roots")
