"""What a hash provider states in public: that it handed over a list, and what is in it.

Both statements name the list by the commitment in its signed header; no hash and no salt is in
them. Who signs may sit in a hardware module. Spec: ``spec/27-provider-kit.md`` section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

from veilmatch.errors import SignatureError, VerificationError
from veilmatch.hashlist.hash_list import HashList
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hazmat.signing import Signer
from veilmatch.transparency.entries.entry import EntryKind, Statement, Subject, parse_statement
from veilmatch.transparency.entries.envelope import (
    Envelope,
    PartyKey,
    StatementSigner,
    sign_payload,
    verify_envelope,
)

LIST_SUBJECT = "hash list"


@dataclass(frozen=True)
class OwnList:
    """What a provider knows of the list it handed over: 32 bytes of commitment, and a count."""

    commitment: bytes
    count: int


def statement_signer(provider: HashProvider, key: Signer) -> StatementSigner:
    """Make the signer of a provider's statements.

    Raises:
        SignatureError: The key is not the provider's.
    """
    if key.public_key != provider.public_key:
        raise SignatureError("the key is not the provider's")
    return StatementSigner(party_key(provider), key.sign_raw)


def party_key(provider: HashProvider) -> PartyKey:
    """Give a provider in the form that envelopes are verified with."""
    return PartyKey(provider.name, provider.jurisdiction, provider.public_key)


def build_list_attestation(listed: HashList, *, as_of_at: int) -> Statement:
    """State that a provider handed over this list.

    Args:
        listed: A list whose signature was verified.
        as_of_at: Seconds since 1970.
    """
    provider = listed.provider
    return Statement(
        EntryKind.LIST_ATTESTATION,
        (Subject(LIST_SUBJECT, listed.commitment),),
        {
            "provider": provider.name,
            "jurisdiction": provider.jurisdiction,
            "content_class": listed.content_class,
            "algorithm": listed.algorithm,
            "count": len(listed.hashes),
            "as_of_at": as_of_at,
        },
    )


def build_certificate(
    provider: HashProvider, own: OwnList, *, release_id: bytes, method: str
) -> Statement:
    """State that the list, as a release names it, holds only verified material.

    Args:
        provider: Who states it.
        own: The list.
        release_id: ``bytes (32,)``, of a release that was checked and names the list.
        method: How the material was verified, in words.

    Raises:
        EncodingError: ``method`` is empty, too long or has control characters.
    """
    return Statement(
        EntryKind.CERTIFICATE,
        (Subject(LIST_SUBJECT, own.commitment),),
        {
            "provider": provider.name,
            "jurisdiction": provider.jurisdiction,
            "release_id": release_id.hex(),
            "method": method,
        },
    )


def sign_statement(statement: Statement, provider: HashProvider, key: Signer) -> Envelope:
    """Sign a statement as a provider: an in-toto statement in a DSSE envelope.

    Raises:
        SignatureError: The key is not the provider's, or the signature does not verify.
    """
    return sign_payload(statement.to_bytes(), [statement_signer(provider, key)])


def read_attested_list(envelope: Envelope, provider: HashProvider) -> OwnList:
    """Read from a provider's own attestation which list it handed over.

    Raises:
        SignatureError: The provider did not sign it. EncodingError: It is no statement.
        VerificationError: It is no attestation of a list, or names another provider.
    """
    payload = verify_envelope(envelope, [party_key(provider)]).payload
    statement = parse_statement(payload)
    said = statement.predicate
    named = (said.get("provider"), said.get("jurisdiction"))
    if (
        statement.kind is not EntryKind.LIST_ATTESTATION
        or len(statement.subjects) != 1
        or named != (provider.name, provider.jurisdiction)
    ):
        raise VerificationError("what was signed is no attestation of this provider's list")
    return OwnList(statement.subjects[0].sha256, int(str(said["count"])))
