"""``seal``: the only encryption. Committing, randomised by a salt, 64 bytes longer.

    salt(16) random; okm = HKDF-SHA-256(ikm = key, salt, info = "veilmatch-v1 seal", 64)
    K_e | K_c = okm;  out = salt | K_c | ChaCha20-Poly1305(K_e, nonce 0, plaintext, aad)

K_e is used once (the salt is fresh), so the nonce may be constant. K_c commits to the key:
opening compares it in constant time before it decrypts, so a sealed text opens under one
key only. Spec: ``spec/10-hazmat.md`` section 3; key commitment after Bellare and Hoang, UtC.
"""

from __future__ import annotations

import numpy as np

from veilmatch.errors import LengthError, VerificationError
from veilmatch.hazmat.backends.interface import (
    KEY_LEN,
    SALT_LEN,
    SEAL_OVERHEAD_LEN,
    Bytes,
    Flags,
)
from veilmatch.hazmat.backends.selection import current
from veilmatch.secret import SYSTEM_RANDOM, RandomSource, SecretBytes


def deterministic_seal_batch(keys: Bytes, plaintexts: Bytes, aads: Bytes, salts: Bytes) -> Bytes:
    """Seal with given salts. ``(n, 32) (n, m) (n, a) (n, 16)`` to ``(n, m + 64)``.

    A salt must never serve twice under one key with two plaintexts.
    """
    return current().seal(
        np.ascontiguousarray(keys),
        np.ascontiguousarray(plaintexts),
        np.ascontiguousarray(aads),
        np.ascontiguousarray(salts),
    )


def open_batch(keys: Bytes, sealed: Bytes, aads: Bytes) -> tuple[Bytes, Flags]:
    """Open a batch; returns plaintexts ``(n, m)`` and which opened. A failed row is zero."""
    if sealed.shape[1] < SEAL_OVERHEAD_LEN:
        raise LengthError("sealed", SEAL_OVERHEAD_LEN, sealed.shape[1])
    return current().open(
        np.ascontiguousarray(keys), np.ascontiguousarray(sealed), np.ascontiguousarray(aads)
    )


def _row(data: bytes) -> Bytes:
    return np.frombuffer(data, dtype=np.uint8).reshape(1, -1)


def seal(
    key: SecretBytes, plaintext: bytes, aad: bytes, random: RandomSource = SYSTEM_RANDOM
) -> bytes:
    """Seal one plaintext under a 32-byte key. Returns ``len(plaintext) + 64`` bytes."""
    secret = SecretBytes(key.reveal(), length=KEY_LEN).reveal()
    return deterministic_seal_batch(
        _row(secret), _row(plaintext), _row(aad), _row(random(SALT_LEN))
    ).tobytes()


def unseal(key: SecretBytes, sealed: bytes, aad: bytes) -> bytes:
    """Open one sealed text.

    Raises:
        LengthError: Shorter than the overhead.
        VerificationError: Another key, another aad, or changed bytes.
    """
    if len(sealed) < SEAL_OVERHEAD_LEN:
        raise LengthError("sealed", SEAL_OVERHEAD_LEN, len(sealed))
    secret = SecretBytes(key.reveal(), length=KEY_LEN).reveal()
    plaintexts, good = open_batch(_row(secret), _row(sealed), _row(aad))
    if not good[0]:
        raise VerificationError("a sealed text does not open")
    return plaintexts.tobytes()


def deterministic_seal_slots(
    left: Bytes,
    right: Bytes,
    public: bytes,
    beta: Bytes,
    gamma: Bytes,
    payload_keys: Bytes,
    aads: Bytes,
    salts: Bytes,
    *,
    threads: int = 1,
) -> Bytes:
    """Make slots Q | seal(KDF(S, Q), payload key); see ``Backend.seal_slots``. ``(n, 128)``."""
    arrays = [np.ascontiguousarray(a) for a in (beta, gamma, payload_keys, aads, salts)]
    return current().seal_slots(
        np.ascontiguousarray(left),
        np.ascontiguousarray(right),
        np.frombuffer(public, dtype=np.uint8),
        *arrays,
        threads=threads,
    )


def open_slots(
    scalar: bytes, slots: Bytes, aads: Bytes, *, threads: int = 1
) -> tuple[Bytes, Flags]:
    """Try slots under a secret scalar; see ``Backend.open_slots``. ``(n, 32)``, ``(n,)``."""
    return current().open_slots(
        np.frombuffer(scalar, dtype=np.uint8),
        np.ascontiguousarray(slots),
        np.ascontiguousarray(aads),
        threads=threads,
    )
