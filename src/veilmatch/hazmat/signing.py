"""Ed25519 signatures (RFC 8032) over a labelled, length-prefixed message.

Spec: ``spec/10-hazmat.md`` section 6.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from veilmatch.errors import SignatureError
from veilmatch.hazmat.prf import LABEL_PREFIX
from veilmatch.secret import SecretBytes
from veilmatch.wire import check_length

PUBLIC_KEY_LEN = 32
SIGNATURE_LEN = 64
KEY_ID_LEN = 8


def derive_key_id(public_key: bytes) -> bytes:
    """Return the first 8 bytes of SHA-256 of a public key: a name, not a check."""
    return hashlib.sha256(check_length(public_key, PUBLIC_KEY_LEN, "public key")).digest()[
        :KEY_ID_LEN
    ]


def build_signed_message(purpose: str, message: bytes | memoryview) -> bytes:
    """Build the bytes that are signed for a purpose: its label, then the message."""
    tag = LABEL_PREFIX + purpose.encode("ascii")
    return b"".join((len(tag).to_bytes(2, "big"), tag, message))


class Signer(Protocol):
    """What can sign: a key in memory here, or one in a hardware module."""

    public_key: bytes

    def sign(self, purpose: str, message: bytes) -> bytes:
        """Sign ``message`` for one purpose. Returns 64 bytes."""
        ...

    def sign_raw(self, message: bytes) -> bytes:
        """Sign bytes that carry a label of their own. Returns 64 bytes."""
        ...


class SigningKey:
    """A private Ed25519 key that signs for named purposes.

    Args:
        seed: 32 bytes.
    """

    def __init__(self, seed: SecretBytes) -> None:
        self._seed = SecretBytes(seed.reveal(), length=32)
        self._key = Ed25519PrivateKey.from_private_bytes(self._seed.reveal())
        self.public_key: bytes = self._key.public_key().public_bytes_raw()

    @property
    def seed(self) -> SecretBytes:
        """The 32 bytes the key comes from, for saving it."""
        return self._seed

    def sign(self, purpose: str, message: bytes) -> bytes:
        """Sign ``message`` for one purpose. Returns 64 bytes."""
        return self._key.sign(build_signed_message(purpose, message))

    def sign_raw(self, message: bytes) -> bytes:
        """Sign bytes that carry a label of their own. Returns 64 bytes.

        For formats that other people fixed (DSSE, TUF, notes). They begin with printable
        text, messages signed for a purpose with a zero byte; so neither passes for the other.
        """
        return self._key.sign(message)

    def __repr__(self) -> str:
        return "SigningKey(<private>)"


def verify_signature(
    public_key: bytes, purpose: str, message: bytes | memoryview, signature: bytes
) -> None:
    """Verify a signature made for ``purpose``.

    Raises:
        SignatureError: The key is malformed or the signature does not verify.
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(
            check_length(public_key, PUBLIC_KEY_LEN, "public key")
        )
        key.verify(signature, build_signed_message(purpose, message))
    except (InvalidSignature, ValueError) as exc:
        raise SignatureError("a signature does not verify") from exc
