"""Deriving keys and pseudorandom values: HKDF-SHA-256, HMAC-SHA-512, labels for both.

Every label starts with ``veilmatch-v1`` and names one purpose; every variable field stands
behind its length. Spec: ``spec/10-hazmat.md`` section 2.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from veilmatch.secret import SecretBytes
from veilmatch.wire import length_prefixed

LABEL_PREFIX = b"veilmatch-v1 "
PRF_LEN = 64


def label(purpose: str, *fields: bytes) -> bytes:
    """Return ``veilmatch-v1 <purpose>`` followed by the length-prefixed fields."""
    return LABEL_PREFIX + purpose.encode("ascii") + length_prefixed(*fields)


def derive_key(
    secret: SecretBytes, purpose: str, *fields: bytes, length: int = 32, salt: bytes = b""
) -> SecretBytes:
    """Derive a key with HKDF-SHA-256 (RFC 5869).

    Args:
        secret: The input key material.
        purpose: What the key is for; part of the label.
        fields: Context, each length-prefixed in the label.
        length: Bytes of output, at most 8160.
        salt: Empty unless the spec says otherwise.

    Secret: ``secret``; time depends on lengths only.
    """
    hkdf = HKDF(SHA256(), length, salt or None, label(purpose, *fields))
    return SecretBytes(hkdf.derive(secret.reveal()), length=length)


def evaluate_prf(key: SecretBytes, purpose: str, *fields: bytes) -> bytes:
    """PRF = HMAC-SHA-512(key, label). Returns 64 bytes.

    Secret: ``key``; time depends on lengths only.
    """
    return hmac.digest(key.reveal(), label(purpose, *fields), "sha512")


def expand_prf(key: SecretBytes, purpose: str, length: int, *fields: bytes) -> bytes:
    """Return ``length`` pseudorandom bytes: the PRF at counters 0, 1, … (four bytes each)."""
    count = -(-length // PRF_LEN)
    secret = key.reveal()
    # The counter is the label's last field: what stands before it is the same in every block.
    prefix = label(purpose, *fields) + (4).to_bytes(2, "big")
    blocks = [hmac.digest(secret, prefix + i.to_bytes(4, "big"), "sha512") for i in range(count)]
    return b"".join(blocks)[:length]


def digest(purpose: str, *fields: bytes) -> bytes:
    """SHA-256 over the label and the length-prefixed fields; fields may be of any length."""
    state = hashlib.sha256(LABEL_PREFIX + purpose.encode("ascii"))
    for field in fields:
        state.update(len(field).to_bytes(8, "big"))
        state.update(field)
    return state.digest()


class DeterministicRandom:
    """A ``RandomSource`` from a seed (SHAKE-256), for vectors and tests only."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._counter = 0

    def __call__(self, length: int) -> bytes:
        """Return the next ``length`` bytes of the stream."""
        self._counter += 1
        block = length_prefixed(self._seed, self._counter.to_bytes(8, "big"))
        return hashlib.shake_256(block).digest(length)
