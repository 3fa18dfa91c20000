from __future__ import annotations

import functools
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilmatch.errors import EncodingError, LengthError, ProofError
from veilmatch.transparency.tree import (
    EMPTY_ROOT,
    PROOF_LEN_MAX,
    RootBuilder,
    build_consistency_proof,
    build_inclusion_proof,
    build_root,
    build_subtree_reader,
    hash_leaf,
    hash_node,
    verify_consistency,
    verify_inclusion,
)

COUNT = 200
LEAVES = [hash_leaf(b"entry %d" % index) for index in range(COUNT)]
READ = functools.cache(build_subtree_reader(LEAVES))
ROOTS = [build_root(LEAVES[:size]) for size in range(COUNT + 1)]
sizes = st.integers(1, COUNT)


def recursive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 9162 section 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hash_node(recursive_root(leaves[:split]), recursive_root(leaves[split:]))


def test_every_root_is_the_one_of_the_definition() -> None:
    assert ROOTS[0] == EMPTY_ROOT
    assert all(ROOTS[size] == recursive_root(LEAVES[:size]) for size in range(COUNT + 1))
    assert len(set(ROOTS)) == COUNT + 1


def test_one_leaf_after_the_other_gives_the_same_roots() -> None:
    builder = RootBuilder()
    for size in range(COUNT + 1):
        assert (builder.size, builder.root()) == (size, ROOTS[size])
        if size < COUNT:
            builder.add(LEAVES[size])


def test_every_entry_of_every_tree_is_proved() -> None:
    for size in range(1, COUNT + 1):
        for index in range(size):
            proof = build_inclusion_proof(index, size, READ)
            verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


def test_every_tree_is_consistent_with_every_smaller_one() -> None:
    for size in range(COUNT + 1):
        for old_size in range(size + 1):
            proof = build_consistency_proof(old_size, size, READ)
            verify_consistency(old_size, size, ROOTS[old_size], ROOTS[size], proof)


@given(st.data())
def test_an_inclusion_proof_proves_nothing_else(data: st.DataObject) -> None:
    size = data.draw(sizes)
    index = data.draw(st.integers(0, size - 1))
    proof = build_inclusion_proof(index, size, READ)
    other = data.draw(st.integers(0, COUNT - 1).filter(lambda value: value != index))
    claims: list[tuple[bytes, int, int, tuple[bytes, ...], bytes]] = [
        (LEAVES[other], index, size, proof, ROOTS[size]),
        (LEAVES[index], index, size, proof, ROOTS[size - 1]),
        (LEAVES[index], index, size, (*proof, LEAVES[0]), ROOTS[size]),
        (LEAVES[index], size, size, proof, ROOTS[size]),
        (LEAVES[index], -1, size, proof, ROOTS[size]),
        (LEAVES[index], 0, 0, (), EMPTY_ROOT),
    ]
    if other < size:
        claims.append((LEAVES[index], other, size, proof, ROOTS[size]))
    if proof:
        changed = data.draw(st.integers(0, len(proof) - 1))
        swapped = (*proof[:changed], LEAVES[0][::-1], *proof[changed + 1 :])
        claims.append((LEAVES[index], index, size, swapped, ROOTS[size]))
        claims.append((LEAVES[index], index, size, proof[:-1], ROOTS[size]))
        claims.append((LEAVES[index], index, size, proof[1:], ROOTS[size]))
    for claim in claims:
        with pytest.raises(ProofError):
            verify_inclusion(*claim)


@given(st.data())
def test_a_consistency_proof_proves_nothing_else(data: st.DataObject) -> None:
    size = data.draw(sizes)
    old_size = data.draw(st.integers(0, size))
    proof = build_consistency_proof(old_size, size, READ)
    wrong = data.draw(st.integers(0, COUNT).filter(lambda value: value not in (size, old_size)))
    refused = [
        (old_size, size, ROOTS[wrong], ROOTS[size], proof),
        (old_size, size, ROOTS[old_size], ROOTS[size], (*proof, LEAVES[0])),
    ]
    if old_size:
        # From the empty tree everything follows, so the new root is not checked there.
        refused.append((old_size, size, ROOTS[old_size], ROOTS[wrong], proof))
    if old_size != size:
        refused.append((size, old_size, ROOTS[size], ROOTS[old_size], proof))
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        swapped = (*proof[:place], LEAVES[0][::-1], *proof[place + 1 :])
        refused += [
            (old_size, size, ROOTS[old_size], ROOTS[size], swapped),
            (old_size, size, ROOTS[old_size], ROOTS[size], proof[:-1]),
            (old_size, size, ROOTS[old_size], ROOTS[size], proof[1:]),
            (old_size, size, ROOTS[old_size], ROOTS[size], ()),
        ]
    for claim in refused:
        with pytest.raises(ProofError):
            verify_consistency(*claim)


@given(sizes, sizes, st.data())
def test_a_fork_has_no_consistency_proof(size: int, new: int, data: st.DataObject) -> None:
    forked = list(LEAVES)
    place = data.draw(st.integers(0, size - 1))
    forked[place] = hash_leaf(b"another entry")
    end = size + new
    grown = [*forked, *LEAVES][:end]
    proof = build_consistency_proof(size, end, build_subtree_reader(grown))
    with pytest.raises(ProofError):
        verify_consistency(size, end, ROOTS[size], build_root(grown), proof)


def test_the_empty_tree() -> None:
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, ())
    with pytest.raises(ProofError, match="empty"):
        verify_consistency(0, 5, ROOTS[1], ROOTS[5], ())
    with pytest.raises(ProofError, match="empty"):
        verify_consistency(0, 0, EMPTY_ROOT, ROOTS[1], ())
    with pytest.raises(ProofError):
        build_inclusion_proof(0, 0, READ)


def test_bad_numbers_and_lengths_have_names() -> None:
    with pytest.raises(EncodingError):
        verify_inclusion(LEAVES[0], 0, 2**63, (), ROOTS[1])
    with pytest.raises(EncodingError):
        verify_consistency(0, -1, EMPTY_ROOT, ROOTS[1], ())
    with pytest.raises(EncodingError):
        build_consistency_proof(0, -1, READ)
    with pytest.raises(LengthError):
        verify_inclusion(b"", 0, 1, (), ROOTS[1])
    with pytest.raises(LengthError):
        verify_inclusion(LEAVES[0], 0, 2, (b"",), ROOTS[2])
    with pytest.raises(LengthError):
        verify_consistency(1, 2, ROOTS[1], b"", (LEAVES[1],))
    with pytest.raises(ProofError, match="any tree is high"):
        verify_inclusion(LEAVES[0], 0, 2, (LEAVES[1],) * (PROOF_LEN_MAX + 1), ROOTS[2])
    with pytest.raises(ProofError, match="too long"):
        verify_inclusion(LEAVES[0], 0, 2, (LEAVES[1],) * PROOF_LEN_MAX, ROOTS[2])
    for old_size in (-1, 6):
        with pytest.raises(ProofError):
            build_consistency_proof(old_size, 5, READ)
        with pytest.raises(ProofError):
            verify_consistency(old_size, 5, ROOTS[5], ROOTS[5], ())


@given(
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=64),
)
def test_no_made_up_proof_hangs_or_passes(left: int, right: int, proof: list[bytes]) -> None:
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[0], left, right, proof, ROOTS[1][::-1])
    with pytest.raises(ProofError):
        verify_consistency(left, right, ROOTS[2], ROOTS[1][::-1], proof)
