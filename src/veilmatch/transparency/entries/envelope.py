"""A statement with the signatures of those who stand for it: a DSSE envelope.

Parsing and verifying give different types, as with notes. Who signed is told by keys that
the reader brings along, each with the party and the jurisdiction it stands for.

Spec: ``spec/80-transparency.md`` section 9.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from veilmatch.errors import ConfigError, EncodingError, LengthError, SignatureError
from veilmatch.transparency.checkpoint import parse_base64
from veilmatch.transparency.entries.canonical import Fields, Json, build_json, parse_json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
SIGNATURE_COUNT_MAX = 100
SIGNATURE_LEN = 64
PUBLIC_KEY_LEN = 32
SEED_LEN = 32
_JURISDICTION = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True)
class PartyKey:
    """A key that one party signs statements with.

    Attributes:
        party: Name of the organisation or service.
        jurisdiction: ISO 3166-1 code of two capital letters.
        public_key: ``bytes (32,)``, Ed25519.

    Raises:
        EncodingError: The name is empty or the code has another form.
        LengthError: The key is not 32 bytes.
    """

    party: str
    jurisdiction: str
    public_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.party or not _JURISDICTION.fullmatch(self.jurisdiction):
            raise EncodingError("a party has a name and a jurisdiction", field="party")
        if len(self.public_key) != PUBLIC_KEY_LEN:
            raise LengthError("public key", PUBLIC_KEY_LEN, len(self.public_key))

    @property
    def key_id(self) -> str:
        """SHA-256 of the public key in hexadecimal digits; it finds the key, no more."""
        return hashlib.sha256(self.public_key).hexdigest()


@dataclass(frozen=True)
class EnvelopeSignature:
    """One signature, as it arrived.

    Attributes:
        key_id: 64 hexadecimal digits.
        signature: ``bytes (64,)``.
    """

    key_id: str = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True)
class Envelope:
    """A statement with signatures as it arrived. Not to be used before ``verify_envelope``.

    Attributes:
        payload: The statement's bytes.
        signatures: One or more, sorted by key id, no key twice.
    """

    payload: bytes = field(repr=False)
    signatures: tuple[EnvelopeSignature, ...]

    def to_json(self) -> Json:
        """Give the object that ``to_bytes`` writes, to stand inside another one."""
        signatures: list[Json] = [
            {"keyid": one.key_id, "sig": base64.b64encode(one.signature).decode()}
            for one in self.signatures
        ]
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": signatures,
        }

    def to_bytes(self) -> bytes:
        """Write the file. The inverse of ``parse_envelope``."""
        value = self.to_json()
        assert isinstance(value, dict)
        return build_json(value)

    def add_signatures(self, added: Iterable[EnvelopeSignature]) -> Envelope:
        """Add signatures of further parties; the newest of one key stays."""
        by_key = {one.key_id: one for one in (*self.signatures, *added)}
        return replace(self, signatures=tuple(by_key[key_id] for key_id in sorted(by_key)))


def parse_envelope(data: bytes) -> Envelope:
    """Read an envelope from a file. Verifies nothing.

    Raises:
        EncodingError: Malformed, or in another spelling.
        LengthError: A signature is not 64 bytes.

    Source: spec/80-transparency.md rules E-1 to E-3.
    """
    return take_envelope(parse_json(data, "envelope"))


def take_envelope(value: Json) -> Envelope:
    """Read an envelope from JSON that was parsed before.

    Raises:
        EncodingError: Malformed.
        LengthError: A signature is not 64 bytes.
    """
    fields = Fields(value, "envelope")
    payload = parse_base64(_text(fields, "payload"), "payload")
    if fields.text("payloadType") != PAYLOAD_TYPE:
        raise EncodingError("the envelope holds something else", field="payloadType")
    signatures = [_take_signature(item) for item in fields.items("signatures", SIGNATURE_COUNT_MAX)]
    fields.finish()
    key_ids = [one.key_id for one in signatures]
    if not key_ids or sorted(set(key_ids)) != key_ids:
        raise EncodingError("signatures are missing, repeated or unsorted", field="signatures")
    return Envelope(payload, tuple(signatures))


def _text(fields: Fields, name: str) -> bytes:
    value = fields.take(name)
    if not isinstance(value, str) or not value.isascii():
        raise fields.refuse(name)
    return value.encode()


def _take_signature(value: Json) -> EnvelopeSignature:
    fields = Fields(value, "signature")
    key_id = fields.text("keyid", "[0-9a-f]{64}")
    signature = parse_base64(_text(fields, "sig"), "sig")
    fields.finish()
    if len(signature) != SIGNATURE_LEN:
        raise LengthError("sig", SIGNATURE_LEN, len(signature))
    return EnvelopeSignature(key_id, signature)


def build_signed_bytes(payload: bytes) -> bytes:
    """Build the bytes that are signed: DSSE's pre-authentication encoding.

    Source: spec/80-transparency.md rule E-4.
    """
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True)
class VerifiedEnvelope:
    """A statement that at least one known party signed.

    Attributes:
        payload: The statement's bytes.
        signers: Keys whose signatures verified, sorted by key id.
    """

    payload: bytes = field(repr=False)
    signers: tuple[PartyKey, ...]

    @property
    def parties(self) -> frozenset[str]:
        """Names of the parties that signed; several keys of one party count once."""
        return frozenset(key.party for key in self.signers)

    @property
    def jurisdictions(self) -> frozenset[str]:
        """Jurisdictions of the parties that signed."""
        return frozenset(key.jurisdiction for key in self.signers)


def verify_envelope(envelope: Envelope, keys: Sequence[PartyKey]) -> VerifiedEnvelope:
    """Check every signature by a known key; pass over those by unknown keys.

    Args:
        envelope: What ``parse_envelope`` gave.
        keys: The known keys.

    Raises:
        SignatureError: A known key's signature does not verify, or no known key signed.
        ConfigError: One public key stands for two parties.

    Not checked: whether enough parties signed; ``verify_parties`` does.

    Source: spec/80-transparency.md rules E-5 to E-7.
    """
    known: dict[str, PartyKey] = {}
    for key in keys:
        if known.setdefault(key.key_id, key) != key:
            raise ConfigError("one public key stands for two parties", setting="keys")
    message = build_signed_bytes(envelope.payload)
    signers = []
    for one in envelope.signatures:
        signer = known.get(one.key_id)
        if signer is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(signer.public_key).verify(one.signature, message)
        except (InvalidSignature, ValueError):
            raise SignatureError("a signature by a known party does not verify") from None
        signers.append(signer)
    if not signers:
        raise SignatureError("no known party signed this statement")
    return VerifiedEnvelope(envelope.payload, tuple(signers))


def verify_parties(
    verified: VerifiedEnvelope, *, min_parties: int, min_jurisdictions: int
) -> VerifiedEnvelope:
    """Verify that enough different parties of enough jurisdictions signed.

    Raises:
        SignatureError: They did not.

    Source: spec/80-transparency.md rule E-8.
    """
    if len(verified.parties) < min_parties:
        raise SignatureError("too few parties signed this statement")
    if len(verified.jurisdictions) < min_jurisdictions:
        raise SignatureError("the signing parties are of too few jurisdictions")
    return verified


class StatementSigner:
    """A party's signing key; the secret may sit in a file or in hardware.

    Args:
        key: Public side.
        sign: Signs one message: ``bytes`` to ``bytes (64,)``.

    Secret: whatever ``sign`` holds.
    """

    def __init__(self, key: PartyKey, sign: Callable[[bytes], bytes]) -> None:
        self.key = key
        self._sign = sign

    def __repr__(self) -> str:
        return f"StatementSigner({self.key.party!r})"

    def sign_payload(self, payload: bytes) -> EnvelopeSignature:
        """Sign a statement and check the result before it leaves.

        Raises:
            SignatureError: The signing device gave something that does not verify.
        """
        one = EnvelopeSignature(self.key.key_id, self._sign(build_signed_bytes(payload)))
        verify_envelope(Envelope(payload, (one,)), [self.key])
        return one


def derive_statement_signer(party: str, jurisdiction: str, seed: bytes) -> StatementSigner:
    """Derive a party's signer from a seed.

    Args:
        party: Name of the organisation or service.
        jurisdiction: ISO 3166-1 code of two capital letters.
        seed: ``bytes (32,)``, secret, from the operating system's randomness.

    Raises:
        LengthError: The seed is not 32 bytes.
        EncodingError: Name or code are not usable.

    Secret: ``seed``.
    """
    if len(seed) != SEED_LEN:
        raise LengthError("seed", SEED_LEN, len(seed))
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key = PartyKey(party, jurisdiction, private.public_key().public_bytes_raw())
    return StatementSigner(key, private.sign)


def sign_payload(payload: bytes, signers: Sequence[StatementSigner]) -> Envelope:
    """Put a statement into an envelope with the signatures of one or more parties.

    Raises:
        ConfigError: No signer, or one key twice.
    """
    if not signers or len({signer.key.key_id for signer in signers}) != len(signers):
        raise ConfigError("no signer, or one key twice", setting="signers")
    return Envelope(payload, ()).add_signatures(signer.sign_payload(payload) for signer in signers)
