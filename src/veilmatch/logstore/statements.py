"""Statements about lists and releases, and the bundle that puts them together with proofs.

Spec: ``spec/80-transparency.md`` sections 10 and 12.
"""

from __future__ import annotations

from collections.abc import Sequence

from veilmatch.errors import ConfigError, InputError, ProofError
from veilmatch.logstore.log_folder import read_envelope, read_note
from veilmatch.transparency.entries.bundle import Bundle, LoggedEnvelope
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
from veilmatch.transparency.proof import LogProof
from veilmatch.transparency.tiles import ReadTile, TreeReader, read_verified_entries
from veilmatch.transparency.tree import build_inclusion_proof


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
