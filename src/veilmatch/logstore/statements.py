"""Statements about lists and releases, and the bundle that puts them together with proofs.

Spec: ``spec/80-transparency.md`` sections 10 and 12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from veilmatch.errors import ConfigError, InputError, LengthError, ProofError
from veilmatch.logstore.log_folder import read_envelope, read_note
from veilmatch.transparency.audits.bundle import (
    ENTRY_COUNT_MAX,
    Bundle,
    History,
    LoggedEnvelope,
    SignedMetadata,
)
from veilmatch.transparency.audits.metadata_form import parse_root
from veilmatch.transparency.entries.canonical import Json
from veilmatch.transparency.entries.entry import (
    EntryKind,
    Statement,
    Subject,
    hash_statement,
    parse_statement,
)
from veilmatch.transparency.entries.envelope import Envelope
from veilmatch.transparency.entries.manifest import derive_release_id, summarise_manifest
from veilmatch.transparency.note import SignedNote
from veilmatch.transparency.policy import Policy, verify_checkpoint
from veilmatch.transparency.proof import LogProof, parse_log_proof, verify_log_proof
from veilmatch.transparency.tiles import ReadTile, TreeReader, read_verified_entries
from veilmatch.transparency.tree import build_consistency_proof, build_inclusion_proof


def build_release_statement(
    manifest: bytes, table_root: bytes, attestations: Sequence[Statement]
) -> Statement:
    """Build what the providers and the publisher of a release sign and log.

    Args:
        manifest: The manifest file.
        table_root: ``bytes (32,)``, root over the rows of the table.
        attestations: One for each list that the manifest names.

    Raises:
        ConfigError: An attestation is missing, or is of a list that the manifest does not name.
        EncodingError: The manifest is malformed.

    Source: spec/80-transparency.md rules S-3, B-4, B-5, B-10.
    """
    summary = summarise_manifest(manifest)
    by_commitment = {one.subjects[0].sha256: one for one in attestations}
    if {source.commitment for source in summary.sources} != by_commitment.keys():
        raise ConfigError(
            "the attestations are not those of the lists in the manifest", setting="attestation"
        )
    sources: list[Json] = [
        {
            "provider": source.provider,
            "attestation": by_commitment[source.commitment].to_entry().hex(),
            "count": source.count,
        }
        for source in summary.sources
    ]
    predicate: dict[str, Json] = {
        **summary.facts,
        "release_id": derive_release_id(manifest, table_root).hex(),
        "table_root": table_root.hex(),
        "sources": sources,
    }
    subject = Subject("manifest.json", hash_statement(manifest))
    return Statement(EntryKind.RELEASE, (subject,), predicate)


def build_bundle(read: ReadTile, policy: Policy, manifest: bytes, release_id: bytes) -> Bundle:
    """Build the file with which anyone checks a release offline.

    Args:
        read: The log's files.
        policy: Log and witnesses; a bundle without the quorum would help nobody.
        manifest: The manifest file of the release.
        release_id: ``bytes (32,)``.

    Raises:
        ProofError: The release, or an attestation it names, is not in the log.
        SignatureError: The log's checkpoint is not signed by the policy's log.
        WitnessError: Too few witnesses signed the checkpoint.
        UnavailableError: A file of the log cannot be had.

    Not checked: who signed the statements; ``audit.audit_bundle`` does.

    Source: spec/80-transparency.md section 12.
    """
    note = read_note(read)
    checkpoint = verify_checkpoint(note, policy).checkpoint
    places = {entry: index for index, entry in enumerate(read_verified_entries(checkpoint, read))}
    reader = TreeReader(checkpoint.size, read)
    # The newest one counts: a release that was stated again is stated by its last statement.
    for entry in reversed(places):
        envelope = read_envelope(read, entry)
        named = _named_attestations(envelope, release_id)
        if envelope is not None and named is not None:
            release = _prove(places, reader, note, entry, envelope)
            found = []
            for one in named:
                attested = read_envelope(read, one)
                if attested is None or one not in places:
                    raise ProofError("an attestation that the release names is not in the log")
                found.append(_prove(places, reader, note, one, attested))
            return Bundle(manifest, release, tuple(found))
    raise ProofError("the release is not in the log", hint="veilmatch log append adds it")


def add_history(bundle: Bundle, read: ReadTile, policy: Policy) -> Bundle:
    """Add all entries of the log and their statements to a bundle.

    Args:
        bundle: From ``build_bundle``.
        read: The log's files.
        policy: Log and witnesses.

    Returns:
        The bundle; as it was where the log is too long for one file.

    Raises:
        ProofError: An entry has no published statement, or they have not the signed root.
        SignatureError, WitnessError: The checkpoint does not verify.
        UnavailableError: A file of the log cannot be had.

    Source: spec/80-transparency.md rule B-19.
    """
    checkpoint = verify_checkpoint(bundle.release.proof.note, policy).checkpoint
    if checkpoint.size > ENTRY_COUNT_MAX:
        return bundle
    entries = tuple(read_verified_entries(checkpoint, read))
    envelopes = []
    for entry in dict.fromkeys(entries):
        envelope = read_envelope(read, entry)
        if envelope is None:
            raise ProofError("an entry of the log has no published statement")
        envelopes.append(envelope)
    whole = replace(bundle, history=History(entries, tuple(envelopes)))
    try:
        whole.to_bytes()
    except LengthError:
        return bundle
    return whole


def add_metadata(
    bundle: Bundle, read: ReadTile, policy: Policy, metadata: SignedMetadata
) -> Bundle:
    """Add the signed metadata, and the proof that the log only grew since they were made.

    Args:
        bundle: From ``build_bundle``.
        read: The log's files.
        policy: Log and witnesses.
        metadata: As they lie on the site; ``growth`` is made here.

    Raises:
        ProofError, SignatureError, WitnessError: The site's proof does not verify.
        EncodingError, LengthError: It is malformed. UnavailableError: A tile cannot be had.

    Source: spec/80-transparency.md rules B-17 and B-18.
    """
    entry = hash_statement(bundle.release.envelope.payload)
    then = verify_log_proof(parse_log_proof(metadata.proof), entry, policy).checkpoint
    now = verify_checkpoint(bundle.release.proof.note, policy).checkpoint
    growth: tuple[bytes, ...] = ()
    if 0 < then.size < now.size:
        reader = TreeReader(now.size, read)
        growth = tuple(build_consistency_proof(then.size, now.size, reader.read_subtree))
    return replace(bundle, metadata=replace(metadata, growth=growth))


def build_root_statement(data: bytes) -> Statement:
    """Build the statement that a root of the release metadata is in force.

    Args:
        data: The root file, as it is published.

    Raises:
        EncodingError, LengthError: It is malformed.

    Not checked: its signatures; an audit checks them.

    Source: spec/80-transparency.md rules S-3 and B-20.
    """
    root = parse_root(data)
    role = root.roles["root"]
    predicate: dict[str, Json] = {
        "version": root.version,
        "min_signatures": role.threshold,
        "expires_at": root.expires_at,
        "key_ids": list[Json](sorted(role.key_ids)),
    }
    subject = Subject(f"{root.version}.root.json", hash_statement(data))
    return Statement(EntryKind.TUF_ROOT, (subject,), predicate)


def _named_attestations(envelope: Envelope | None, release_id: bytes) -> list[bytes] | None:
    """Attestations that a release statement names; None if it is not the one asked for."""
    if envelope is None:
        return None
    try:
        statement = parse_statement(envelope.payload)
    except InputError:
        return None
    if statement.kind is not EntryKind.RELEASE:
        return None
    if statement.predicate["release_id"] != release_id.hex():
        return None
    sources = statement.predicate["sources"]
    return [
        bytes.fromhex(str(source["attestation"]))
        for source in (sources if isinstance(sources, list) else [])
        if isinstance(source, dict)
    ]


def _prove(
    places: dict[bytes, int],
    reader: TreeReader,
    note: SignedNote,
    entry: bytes,
    envelope: Envelope,
) -> LoggedEnvelope:
    index = places[entry]
    if hash_statement(envelope.payload) != entry:
        raise ProofError("an envelope of the log holds another statement")
    hashes = build_inclusion_proof(index, reader.size, reader.read_subtree)
    return LoggedEnvelope(envelope, LogProof(index, hashes, note))
