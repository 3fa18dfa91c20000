"""What a provider states: right to the byte, for other people's verifiers too."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.dsse import Envelope as OtherEnvelope
from securesystemslib.exceptions import VerificationError as OtherVerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from veilmatch.errors import EncodingError, PolicyError, SignatureError, VerificationError
from veilmatch.hashlist.hash_list import HashList, parse_hash_list, sign_hash_list
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hashlist.statement import (
    OwnList,
    build_certificate,
    build_list_attestation,
    party_key,
    read_attested_list,
    sign_statement,
    statement_signer,
)
from veilmatch.hashlist.tuf_signer import ProviderSigner
from veilmatch.hazmat.signing import SigningKey
from veilmatch.secret import SecretBytes
from veilmatch.transparency.entries.entry import EntryKind, parse_statement
from veilmatch.transparency.entries.envelope import (
    build_signed_bytes,
    parse_envelope,
    sign_payload,
    verify_envelope,
)

KEY = SigningKey(SecretBytes(bytes(range(32))))
PROVIDER = HashProvider("Example Hotline", "NL", KEY.public_key)
OTHER_KEY = SigningKey(SecretBytes(bytes(32)))
OTHER = HashProvider("Example Centre", "CA", OTHER_KEY.public_key)
AT = 1_790_000_000


def _listed() -> HashList:
    hashes = [os.urandom(32) for _ in range(5)]
    return parse_hash_list(sign_hash_list(PROVIDER, KEY, "pdq", 256, hashes))


def _their_key(provider: HashProvider) -> SSlibKey:
    """The key as somebody else knows it; its id is the one that our envelopes name."""
    public = Ed25519PublicKey.from_public_bytes(provider.public_key)
    return SSlibKey.from_crypto(public, keyid=party_key(provider).key_id)


def test_an_attestation_says_what_the_header_says_and_no_hash() -> None:
    listed = _listed()
    statement = build_list_attestation(listed, as_of_at=AT)
    assert statement.subjects[0].sha256 == listed.commitment
    assert statement.predicate == {
        "provider": "Example Hotline",
        "jurisdiction": "NL",
        "content_class": "csam",
        "algorithm": "pdq",
        "count": 5,
        "as_of_at": AT,
    }
    data = sign_statement(statement, PROVIDER, KEY).to_bytes()
    for row in listed.hashes:
        assert row.tobytes().hex().encode() not in data
    assert listed.salt.hex().encode() not in data


def test_the_envelope_verifies_with_another_implementation_of_dsse() -> None:
    ours = sign_statement(build_list_attestation(_listed(), as_of_at=AT), PROVIDER, KEY)
    theirs = OtherEnvelope.from_dict(json.loads(ours.to_bytes()))
    assert theirs.payload == ours.payload
    assert theirs.payload_type == "application/vnd.in-toto+json"
    assert theirs.pae() == build_signed_bytes(ours.payload)
    assert list(theirs.verify([_their_key(PROVIDER)], 1)) == [party_key(PROVIDER).key_id]
    with pytest.raises(OtherVerificationError):
        theirs.verify([_their_key(OTHER)], 1)
    both = ours.add_signatures(
        sign_payload(ours.payload, [statement_signer(OTHER, OTHER_KEY)]).signatures
    )
    theirs = OtherEnvelope.from_dict(json.loads(both.to_bytes()))
    assert len(theirs.verify([_their_key(PROVIDER), _their_key(OTHER)], 2)) == 2


def test_an_envelope_of_another_implementation_verifies_here() -> None:
    payload = build_list_attestation(_listed(), as_of_at=AT).to_bytes()
    theirs = OtherEnvelope(payload, "application/vnd.in-toto+json", {})
    theirs.sign(_KeyIdSigner(KEY, party_key(PROVIDER).key_id))
    spelled = json.dumps(theirs.to_dict(), sort_keys=True, separators=(",", ":")).encode()
    read = parse_envelope(spelled)
    assert verify_envelope(read, [party_key(PROVIDER)]).payload == payload


class _KeyIdSigner(ProviderSigner):
    """Signs under the key id that our envelopes use."""

    def __init__(self, key: SigningKey, key_id: str) -> None:
        super().__init__(key)
        self._key_id = key_id

    def sign(self, payload: bytes):  # type: ignore[no-untyped-def]
        made = super().sign(payload)
        made.keyid = self._key_id
        return made


def test_the_pre_authentication_encoding_is_that_of_the_specification() -> None:
    """The example printed in the DSSE protocol text, with our payload type's length."""
    assert build_signed_bytes(b"hello world") == (
        b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"
    )


def test_the_statement_has_the_four_fields_of_in_toto() -> None:
    value = json.loads(build_list_attestation(_listed(), as_of_at=AT).to_bytes())
    assert value.keys() == {"_type", "subject", "predicateType", "predicate"}
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == "urn:veilmatch:statement:list-attestation:v1"
    (subject,) = value["subject"]
    assert subject.keys() == {"name", "digest"}
    assert subject["digest"].keys() == {"sha256"}


def test_a_signer_for_tuf_gives_what_securesystemslib_gives() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(KEY.seed.reveal())
    ours, theirs = ProviderSigner(KEY), CryptoSigner(private)
    assert ours.public_key == theirs.public_key
    made = ours.sign(b"{}")
    assert made == theirs.sign(b"{}")
    ours.public_key.verify_signature(made, b"{}")
    assert "private" in repr(ours)
    with pytest.raises(PolicyError):
        ProviderSigner.from_priv_key_uri("file:x", ours.public_key)


def test_a_key_that_is_no_point_signs_nothing() -> None:
    class Broken:
        public_key = b"short"

        def sign(self, purpose: str, message: bytes) -> bytes:
            return b""

        def sign_raw(self, message: bytes) -> bytes:
            return b""

    with pytest.raises(EncodingError):
        ProviderSigner(Broken())


def test_the_wrong_key_signs_nothing() -> None:
    with pytest.raises(SignatureError):
        statement_signer(PROVIDER, OTHER_KEY)


def test_a_provider_reads_its_own_attestation() -> None:
    listed = _listed()
    envelope = sign_statement(build_list_attestation(listed, as_of_at=AT), PROVIDER, KEY)
    assert read_attested_list(envelope, PROVIDER) == OwnList(listed.commitment, 5)
    with pytest.raises(SignatureError):
        read_attested_list(envelope, OTHER)


def test_what_is_no_attestation_of_its_list() -> None:
    own = OwnList(bytes(32), 5)
    certificate = build_certificate(PROVIDER, own, release_id=bytes(32), method="two analysts")
    assert certificate.kind is EntryKind.CERTIFICATE
    assert parse_statement(certificate.to_bytes()) == certificate
    with pytest.raises(VerificationError):
        read_attested_list(sign_statement(certificate, PROVIDER, KEY), PROVIDER)
    renamed = replace(PROVIDER, name="Another Name")
    stated = build_list_attestation(replace(_listed(), provider=renamed), as_of_at=AT)
    with pytest.raises(VerificationError):
        read_attested_list(sign_statement(stated, PROVIDER, KEY), PROVIDER)


@pytest.mark.parametrize("method", ["", "x" * 501, "line\nbreak"])
def test_a_method_is_short_text(method: str) -> None:
    with pytest.raises(EncodingError):
        build_certificate(PROVIDER, OwnList(bytes(32), 1), release_id=bytes(32), method=method)
