"""Verify that a release is in the public log, and that the log has only grown.

Spec: ``spec/40-release.md`` section 4, checks 12 and 13; ``spec/80-transparency.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from veilmatch.errors import ParameterError, ProofError, RollbackError
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.entries.entry import EntryKind, hash_statement, parse_statement
from veilmatch.transparency.entries.manifest import derive_release_id, summarise_manifest
from veilmatch.transparency.policy import Policy
from veilmatch.transparency.proof import parse_log_proof, verify_log_proof
from veilmatch.transparency.tiles import FULL_WIDTH, ReadTile, Tile, TreeReader
from veilmatch.transparency.tree import build_consistency_proof, verify_consistency

_TILE_HEIGHT = 8


@dataclass(frozen=True)
class LoggedRelease:
    """What the log says about a manifest.

    Attributes:
        release_id: ``bytes (32,)``.
        table_root: ``bytes (32,)``, of the table that belongs to the manifest.
        checkpoint: The witnessed state of the log that contains the entry.
    """

    release_id: bytes
    table_root: bytes = field(repr=False)
    checkpoint: Checkpoint


def verify_logged(manifest: bytes, statement: bytes, proof: bytes, policy: Policy) -> LoggedRelease:
    """Verify that the log holds the release statement about exactly this manifest.

    Args:
        manifest: The manifest file.
        statement: The release statement whose digest is the log's entry.
        proof: The ``.tlog-proof`` file.
        policy: Logs, witnesses and quorum that this side trusts.

    Raises:
        EncodingError, LengthError: Malformed.
        SignatureError: No trusted log signed. WitnessError: Too few witnesses.
        ProofError: The entry is not in the log, or is about another release.
        ParameterError: The log says other numbers than the manifest.
    """
    release_id, table_root = read_statement(manifest, statement)
    verified = verify_log_proof(parse_log_proof(proof), hash_statement(statement), policy)
    return LoggedRelease(release_id, table_root, verified.checkpoint)


def read_statement(manifest: bytes, statement: bytes) -> tuple[bytes, bytes]:
    """Read release id and table root out of a statement about exactly this manifest.

    Raises:
        EncodingError: Malformed. ProofError: It is about another release.
        ParameterError: It says other numbers than the manifest.

    Not checked: whether the statement is in a log; ``verify_logged`` does.
    """
    said = parse_statement(statement)
    if said.kind is not EntryKind.RELEASE:
        raise ProofError("the log's entry is not a release")
    if [one.sha256 for one in said.subjects] != [hashlib.sha256(manifest).digest()]:
        raise ProofError("the log's entry is about another manifest")
    facts = summarise_manifest(manifest).facts
    if any(said.predicate.get(name) != value for name, value in facts.items()):
        raise ParameterError("the log says other numbers of the release than its manifest")
    table_root = bytes.fromhex(str(said.predicate["table_root"]))
    release_id = derive_release_id(manifest, table_root)
    if said.predicate["release_id"] != release_id.hex():
        raise ProofError("the log's entry is about another release")
    return release_id, table_root


def verify_growth(
    seen: Mapping[str, Checkpoint], now: Checkpoint, consistency: Sequence[bytes]
) -> None:
    """Verify that a log only grew since this client last looked.

    Args:
        seen: Origin to the last checkpoint accepted.
        now: A verified checkpoint.
        consistency: Proof from the one to the other; empty if the tree is the same.

    Raises:
        RollbackError: The log was set back. ProofError: It shows another history: a fork.
    """
    before = seen.get(now.origin)
    if before is None:
        return
    if now.size < before.size:
        raise RollbackError(
            "the log is smaller than it was", hint="tell others: veilmatch monitor keeps evidence"
        )
    try:
        verify_consistency(before.size, now.size, before.root, now.root, consistency)
    except ProofError as exc:
        raise ProofError(
            "the log shows another history than before",
            hint="tell others: veilmatch monitor keeps evidence",
        ) from exc


def log_folder_name(origin: str) -> str:
    """Name the folder that holds the hash tiles of one log beside the releases."""
    return hashlib.sha256(origin.encode()).hexdigest()[:16]


def read_hash_tiles(size: int, read: ReadTile) -> dict[str, bytes]:
    """Read all tiles of hashes of a tree, by path; the publisher copies them.

    Raises:
        UnavailableError: A tile cannot be had. LengthError: One has a wrong length.
    """
    reader, found, level = TreeReader(size, read), {}, 0
    while count := size >> (_TILE_HEIGHT * level):
        for index in range(-(-count // FULL_WIDTH)):
            hashes = reader.read_hashes(level, index)
            found[Tile(level, index, len(hashes)).path] = b"".join(hashes)
        level += 1
    return found


def build_growth_proof(
    seen: Mapping[str, Checkpoint], now: Checkpoint, read: ReadTile
) -> tuple[bytes, ...]:
    """Build the proof that ``verify_growth`` asks for, from tiles that need not be trusted.

    Raises:
        UnavailableError: A tile cannot be had. LengthError: One has a wrong length.
    """
    before = seen.get(now.origin)
    if before is None or not 0 < before.size < now.size:
        return ()
    reader = TreeReader(now.size, read)
    return build_consistency_proof(before.size, now.size, reader.read_subtree)
