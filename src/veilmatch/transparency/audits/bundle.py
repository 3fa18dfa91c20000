"""The file with which an outsider checks a release: manifest, statements, proofs.

And the other file, which the outsider has beforehand: whom to trust, and within which limits.
``audit.audit_bundle`` puts the two together.

The second version of the file holds more: the release's signed metadata, and the history of the
log. A file of the first version is still read; what it lacks is reported as not there.

Spec: ``spec/80-transparency.md`` sections 12 and 13.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError, LengthError
from veilmatch.transparency.checkpoint import parse_base64
from veilmatch.transparency.entries.canonical import (
    JSON_LEN_MAX,
    Fields,
    Json,
    build_json,
    parse_json,
)
from veilmatch.transparency.entries.envelope import Envelope, PartyKey, take_envelope
from veilmatch.transparency.policy import Policy, parse_policy
from veilmatch.transparency.proof import LogProof, parse_log_proof

BUNDLE_FORMAT = "veilmatch-audit-bundle-v1"
WHOLE_FORMAT = "veilmatch-audit-bundle-v2"
TRUST_FORMAT = "veilmatch-audit-trust-v1"
ATTESTATION_COUNT_MAX = 1000
ROOT_COUNT_MAX = 256
PROOF_HASH_COUNT_MAX = 63
ENTRY_COUNT_MAX = 100_000
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
class SignedMetadata:
    """What a client fetches beside the manifest, as it lies on the publisher's site.

    Attributes:
        roots: Every root, oldest first.
        timestamp: The timestamp.
        snapshot: The snapshot that it names.
        targets: The targets that the snapshot names.
        shards: The shard list.
        proof: The proof file that clients are given; of an earlier state of the log, perhaps.
        growth: Consistency proof, ``bytes (32,)`` each, from that state to the bundle's.
    """

    roots: tuple[bytes, ...] = field(repr=False)
    timestamp: bytes = field(repr=False)
    snapshot: bytes = field(repr=False)
    targets: bytes = field(repr=False)
    shards: bytes = field(repr=False)
    proof: bytes = field(repr=False)
    growth: tuple[bytes, ...] = field(repr=False)

    def to_json(self) -> Json:
        """Give the object that stands in the bundle."""
        return {
            "roots": [_write_bytes(root) for root in self.roots],
            "growth": [one.hex() for one in self.growth],
            **{name: _write_bytes(getattr(self, name)) for name in _FILES},
        }


_FILES = ("timestamp", "snapshot", "targets", "shards", "proof")


@dataclass(frozen=True)
class History:
    """All entries of the log, up to the bundle's checkpoint.

    Attributes:
        entries: ``bytes (32,)`` each, in order.
        envelopes: The published statements with their signatures, in the order of their entries.
    """

    entries: tuple[bytes, ...] = field(repr=False)
    envelopes: tuple[Envelope, ...] = field(repr=False)

    def to_json(self) -> Json:
        """Give the object that stands in the bundle."""
        return {
            "entries": [entry.hex() for entry in self.entries],
            "envelopes": [one.to_json() for one in self.envelopes],
        }


@dataclass(frozen=True)
class Bundle:
    """A bundle as it arrived. It says nothing before ``audit.audit_bundle``.

    Attributes:
        manifest: The manifest file of the release.
        release: The release statement.
        attestations: Of the lists that the release was made from.
        metadata: The signed metadata; None where the bundle has none.
        history: The log's history; None where the bundle has none.
    """

    manifest: bytes = field(repr=False)
    release: LoggedEnvelope
    attestations: tuple[LoggedEnvelope, ...]
    metadata: SignedMetadata | None = None
    history: History | None = None

    def to_bytes(self) -> bytes:
        """Write the file. The inverse of ``parse_bundle``.

        Raises:
            LengthError: It is too long for one file.
        """
        whole = self.metadata is not None or self.history is not None
        value: dict[str, Json] = {
            "format": WHOLE_FORMAT if whole else BUNDLE_FORMAT,
            "manifest": _write_bytes(self.manifest),
            "release": self.release.to_json(),
            "attestations": [one.to_json() for one in self.attestations],
        }
        if self.metadata is not None:
            value["metadata"] = self.metadata.to_json()
        if self.history is not None:
            value["history"] = self.history.to_json()
        data = build_json(value)
        if len(data) > JSON_LEN_MAX:
            raise LengthError("bundle", JSON_LEN_MAX, len(data))
        return data


def _write_bytes(data: bytes) -> str:
    return base64.b64encode(data).decode()


def parse_bundle(data: bytes) -> Bundle:
    """Read a bundle. Verifies nothing.

    Raises:
        EncodingError: Malformed, or in another spelling.
        LengthError: A hash or signature in it has a wrong length.

    Source: spec/80-transparency.md rule B-1.
    """
    value = parse_json(data, "bundle")
    fields = Fields(value, "bundle")
    written = fields.text("format")
    if written not in (BUNDLE_FORMAT, WHOLE_FORMAT):
        raise EncodingError("not an audit bundle", field="format")
    manifest = _take_bytes(fields, "manifest")
    release = _take_logged(fields.take("release"))
    attestations = tuple(
        _take_logged(item) for item in fields.items("attestations", ATTESTATION_COUNT_MAX)
    )
    metadata = history = None
    if written == WHOLE_FORMAT:
        metadata = _take_metadata(fields.take("metadata")) if "metadata" in value else None
        history = _take_history(fields.take("history")) if "history" in value else None
        if metadata is None and history is None:
            raise fields.refuse("metadata")
    fields.finish()
    return Bundle(manifest, release, attestations, metadata, history)


def _take_bytes(fields: Fields, name: str) -> bytes:
    return parse_base64(fields.text(name, _ANY_TEXT).encode(), name)


def _take_metadata(value: Json) -> SignedMetadata:
    fields = Fields(value, "signed metadata")
    roots = fields.items("roots", ROOT_COUNT_MAX)
    growth = fields.items("growth", PROOF_HASH_COUNT_MAX)
    found = {name: _take_bytes(fields, name) for name in _FILES}
    fields.finish()
    return SignedMetadata(
        roots=tuple(_take_bytes(Fields({"roots": one}, "roots"), "roots") for one in roots),
        growth=tuple(Fields({"growth": one}, "growth").digest("growth") for one in growth),
        **found,
    )


def _take_history(value: Json) -> History:
    fields = Fields(value, "history")
    entries = tuple(
        Fields({"entries": one}, "history").digest("entries")
        for one in fields.items("entries", ENTRY_COUNT_MAX)
    )
    envelopes = tuple(map(take_envelope, fields.items("envelopes", ENTRY_COUNT_MAX)))
    fields.finish()
    return History(entries, envelopes)


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
        root: ``bytes (32,)``, the pin of a root of the release metadata that the reader knows;
            empty to leave the metadata unasked, which the audit then says.
    """

    policy: Policy
    parties: tuple[PartyKey, ...]
    min_parties: int
    min_jurisdictions: int
    least: Mapping[str, int] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    root: bytes = field(default=b"", repr=False)

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
        value: dict[str, Json] = {
            "format": TRUST_FORMAT,
            "policy": _write_bytes(self.policy.to_bytes()),
            "parties": parties,
            "min_parties": self.min_parties,
            "min_jurisdictions": self.min_jurisdictions,
            "least": dict(self.least),
            "most": dict(self.most),
        }
        return build_json(value | ({"root": self.root.hex()} if self.root else {}))


def parse_trust(data: bytes) -> Trust:
    """Read whom to trust.

    Raises:
        EncodingError: Malformed, or in another spelling, or nobody needs to have signed.
        LengthError: A key has a wrong length.

    Source: spec/80-transparency.md rule B-0.
    """
    value = parse_json(data, "trust")
    fields = Fields(value, "trust")
    if fields.text("format") != TRUST_FORMAT:
        raise EncodingError("not an audit trust file", field="format")
    policy = parse_policy(_take_bytes(fields, "policy"))
    parties = tuple(_take_party(item) for item in fields.items("parties", 1000))
    least, most = _take_limits(fields, "least"), _take_limits(fields, "most")
    min_parties, min_jurisdictions = (
        fields.count("min_parties"),
        fields.count("min_jurisdictions"),
    )
    root = fields.digest("root") if "root" in value else b""
    fields.finish()
    if min_parties < 1 or min_jurisdictions < 1:
        raise EncodingError("nobody would have to sign", field="min_parties")
    return Trust(policy, parties, min_parties, min_jurisdictions, least, most, root)


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
