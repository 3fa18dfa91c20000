"""Keys of the log and its witnesses: what each kind signs, and how it is checked.

Three kinds: plain Ed25519 of a log, and the time-stamped cosignatures with Ed25519 and with
ML-DSA-44. A secret key is only ever a function that signs, so it may sit in hardware.

Spec: ``spec/80-transparency.md`` section 1.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from veilmatch.errors import ConfigError, EncodingError, LengthError, SignatureError
from veilmatch.transparency.checkpoint import (
    SIZE_MAX,
    check_text,
    parse_base64,
    parse_checkpoint,
)

try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import (
        MLDSA44PrivateKey,
        MLDSA44PublicKey,
    )

    HAS_ML_DSA = True
except ImportError:  # pragma: no cover - cryptography before 47
    HAS_ML_DSA = False

KEY_ID_LEN = 4
SEED_LEN = 32
_TIME_LEN = 8
_NAME_LEN_MAX = 255
_TOO_OLD = "install cryptography 47 or later"


class SignatureType(IntEnum):
    """What kind of key signed, and over which message. The byte is part of the key's id."""

    ED25519 = 0x01
    COSIGNATURE_ED25519 = 0x04
    COSIGNATURE_ML_DSA_44 = 0x06

    @property
    def has_time(self) -> bool:
        """Say whether the signature carries the time it was made at."""
        return self is not SignatureType.ED25519

    @property
    def public_key_len(self) -> int:
        """Length of the public key in bytes."""
        return 1312 if self is SignatureType.COSIGNATURE_ML_DSA_44 else 32

    @property
    def raw_len(self) -> int:
        """Length of the bare signature in bytes, without the time."""
        return 2420 if self is SignatureType.COSIGNATURE_ML_DSA_44 else 64


def check_key_name(name: str) -> None:
    """Check that a name can stand in a signature line.

    Raises:
        EncodingError: It is empty or holds a space, a plus or a control character.

    Source: spec/80-transparency.md rule N-4.
    """
    if not name or "+" in name or any(char.isspace() for char in name):
        raise EncodingError("key name is empty or has a space or plus", field="key name")
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise EncodingError("key name is not Unicode", field="key name") from None
    check_text(encoded, "key name")


@dataclass(frozen=True)
class VerifierKey:
    """A public key with the name and the kind of signature it is trusted for.

    Attributes:
        name: Name of the log or witness, as it stands in signature lines.
        signature_type: Kind of signature this key makes.
        public_key: ``bytes (32,)`` or, for ML-DSA-44, ``bytes (1312,)``.

    Raises:
        EncodingError: The name is not usable in a signature line.
        LengthError: The public key has another length than its kind.

    Source: spec/80-transparency.md rules N-6 to N-8.
    """

    name: str
    signature_type: SignatureType
    public_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if self.signature_type.has_time and len(self.name.encode()) > _NAME_LEN_MAX:
            raise EncodingError("key name is too long for a cosigner", field="key name")
        expected = self.signature_type.public_key_len
        if len(self.public_key) != expected:
            raise LengthError("public key", expected, len(self.public_key))

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name | newline | kind | public key). Not a commitment."""
        kind = bytes([self.signature_type])
        hashed = hashlib.sha256(self.name.encode() + b"\n" + kind + self.public_key)
        return hashed.digest()[:KEY_ID_LEN]

    def to_bytes(self) -> bytes:
        """Write ``name+key id+key``, the form that policy files hold."""
        key = base64.b64encode(bytes([self.signature_type]) + self.public_key)
        return b"+".join((self.name.encode(), self.key_id.hex().encode(), key))


def parse_verifier_key(data: bytes) -> VerifierKey:
    """Read ``name+key id+key``. The inverse is ``VerifierKey.to_bytes``.

    Raises:
        EncodingError: Malformed, of an unknown kind, or the key id is not that of the key.
        LengthError: The public key has another length than its kind.

    Source: spec/80-transparency.md rules N-6 to N-8.
    """
    check_text(data, "verifier key")
    parts = data.split(b"+", 2)
    if len(parts) != 3:
        raise EncodingError("a verifier key has three parts", field="verifier key")
    name, key_id_hex, encoded = parts
    raw = parse_base64(encoded, "verifier key")
    if not raw or raw[0] not in SignatureType.__members__.values():
        raise EncodingError("a verifier key of an unknown kind", field="verifier key")
    key = VerifierKey(name.decode(), SignatureType(raw[0]), raw[1:])
    if key.key_id.hex().encode() != key_id_hex:
        raise EncodingError("the key id is not that of the key", field="key id")
    return key


def verify_signature(key: VerifierKey, text: bytes, signature: bytes) -> int | None:
    """Check one signature over a note text by one key.

    Args:
        key: The key it must be by.
        text: The note text.
        signature: Signature without key id; for cosignatures with the time before it.

    Returns:
        The time that the cosigner states, in seconds since 1970; None where the kind has none.

    Raises:
        SignatureError: It does not verify.
        ConfigError: The key is not usable here.

    Source: spec/80-transparency.md rules N-10 to N-15.
    """
    kind, raw, at_s = key.signature_type, signature, None
    if len(raw) != kind.raw_len + _TIME_LEN * kind.has_time:
        raise SignatureError("a signature by a known key has the wrong length")
    if kind.has_time:
        (at_s,) = struct.unpack(">Q", raw[:_TIME_LEN])
        raw = raw[_TIME_LEN:]
        if at_s > SIZE_MAX:
            raise SignatureError("a cosignature states an impossible time")
    try:
        message = build_message(key, text, at_s or 0)
    except EncodingError:
        raise SignatureError("a cosignature over what is no checkpoint") from None
    try:
        _public_key(key).verify(raw, message)
    except InvalidSignature:
        raise SignatureError("a signature by a known key does not verify") from None
    return at_s


def _public_key(key: VerifierKey) -> Ed25519PublicKey | MLDSA44PublicKey:
    try:
        if key.signature_type is not SignatureType.COSIGNATURE_ML_DSA_44:
            return Ed25519PublicKey.from_public_bytes(key.public_key)
        if HAS_ML_DSA:
            return MLDSA44PublicKey.from_public_bytes(key.public_key)
    except ValueError:
        raise ConfigError("a known key is not a point", setting="keys") from None
    except UnsupportedAlgorithm:  # pragma: no cover - a library built without it
        pass
    raise ConfigError("ML-DSA-44 cannot be checked here", setting="keys", hint=_TOO_OLD)


def build_message(key: VerifierKey, text: bytes, at_s: int) -> bytes:
    """Build the bytes that a key of this kind signs for a note text.

    Args:
        key: Name and kind of the signer.
        text: The note text; for ML-DSA-44 it must be a checkpoint.
        at_s: Time in seconds since 1970; unused for plain Ed25519.

    Raises:
        EncodingError: The text is no checkpoint, or its origin is too long for this kind.

    Source: spec/80-transparency.md rules N-13 to N-15.
    """
    if key.signature_type is SignatureType.ED25519:
        return text
    if key.signature_type is SignatureType.COSIGNATURE_ED25519:
        return b"cosignature/v1\ntime %d\n" % at_s + text
    checkpoint = parse_checkpoint(text)
    origin, name = checkpoint.origin.encode(), key.name.encode()
    if len(origin) > _NAME_LEN_MAX:
        raise EncodingError("the origin is too long for this cosignature", field="origin")
    return b"".join(
        (
            b"subtree/v1\n\0",
            bytes([len(name)]),
            name,
            struct.pack(">Q", at_s),
            bytes([len(origin)]),
            origin,
            struct.pack(">QQ", 0, checkpoint.size),
            checkpoint.root,
        )
    )


class NoteSigner:
    """A signing key with its public side; the secret may sit in a file or in hardware.

    Args:
        key: Public side: name, kind and public key.
        sign: Signs one message: ``bytes`` to ``bytes (key.signature_type.raw_len,)``.

    Secret: whatever ``sign`` holds; this class keeps only the function.
    """

    def __init__(self, key: VerifierKey, sign: Callable[[bytes], bytes]) -> None:
        self.key = key
        self._sign = sign

    def __repr__(self) -> str:
        return f"NoteSigner({self.key.name!r})"

    def sign_text(self, text: bytes, at_s: int) -> bytes:
        """Sign one note text at a given time and check the result before it leaves.

        Returns:
            The signature without key id; for cosignatures with the time before it.

        Raises:
            EncodingError: This kind signs only checkpoints and the text is none.
            ConfigError: The time is out of range.
            SignatureError: The signing device gave something that does not verify.
        """
        if not 0 <= at_s <= SIZE_MAX:
            raise ConfigError("the time is out of range", setting="at_s")
        raw = self._sign(build_message(self.key, text, at_s))
        if self.key.signature_type.has_time:
            raw = struct.pack(">Q", at_s) + raw
        # A faulty device must not hand out a bad signature in the log's name: it would make
        # every reader refuse the whole note.
        verify_signature(self.key, text, raw)
        return raw


def derive_signer(name: str, signature_type: SignatureType, seed: bytes) -> NoteSigner:
    """Derive a signer from a seed. Run where the seed may be in memory at all.

    Args:
        name: Name of the log or witness.
        signature_type: Kind of signature.
        seed: ``bytes (32,)``, secret, from the operating system's randomness.

    Raises:
        LengthError: The seed is not 32 bytes.
        EncodingError: The name is not usable.
        ConfigError: ML-DSA-44 is not available here.

    Secret: ``seed``. ML-DSA-44 signatures are randomised by the library.

    Source: spec/80-transparency.md rule N-16.
    """
    if len(seed) != SEED_LEN:
        raise LengthError("seed", SEED_LEN, len(seed))
    private = _private_key(signature_type, seed)
    public = private.public_key().public_bytes_raw()
    return NoteSigner(VerifierKey(name, signature_type, public), private.sign)


def _private_key(kind: SignatureType, seed: bytes) -> Ed25519PrivateKey | MLDSA44PrivateKey:
    if kind is not SignatureType.COSIGNATURE_ML_DSA_44:
        return Ed25519PrivateKey.from_private_bytes(seed)
    try:
        if HAS_ML_DSA:
            return MLDSA44PrivateKey.from_seed_bytes(seed)
    except UnsupportedAlgorithm:  # pragma: no cover - a library built without it
        pass
    raise ConfigError("ML-DSA-44 cannot be signed here", setting="keys", hint=_TOO_OLD)
