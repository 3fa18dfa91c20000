"""What the pages show: the public files of releases and log, verified, put into plain words.

A log that does not verify is not shown as if it did; the page says what is wrong.
Spec: ``spec/80-transparency.md`` sections 10 to 12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from veilmatch.errors import Error
from veilmatch.hashlist.provider import HashProvider
from veilmatch.logstore.log_folder import LogFolder, read_envelope, read_note, read_statement_bytes
from veilmatch.pages.words import MEANINGS
from veilmatch.release.manifest import Manifest, parse_manifest
from veilmatch.transparency.entries.entry import EntryKind, Statement
from veilmatch.transparency.entries.envelope import Envelope, PartyKey, verify_envelope
from veilmatch.transparency.entries.manifest import summarise_manifest
from veilmatch.transparency.entries.monitor import (
    Finding,
    FindingKind,
    find_changes,
    read_statements,
)
from veilmatch.transparency.key import SignatureType
from veilmatch.transparency.note import SignedNote
from veilmatch.transparency.policy import Policy, VerifiedCheckpoint, verify_checkpoint
from veilmatch.transparency.tiles import read_verified_entries

_KINDS = {
    SignatureType.COSIGNATURE_ED25519: "Ed25519",
    SignatureType.COSIGNATURE_ML_DSA_44: "ML-DSA-44 (post-quantum)",
}
# These are history, not a fault.
_HISTORY = (FindingKind.PARAMETERS, FindingKind.KEYS, FindingKind.REVOCATION)


@dataclass(frozen=True)
class Parameter:
    """One number that a release fixes, with what it means."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class ListFact:
    """A list that a release was made from; ``entry`` is its attestation's place in the log."""

    provider: str
    jurisdiction: str
    commitment: str
    count: int
    entry: int | None = None


@dataclass(frozen=True)
class Entry:
    """One entry of the log.

    Attributes:
        index: Its place.
        kind: Its kind, None if its statement is missing or malformed.
        statement: The statement, None likewise.
        digest: The entry, in hexadecimal digits.
        data: The statement's bytes, as text; empty if they are not published.
        signers: Who signed, of those whose keys the releases name; sorted.
        note: Why it is not shown as signed, empty if it is.
    """

    index: int
    kind: EntryKind | None
    statement: Statement | None
    digest: str
    data: str
    signers: tuple[PartyKey, ...]
    note: str = ""


@dataclass(frozen=True)
class ReleaseFact:
    """One release, from its manifest and, where it is logged, from its entry."""

    release_id: str
    manifest: Manifest
    data: bytes = field(repr=False)
    parameters: tuple[Parameter, ...]
    lists: tuple[ListFact, ...]
    entry: Entry | None
    is_current: bool

    @property
    def jurisdictions(self) -> tuple[str, ...]:
        """Jurisdictions of the lists, sorted."""
        return tuple(sorted({one.jurisdiction for one in self.lists}))


@dataclass(frozen=True)
class WitnessFact:
    """A witness of the policy; ``at_s`` is None if it did not sign this checkpoint."""

    name: str
    key_name: str
    kind: str
    at_s: int | None


@dataclass(frozen=True)
class LogFact:
    """The log's newest checkpoint, verified, with every entry."""

    verified: VerifiedCheckpoint
    note: SignedNote
    witnesses: tuple[WitnessFact, ...]
    entries: tuple[Entry, ...]
    history: tuple[Finding, ...]
    faults: tuple[Finding, ...]


@dataclass(frozen=True)
class RootFact:
    """Whose keys count for clients: the newest root of the signed metadata, verified.

    Attributes:
        version: Its number.
        expires_at: Seconds since 1970.
        threshold: How many of the providers must sign a release.
        providers: Those who may, sorted by name.
        fresh_until: When the timestamp expires; None before the first release.
    """

    version: int
    expires_at: int
    threshold: int
    providers: tuple[HashProvider, ...]
    fresh_until: int | None


@dataclass(frozen=True)
class Record:
    """All that the pages show.

    Attributes:
        releases: The newest first.
        parties: Hash providers that the releases name.
        log: None if there is none, or if it does not verify.
        problem: Why the log is not shown, empty if it is or if there is none.
        root: Whose keys count; None if no root is published, or if it does not verify.
    """

    releases: tuple[ReleaseFact, ...]
    parties: tuple[PartyKey, ...]
    log: LogFact | None
    problem: str = ""
    root: RootFact | None = None

    @property
    def current(self) -> ReleaseFact | None:
        """The release in use."""
        return next((one for one in self.releases if one.is_current), None)


def build_record(
    manifests: Mapping[bytes, bytes], current: bytes, log: LogFolder | None, policy: Policy | None
) -> Record:
    """Put together what the pages show.

    Args:
        manifests: Release id to the bytes of its manifest.
        current: The release id in use.
        log: The log's files, None without a log.
        policy: Whom to believe about the log; needed with one.

    Raises:
        EncodingError, LengthError: A manifest is malformed.
    """
    parsed = {release_id: parse_manifest(data) for release_id, data in manifests.items()}
    parties = _parties(parsed.values())
    fact, problem = None, ""
    if log is not None and policy is not None:
        try:
            fact = _read_log(log, policy, parties)
        except Error as exc:
            problem = str(exc)
    entries = fact.entries if fact else ()
    releases = [
        _release(release_id, parsed[release_id], manifests[release_id], entries, current)
        for release_id in parsed
    ]
    releases.sort(key=lambda one: (one.manifest.epoch, one.is_current), reverse=True)
    return Record(tuple(releases), parties, fact, problem)


def _parties(manifests: object) -> tuple[PartyKey, ...]:
    found: dict[bytes, PartyKey] = {}
    for manifest in manifests:  # type: ignore[attr-defined]
        for source in manifest.sources:
            one = source.provider
            found[one.public_key] = PartyKey(one.name, one.jurisdiction, one.public_key)
    return tuple(sorted(found.values(), key=lambda one: (one.party, one.key_id)))


def _release(
    release_id: bytes, manifest: Manifest, data: bytes, entries: tuple[Entry, ...], current: bytes
) -> ReleaseFact:
    values = summarise_manifest(data).facts["parameters"]
    assert isinstance(values, dict)
    attested = {
        one.statement.subjects[0].sha256.hex(): one.index
        for one in entries
        if one.statement is not None and one.kind is EntryKind.LIST_ATTESTATION
    }
    logged = [
        one
        for one in entries
        if one.statement is not None
        and one.kind is EntryKind.RELEASE
        and one.statement.predicate["release_id"] == release_id.hex()
    ]
    return ReleaseFact(
        release_id.hex(),
        manifest,
        data,
        tuple(Parameter(name, str(values[name]), MEANINGS.get(name, "")) for name in values),
        tuple(
            ListFact(
                source.provider.name,
                source.provider.jurisdiction,
                source.commitment.hex(),
                source.count,
                attested.get(source.commitment.hex()),
            )
            for source in manifest.sources
        ),
        logged[-1] if logged else None,
        release_id == current,
    )


def _read_log(log: LogFolder, policy: Policy, parties: tuple[PartyKey, ...]) -> LogFact:
    note = read_note(log.read)
    verified = verify_checkpoint(note, policy)
    digests = read_verified_entries(verified.checkpoint, log.read)
    published = {
        digest: data
        for digest in digests
        if (data := read_statement_bytes(log.read, digest)) is not None
    }
    read = read_statements(digests, published)
    told = {one.index: one.text for one in read.findings}
    entries = []
    for index, digest in enumerate(digests):
        statement = read.statements.get(index)
        signers, why = _signers(read_envelope(log.read, digest), statement, parties)
        entries.append(
            Entry(
                index,
                statement.kind if statement else None,
                statement,
                digest.hex(),
                published.get(digest, b"").decode(errors="replace"),
                signers,
                told.get(index, why),
            )
        )
    found = [*read.findings, *find_changes(read.statements)]
    return LogFact(
        verified,
        note,
        _witnesses(policy, verified),
        tuple(entries),
        tuple(one for one in found if one.kind in _HISTORY),
        tuple(one for one in found if one.kind not in _HISTORY),
    )


def _signers(
    envelope: Envelope | None, statement: Statement | None, parties: tuple[PartyKey, ...]
) -> tuple[tuple[PartyKey, ...], str]:
    if statement is None or envelope is None:
        return (), "no signed form is published"
    if envelope.payload != statement.to_bytes():
        return (), "the signed form holds another statement"
    try:
        return verify_envelope(envelope, parties).signers, ""
    except Error as exc:
        return (), str(exc)


def _witnesses(policy: Policy, verified: VerifiedCheckpoint) -> tuple[WitnessFact, ...]:
    return tuple(
        WitnessFact(
            name.decode(errors="replace"),
            key.name,
            _KINDS.get(key.signature_type, "unknown"),
            verified.witnesses.get(name),
        )
        for name, key in policy.witnesses.items()
    )
