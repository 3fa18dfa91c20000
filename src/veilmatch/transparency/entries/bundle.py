"""The file with which an outsider checks a release: manifest, statements, proofs.

And the other file, which the outsider has beforehand: whom to trust, and within which limits.
``audit.audit_bundle`` puts the two together.

Spec: ``spec/80-transparency.md`` section 12.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError
from veilmatch.transparency.checkpoint import parse_base64
from veilmatch.transparency.entries.canonical import Fields, Json, build_json, parse_json
from veilmatch.transparency.entries.envelope import Envelope, PartyKey, take_envelope
from veilmatch.transparency.policy import Policy, parse_policy
from veilmatch.transparency.proof import LogProof, parse_log_proof

BUNDLE_FORMAT = "veilmatch-audit-bundle-v1"
TRUST_FORMAT = "veilmatch-audit-trust-v1"
ATTESTATION_COUNT_MAX = 1000
_ANY_TEXT = r"(?s:.{1,2000000})"


@dataclass(frozen=True)
class LoggedEnvelope:
    """A signed statement and the proof that it is in the log.

    Attributes:
        envelope: Statement and signatures.
        proof: Proof for the statement's entry.
    """

    envelope: Envelope
    proof: LogProof

    def to_json(self) -> Json:
        """Give the object that stands in the bundle."""
        return {
            "envelope": self.envelope.to_json(),
            "proof": self.proof.to_bytes().decode(),
        }


@dataclass(frozen=True)
class Bundle:
    """A bundle as it arrived. It says nothing before ``audit.audit_bundle``.

    Attributes:
        manifest: The manifest file of the release.
        release: The release statement.
        attestations: Of the lists that the release was made from.
    """

    manifest: bytes = field(repr=False)
    release: LoggedEnvelope
    attestations: tuple[LoggedEnvelope, ...]

    def to_bytes(self) -> bytes:
        """Write the file. The inverse of ``parse_bundle``."""
        return build_json(
            {
                "format": BUNDLE_FORMAT,
                "manifest": base64.b64encode(self.manifest).decode(),
                "release": self.release.to_json(),
                "attestations": [one.to_json() for one in self.attestations],
            }
        )


def parse_bundle(data: bytes) -> Bundle:
    """Read a bundle. Verifies nothing.

    Raises:
        EncodingError: Malformed, or in another spelling.
        LengthError: A hash or signature in it has a wrong length.

    Source: spec/80-transparency.md rule B-1.
    """
    fields = Fields(parse_json(data, "bundle"), "bundle")
    if fields.text("format") != BUNDLE_FORMAT:
        raise EncodingError("not an audit bundle", field="format")
    manifest = parse_base64(fields.text("manifest", _ANY_TEXT).encode(), "manifest")
    release = _take_logged(fields.take("release"))
    attestations = tuple(
        _take_logged(item) for item in fields.items("attestations", ATTESTATION_COUNT_MAX)
    )
    fields.finish()
    return Bundle(manifest, release, attestations)


def _take_logged(value: Json) -> LoggedEnvelope:
    fields = Fields(value, "logged statement")
    envelope = take_envelope(fields.take("envelope"))
    proof = parse_log_proof(fields.text("proof", _ANY_TEXT).encode())
    fields.finish()
    return LoggedEnvelope(envelope, proof)


@dataclass(frozen=True)
class Trust:
    """Whom the reader of a bundle trusts, and within which limits. Comes from his own side.

    Attributes:
        policy: Logs, witnesses and quorum.
        parties: Keys of those who may sign statements.
        min_parties: How many different ones must have signed a release.
        min_jurisdictions: Of how many jurisdictions; also for the lists it was made from.
        least: Parameter to the smallest value accepted.
        most: Parameter to the largest value accepted.
    """

    policy: Policy
    parties: tuple[PartyKey, ...]
    min_parties: int
    min_jurisdictions: int
    least: Mapping[str, int] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Write the file. The inverse of ``parse_trust``."""
        parties: list[Json] = [
            {
                "jurisdiction": key.jurisdiction,
                "party": key.party,
                "public_key": key.public_key.hex(),
            }
            for key in self.parties
        ]
        return build_json(
            {
                "format": TRUST_FORMAT,
                "policy": base64.b64encode(self.policy.to_bytes()).decode(),
                "parties": parties,
                "min_parties": self.min_parties,
                "min_jurisdictions": self.min_jurisdictions,
                "least": dict(self.least),
                "most": dict(self.most),
            }
        )


def parse_trust(data: bytes) -> Trust:
    """Read whom to trust.

    Raises:
        EncodingError: Malformed, or in another spelling, or nobody needs to have signed.
        LengthError: A key has a wrong length.

    Source: spec/80-transparency.md rule B-0.
    """
    fields = Fields(parse_json(data, "trust"), "trust")
    if fields.text("format") != TRUST_FORMAT:
        raise EncodingError("not an audit trust file", field="format")
    policy = parse_policy(parse_base64(fields.text("policy", _ANY_TEXT).encode(), "policy"))
    parties = tuple(_take_party(item) for item in fields.items("parties", 1000))
    least, most = _take_limits(fields, "least"), _take_limits(fields, "most")
    min_parties, min_jurisdictions = (
        fields.count("min_parties"),
        fields.count("min_jurisdictions"),
    )
    fields.finish()
    if min_parties < 1 or min_jurisdictions < 1:
        raise EncodingError("nobody would have to sign", field="min_parties")
    return Trust(policy, parties, min_parties, min_jurisdictions, least, most)


def _take_party(value: Json) -> PartyKey:
    fields = Fields(value, "party")
    party, jurisdiction = fields.text("party"), fields.text("jurisdiction")
    key = PartyKey(party, jurisdiction, fields.digest("public_key"))
    fields.finish()
    return key


def _take_limits(fields: Fields, name: str) -> dict[str, int]:
    values = fields.mapping(name, 1000)
    one = Fields(values, name)
    return {key: one.count(key) for key in values}
