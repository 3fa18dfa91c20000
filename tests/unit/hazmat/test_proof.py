"""Proofs: what holds is accepted, everything else is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilmatch.errors import EncodingError, InputError, ProofError
from veilmatch.hazmat.group import hash_to_group, mul, mul_base, one, random_scalars, to_batch
from veilmatch.hazmat.prf import DeterministicRandom
from veilmatch.hazmat.proof import (
    Proof,
    parse_proof,
    prove_equal,
    prove_knowledge,
    verify_equal,
    verify_knowledge,
)
from veilmatch.secret import SecretBytes

RANDOM = DeterministicRandom(b"proof")
K = SecretBytes(random_scalars(1, RANDOM).tobytes())
PUBLIC = mul_base(one(K.reveal())).tobytes()
LEFT = hash_to_group(to_batch([b"a", b"b", b"c"], 1))
RIGHT = mul(K.reveal(), LEFT)
GOOD = prove_knowledge(K, b"bound", RANDOM)


def test_knowledge_verifies_where_it_is_bound_only() -> None:
    verify_knowledge(PUBLIC, b"bound", GOOD)
    with pytest.raises(ProofError):
        verify_knowledge(PUBLIC, b"elsewhere", GOOD)
    other = mul_base(random_scalars(1, RANDOM)).tobytes()
    with pytest.raises(ProofError):
        verify_knowledge(other, b"bound", GOOD)


@given(st.integers(0, 511))
def test_no_flipped_bit_verifies(bit: int) -> None:
    data = bytearray(GOOD.to_bytes())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((ProofError, EncodingError)):
        verify_knowledge(PUBLIC, b"bound", parse_proof(bytes(data)))


def test_the_identity_is_nobodys_public_value() -> None:
    with pytest.raises(EncodingError):
        verify_knowledge(bytes(32), b"bound", GOOD)


def test_a_batch_of_equal_logarithms() -> None:
    proof = prove_equal(K, LEFT, RIGHT, b"use")
    verify_equal(PUBLIC, LEFT, RIGHT, b"use", proof)
    for left, right, context in (
        (LEFT, RIGHT, b"other use"),
        (LEFT[::-1].copy(), RIGHT, b"use"),
        (LEFT[:2], RIGHT[:2], b"use"),
    ):
        with pytest.raises(ProofError):
            verify_equal(PUBLIC, left, right, context, proof)


def test_one_wrong_pair_among_many_is_noticed() -> None:
    wrong = RIGHT.copy()
    wrong[1] = mul((7).to_bytes(32, "little"), LEFT[1:2])[0]
    with pytest.raises(ProofError):
        verify_equal(PUBLIC, LEFT, wrong, b"use", prove_equal(K, LEFT, wrong, b"use"))


def test_pairs_must_be_there_and_match() -> None:
    proof = Proof(GOOD.challenge, GOOD.response)
    none = np.zeros((0, 32), np.uint8)
    for left, right in ((none, none), (LEFT, RIGHT[:2])):
        with pytest.raises(InputError):
            verify_equal(PUBLIC, left, right, b"use", proof)


@pytest.mark.parametrize("which", ["public", "left", "right"])
def test_elements_of_a_proof_are_checked(which: str) -> None:
    given_values = {"public": one(PUBLIC).copy(), "left": LEFT.copy(), "right": RIGHT.copy()}
    given_values[which][0] = 0
    proof = prove_equal(K, LEFT, RIGHT, b"use")
    with pytest.raises(EncodingError):
        verify_equal(
            given_values["public"].tobytes(),
            given_values["left"],
            given_values["right"],
            b"use",
            proof,
        )
