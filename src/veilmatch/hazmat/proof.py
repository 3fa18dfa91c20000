"""Proofs about discrete logarithms: DLEQ of RFC 9497 section 2.2, and knowledge of one.

Both are Fiat-Shamir in the form of RFC 9497; the context string separates their uses.
Spec: ``spec/10-hazmat.md`` section 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha512

from veilmatch.errors import InputError, ProofError
from veilmatch.hazmat.backends.interface import SCALAR_LEN, Bytes
from veilmatch.hazmat.backends.selection import current
from veilmatch.hazmat.group import (
    GENERATOR,
    add,
    hash_to_scalar,
    mul,
    mul_base,
    one,
    parse_elements,
    parse_scalar,
    random_scalars,
)
from veilmatch.secret import SYSTEM_RANDOM, RandomSource, SecretBytes
from veilmatch.wire import length_prefixed

PROOF_LEN = 2 * SCALAR_LEN
MAX_BATCH = 65_535  # RFC 9497 section 2.2.1: the weights count items in two bytes
KNOWLEDGE_CONTEXT = b"veilmatch-v1 proof-of-knowledge"


@dataclass(frozen=True)
class Proof:
    """Challenge and response, 32 bytes each."""

    challenge: bytes
    response: bytes

    def to_bytes(self) -> bytes:
        """Return challenge | response."""
        return self.challenge + self.response


def parse_proof(data: bytes) -> Proof:
    """Parse 64 bytes. Raises EncodingError or LengthError."""
    challenge = parse_scalar(data[:SCALAR_LEN], field="challenge")
    return Proof(challenge, parse_scalar(data[SCALAR_LEN:], field="response"))


def _scalar_op(name: str, left: bytes, right: bytes) -> bytes:
    operation = getattr(current(), name)
    result: Bytes = operation(one(left), one(right))
    return result.tobytes()


def _weights(context: bytes, public: bytes, left: Bytes, right: Bytes) -> list[bytes]:
    """d_i of ComputeComposites (RFC 9497 section 2.2.1)."""
    seed = sha512(length_prefixed(public, b"Seed-" + context)).digest()
    dst = b"HashToScalar-" + context
    return [
        hash_to_scalar(
            length_prefixed(seed)
            + i.to_bytes(2, "big")
            + length_prefixed(c.tobytes(), d.tobytes())
            + b"Composite",
            dst,
        )
        for i, (c, d) in enumerate(zip(left, right, strict=True))
    ]


def _combine(weights: list[bytes], points: Bytes) -> bytes:
    total: Bytes | None = None
    for weight, point in zip(weights, points, strict=True):
        term = mul(weight, one(point))
        total = term if total is None else add(total, term)
    assert total is not None
    return total.tobytes()


def _challenge(context: bytes, *elements: bytes) -> bytes:
    transcript = length_prefixed(*elements) + b"Challenge"
    return hash_to_scalar(transcript, b"HashToScalar-" + context)


def _check_batch(left: Bytes, right: Bytes) -> None:
    if len(left) != len(right) or not 0 < len(left) <= MAX_BATCH:
        raise InputError("a proof covers between 1 and 65535 pairs of equal number")


def deterministic_prove_equal(
    secret: SecretBytes, left: Bytes, right: Bytes, context: bytes, nonce: bytes
) -> Proof:
    """Prove right_i = k * left_i for the k of k*G (GenerateProof, RFC 9497 section 2.2.1).

    Args:
        secret: k, a scalar.
        left: C_i, ``bytes (n, 32)``.
        right: D_i, ``bytes (n, 32)``.
        context: The context string; separates uses.
        nonce: r, a scalar never used twice.

    Secret: ``secret`` and ``nonce``.
    """
    _check_batch(left, right)
    k = secret.reveal()
    public = mul_base(one(k)).tobytes()
    m = _combine(_weights(context, public, left, right), left)
    z = mul(k, one(m)).tobytes()
    t2, t3 = mul_base(one(nonce)).tobytes(), mul(nonce, one(m)).tobytes()
    c = _challenge(context, public, m, z, t2, t3)
    return Proof(c, _scalar_op("scalar_sub", nonce, _scalar_op("scalar_mul", c, k)))


def prove_equal(secret: SecretBytes, left: Bytes, right: Bytes, context: bytes) -> Proof:
    """Prove right_i = k * left_i with a fresh nonce; see the deterministic twin."""
    nonce = random_scalars(1, SYSTEM_RANDOM).tobytes()
    return deterministic_prove_equal(secret, left, right, context, nonce)


def verify_equal(public: bytes, left: Bytes, right: Bytes, context: bytes, proof: Proof) -> None:
    """Verify that right_i = k * left_i for the k of ``public`` (VerifyProof, RFC 9497).

    Raises:
        EncodingError: An element is not canonical, or is the identity.
        ProofError: The proof does not verify.
    """
    _check_batch(left, right)
    parse_elements(one(public), field="public")
    parse_elements(left, field="left")
    parse_elements(right, field="right")
    weights = _weights(context, public, left, right)
    m, z = _combine(weights, left), _combine(weights, right)
    t2 = add(mul(proof.response, one(GENERATOR)), mul(proof.challenge, one(public))).tobytes()
    t3 = add(mul(proof.response, one(m)), mul(proof.challenge, one(z))).tobytes()
    if _challenge(context, public, m, z, t2, t3) != proof.challenge:
        raise ProofError("a proof of equal discrete logarithms does not verify")


def prove_knowledge(
    secret: SecretBytes, binding: bytes, random: RandomSource = SYSTEM_RANDOM
) -> Proof:
    """Prove knowledge of k with K = k*G (Schnorr), bound to ``binding``.

    Secret: ``secret``.
    """
    k = secret.reveal()
    nonce = random_scalars(1, random).tobytes()
    public, commitment = mul_base(one(k)).tobytes(), mul_base(one(nonce)).tobytes()
    c = _challenge(KNOWLEDGE_CONTEXT, public, commitment, binding)
    return Proof(c, _scalar_op("scalar_sub", nonce, _scalar_op("scalar_mul", c, k)))


def verify_knowledge(public: bytes, binding: bytes, proof: Proof) -> None:
    """Verify a proof of knowledge of the discrete logarithm of ``public``.

    Raises:
        EncodingError: ``public`` is not canonical, or is the identity.
        ProofError: The proof does not verify.
    """
    parse_elements(one(public), field="public")
    commitment = add(mul_base(one(proof.response)), mul(proof.challenge, one(public))).tobytes()
    if _challenge(KNOWLEDGE_CONTEXT, public, commitment, binding) != proof.challenge:
        raise ProofError("a proof of knowledge does not verify")
