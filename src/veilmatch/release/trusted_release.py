"""Every check a client makes before it uses a release, in order, without I/O.

The checks, once, as numbers; each block here and in ``metadata_chain`` repeats its number:

 1. root: from the one shipped with the app on, each is signed by enough keys, of enough
    jurisdictions, of the one before and of itself; the last has not expired
 2. timestamp: signed, not expired, not older than one accepted before
 3. snapshot: the one that the timestamp means; signed, not expired, not older
 4. targets: the one that the snapshot means; signed by enough providers, not expired, not older
 5. the providers that signed the targets come from enough jurisdictions
 6. manifest, shard list, log entry and log proof are the files that the targets name
 7. the manifest parses: canonical form, this protocol version, this suite
 8. the image hash and its preprocessing are the ones this client runs
 9. the parameters lie within what this client accepts; a calibration supports its claim
10. the epoch is not lower than that of the release in use
11. the release has not expired, and is not from the future
12. the release is in a log that this client trusts, with a quorum of witnesses, and the log's
    entry says what the manifest says
13. that log has only grown since this client last looked
14. the table file has the length and header that manifest and shard list ask for, and each
    shard is the one that the shard list names
15. every row is a canonical element, not the identity, and all are distinct
16. L is valid, and the proof of knowledge of alpha holds
17. the Merkle root and the release id are recomputed from what was received, and are those of
    the log's entry; an epoch in use has one release id

1 to 13 need no row (``verify_announcement``); a client makes them before it fetches the table,
and 14 to 17 after it (``verify_release``). It keeps its old release until a new one passes all
of them, and makes no voucher once the release in use has expired.
Spec: ``spec/40-release.md`` section 4.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field

from veilmatch.clock import DAY_S
from veilmatch.errors import (
    EncodingError,
    ExpiredError,
    MetadataError,
    ParameterError,
    RollbackError,
    TableError,
)
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hazmat.proof import verify_knowledge
from veilmatch.release.logged import LoggedRelease, verify_growth, verify_logged
from veilmatch.release.manifest import (
    MANIFEST,
    SHARDS,
    Manifest,
    derive_release_id,
    knowledge_binding,
    parse_manifest,
)
from veilmatch.release.metadata_chain import (
    MetadataFiles,
    SignedFile,
    VerifiedMetadata,
    verify_metadata,
)
from veilmatch.release.shards import ShardList, parse_shard_list, verify_shard
from veilmatch.table.blinded_table import (
    HEADER_LEN,
    ROW_LEN,
    BlindedTable,
    parse_table,
    verify_rows,
)
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.policy import Policy
from veilmatch.wire import Json

STATEMENT, PROOF = "release-statement.json", "release.tlog-proof"
RELEASE_FILES = (MANIFEST, SHARDS, STATEMENT, PROOF)
"""Names of the files that the targets sign; the table's shards are signed through the list."""

CLOCK_SKEW_S = DAY_S  # a device's clock may be a day off before a release is "future"


@dataclass(frozen=True)
class TrustPolicy:
    """What a client accepts; shipped with the app, not fetched.

    Attributes:
        root: The root of the release metadata: keys, and jurisdictions of the providers.
        log_policy: Logs, witnesses, and the quorum of them that must have seen a release.
        min_jurisdictions: Jurisdictions that must sign; never below 2 outside tests.
        min_shares_floor: A release with a smaller ``min_shares`` is refused.
        max_ad_len: Largest associated data, bytes; bounds what could be revealed.
        max_probes: Largest number of probes per picture.
        preprocessing: The ``describe()`` of this client's hasher, compared whole.
        algorithm: Its name.
        content_class: What the lists may hold.
        needs_calibration: Whether a release that claims nothing of false matches is refused.
    """

    root: bytes = field(repr=False)
    log_policy: Policy = field(repr=False)
    algorithm: str
    preprocessing: Json
    min_jurisdictions: int = 2
    min_shares_floor: int = 31
    max_ad_len: int = 10_240
    max_probes: int = 16
    content_class: str = "csam"
    needs_calibration: bool = False


@dataclass(frozen=True)
class ReleaseFiles:
    """A release as it was received, without its table.

    Attributes:
        metadata: Root, timestamp, snapshot, targets.
        files: The files of ``RELEASE_FILES``, by name.
        consistency: Proof from the log's checkpoint seen last to the one of this release.
    """

    metadata: MetadataFiles
    files: Mapping[str, bytes] = field(repr=False)
    consistency: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Seen:
    """What this client accepted before; nothing may go back behind it.

    Attributes:
        metadata: Root, timestamp, snapshot and targets.
        epoch: The highest epoch.
        release_id: The release of that epoch; empty before the first.
        checkpoints: Origin of each log to its last checkpoint.
    """

    metadata: MetadataFiles | None = None
    epoch: int = 0
    release_id: bytes = b""
    checkpoints: Mapping[str, Checkpoint] = field(default_factory=dict)


@dataclass(frozen=True)
class AnnouncedRelease:
    """A release that passed checks 1 to 13; its table may now be fetched, not yet used.

    Attributes:
        manifest: Parsed.
        manifest_data: The file.
        shards: Where the table's shards begin and what they must be.
        logged: What the log says of it.
        metadata: Versions, files and signers.
    """

    manifest: Manifest
    manifest_data: bytes = field(repr=False)
    shards: ShardList = field(repr=False)
    logged: LoggedRelease
    metadata: VerifiedMetadata

    @property
    def release_id(self) -> bytes:
        """The release id that log and providers vouch for."""
        return self.logged.release_id


@dataclass(frozen=True, eq=False)
class TrustedRelease:
    """A release that passed every check; the only form that ``voucher`` accepts."""

    manifest: Manifest
    table: BlindedTable
    release_id: bytes
    signed_by: tuple[HashProvider, ...]

    def require_fresh(self, now: int) -> None:
        """Refuse to be used past its expiry. Raises ExpiredError."""
        if now >= self.manifest.expires_at:
            raise ExpiredError(
                "the release in use has expired; no voucher is made",
                hint="update the release",
            )


def _check_hash(manifest: Manifest, policy: TrustPolicy) -> None:
    if manifest.algorithm.name != policy.algorithm:
        raise ParameterError("the release uses another image hash than this client")
    if manifest.algorithm.preprocessing != policy.preprocessing:
        raise ParameterError(
            "the release pins another preprocessing than this client runs",
            hint="update the app, or its picture decoder, to the pinned versions",
        )


def _check_parameters(manifest: Manifest, policy: TrustPolicy) -> None:
    parameters = manifest.parameters
    if parameters.min_shares < policy.min_shares_floor:
        raise ParameterError("the release lowers min_shares below what this client accepts")
    if parameters.ad_len > policy.max_ad_len or parameters.probes > policy.max_probes:
        raise ParameterError("the release asks for larger vouchers than this client accepts")
    if parameters.min_jurisdictions < policy.min_jurisdictions:
        raise ParameterError("the release asks for fewer jurisdictions than this client")
    if manifest.content_class != policy.content_class:
        raise ParameterError("the release is for another class of content")
    if manifest.calibration is not None:
        manifest.calibration.verify(parameters.min_shares, parameters.probes)
    elif policy.needs_calibration:
        raise ParameterError("the release claims nothing of its false matches")
    jurisdictions = {source.provider.jurisdiction for source in manifest.sources}
    if len(jurisdictions) < parameters.min_jurisdictions:
        raise ParameterError("the release names lists of too few jurisdictions")


def _check_time(manifest: Manifest, now: int) -> None:
    if now >= manifest.expires_at:
        raise ExpiredError("the release has expired", hint="fetch a newer release")
    if manifest.created_at > now + CLOCK_SKEW_S:
        raise ExpiredError("the release is from the future", hint="check this device's clock")


def _check_knowledge(manifest: Manifest) -> None:
    try:
        binding = knowledge_binding(manifest.table_nonce, manifest.epoch)
        verify_knowledge(manifest.public, binding, manifest.knowledge)
    except EncodingError as exc:
        raise TableError("the release's public value is not a valid element") from exc


def take_file(signed: Mapping[str, SignedFile], name: str, data: bytes) -> bytes:
    """Return a file that is the one the providers signed. Check 6 for one file.

    Raises:
        MetadataError: They signed no such file, or another one.
    """
    wanted = signed.get(name)
    if wanted is None:
        raise MetadataError(f"the release names no {name}")
    if len(data) != wanted.length or hashlib.sha256(data).digest() != wanted.sha256:
        raise MetadataError(f"{name} is not the file that was signed")
    return data


def _take_files(signed: Mapping[str, SignedFile], files: Mapping[str, bytes]) -> None:
    if signed.keys() != set(RELEASE_FILES):
        raise MetadataError("the signed files are not those of one release")
    for name in RELEASE_FILES:
        if name not in files:
            raise MetadataError(f"{name} is missing")
        take_file(signed, name, files[name])


def _check_epoch(manifest: Manifest, release_id: bytes, seen: Seen) -> None:
    if manifest.epoch == seen.epoch and seen.release_id not in (b"", release_id):
        raise RollbackError("two different releases carry the same epoch")


def _check_shards(manifest: Manifest, shards: ShardList) -> None:
    if shards.table_len != HEADER_LEN + ROW_LEN * manifest.rows:
        raise TableError("the shard list is of a table of another length")


def verify_announcement(
    received: ReleaseFiles,
    policy: TrustPolicy,
    *,
    now: int,
    seen: Seen | None = None,
    accepted_before: bool = False,
) -> AnnouncedRelease:
    """Run checks 1 to 13: everything that can be said without the table.

    Args:
        received: Metadata and files.
        policy: What this client accepts.
        now: Seconds since 1970, UTC.
        seen: What was accepted before.
        accepted_before: The release is the one in use: its metadata were fresh when it was
            accepted, and only its own expiry counts now.

    Raises:
        EncodingError, LengthError: Something is malformed.
        SignatureError: 1 to 5, 12. RollbackError: 1 to 4, 10, 13. ExpiredError: 1 to 4, 11.
        MetadataError: 3, 4, 6. ParameterError: 8, 9, 12. WitnessError: 12.
        ProofError: 12, 13. TableError: the shard list is for another table.
    """
    seen = seen or Seen()
    # 1 to 5
    metadata = verify_metadata(
        received.metadata,
        policy.root,
        min_jurisdictions=policy.min_jurisdictions,
        now=None if accepted_before else now,
        seen=seen.metadata,
    )
    # 6
    _take_files(metadata.files, received.files)
    manifest_data = received.files[MANIFEST]
    # 7
    manifest = parse_manifest(manifest_data)
    shards = parse_shard_list(received.files[SHARDS])
    _check_shards(manifest, shards)
    # 8
    _check_hash(manifest, policy)
    # 9
    _check_parameters(manifest, policy)
    # 10
    if manifest.epoch < seen.epoch:
        raise RollbackError("the release is older than the one in use")
    # 11
    _check_time(manifest, now)
    # 12
    logged = verify_logged(
        manifest_data, received.files[STATEMENT], received.files[PROOF], policy.log_policy
    )
    _check_epoch(manifest, logged.release_id, seen)
    # 13
    verify_growth(seen.checkpoints, logged.checkpoint, received.consistency)
    return AnnouncedRelease(manifest, manifest_data, shards, logged, metadata)


def verify_release(
    announced: AnnouncedRelease,
    table_data: bytes | mmap.mmap,
    *,
    rows_verified_for: bytes | None = None,
    threads: int = 1,
) -> TrustedRelease:
    """Run checks 14 to 17 and return the release, or raise the first named error.

    Args:
        announced: What passed checks 1 to 13.
        table_data: The table file, mapped or read.
        rows_verified_for: A release id whose rows this device has checked before (check 15);
            check 17 then proves that these are the same rows.
        threads: Cores to use for check 15.

    Raises:
        TableError: 14, 15, L of 16, and 17. ProofError: 16.
    """
    manifest, shards = announced.manifest, announced.shards
    # 14
    unchecked = parse_table(table_data, manifest.rows)
    for number in range(len(shards.digests)):
        offset, length = shards.span(number)
        verify_shard(shards, number, table_data[offset : offset + length])
    # 15
    verified = rows_verified_for is not None
    table = BlindedTable(unchecked.rows) if verified else verify_rows(unchecked, threads=threads)
    # 16
    _check_knowledge(manifest)
    # 17
    release_id = derive_release_id(announced.manifest_data, table.root(threads=threads))
    if rows_verified_for is not None and release_id != rows_verified_for:
        raise TableError("the table is not the one that was checked before")
    if release_id != announced.release_id:
        raise TableError("the table is not the one that the log's entry names")
    return TrustedRelease(manifest, table, release_id, announced.metadata.signed_by)
