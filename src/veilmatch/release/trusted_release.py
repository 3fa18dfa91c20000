"""Every check a client makes before it uses a release, in order, without I/O.

The checks, once, as numbers; each block below repeats its number:

 1. the manifest parses: canonical form, this protocol version, this suite
 2. the image hash and its preprocessing are the ones this client runs
 3. the parameters lie within what this client accepts; a calibration supports its claim
 4. the epoch is not lower than that of the release in use
 5. the release has not expired, and is not from the future
 6. the table file has the length and header that the manifest asks for
 7. every row is a canonical element, not the identity, and all are distinct
 8. L is valid, and the proof of knowledge of alpha holds
 9. the Merkle root and the release id are recomputed from what was received
10. known hash providers of enough jurisdictions approved exactly this release id

A client keeps its old release until a new one passes all of them, and makes no voucher once
the release in use has expired. Spec: ``spec/40-release.md`` section 4.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass

from veilmatch.errors import (
    EncodingError,
    ExpiredError,
    ParameterError,
    RollbackError,
    TableError,
)
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hazmat.proof import verify_knowledge
from veilmatch.release.approval import parse_approvals, verify_approvals
from veilmatch.release.manifest import (
    Manifest,
    derive_release_id,
    knowledge_binding,
    parse_manifest,
)
from veilmatch.table.blinded_table import BlindedTable, parse_table, verify_rows
from veilmatch.wire import Json

CLOCK_SKEW_S = 24 * 3600  # a device's clock may be a day off before a release is "future"


@dataclass(frozen=True)
class TrustPolicy:
    """What a client accepts; shipped with the app, not fetched.

    Attributes:
        providers: The hash providers this app knows, with their keys.
        min_jurisdictions: Jurisdictions that must approve; never below 2 outside tests.
        min_shares_floor: A release with a smaller ``min_shares`` is refused.
        max_ad_len: Largest associated data, bytes; bounds what could be revealed.
        max_probes: Largest number of probes per picture.
        preprocessing: The ``describe()`` of this client's hasher, compared whole.
        algorithm: Its name.
        content_class: What the lists may hold.
        needs_calibration: Whether a release that claims nothing of false matches is refused.
    """

    providers: tuple[HashProvider, ...]
    algorithm: str
    preprocessing: Json
    min_jurisdictions: int = 2
    min_shares_floor: int = 31
    max_ad_len: int = 10_240
    max_probes: int = 16
    content_class: str = "csam"
    needs_calibration: bool = False


@dataclass(frozen=True, eq=False)
class TrustedRelease:
    """A release that passed every check; the only form that ``voucher`` accepts."""

    manifest: Manifest
    table: BlindedTable
    release_id: bytes
    approved_by: tuple[HashProvider, ...]

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


def _check_same_epoch(manifest: Manifest, release_id: bytes, in_use: TrustedRelease | None) -> None:
    if in_use and manifest.epoch == in_use.manifest.epoch and release_id != in_use.release_id:
        raise RollbackError("two different releases carry the same epoch")


def verify_release(
    manifest_data: bytes,
    table_data: bytes | mmap.mmap,
    approvals_data: bytes,
    policy: TrustPolicy,
    *,
    now: int,
    in_use: TrustedRelease | None = None,
    min_epoch: int = 0,
    rows_verified_for: bytes | None = None,
    threads: int = 1,
) -> TrustedRelease:
    """Run checks 1 to 10 and return the release, or raise the first named error.

    Args:
        manifest_data: The manifest file.
        table_data: The table file, mapped or read.
        approvals_data: The approvals file.
        policy: What this client accepts.
        now: Seconds since 1970, UTC.
        in_use: The release in use, if any.
        min_epoch: The highest epoch this client ever accepted.
        rows_verified_for: A release id whose rows this device has checked before (check 7);
            check 9 then proves that these are the same rows.
        threads: Cores to use for check 7.

    Raises:
        EncodingError, LengthError: checks 1 and 10, malformed.
        ParameterError: checks 2 and 3. RollbackError: check 4. ExpiredError: check 5.
        TableError: checks 6 and 7, and L of check 8. ProofError: check 8.
        SignatureError: check 10.
    """
    # 1
    manifest = parse_manifest(manifest_data)
    # 2
    _check_hash(manifest, policy)
    # 3
    _check_parameters(manifest, policy)
    # 4
    if manifest.epoch < max(min_epoch, in_use.manifest.epoch if in_use else 0):
        raise RollbackError("the release is older than the one in use")
    # 5
    _check_time(manifest, now)
    # 6
    unchecked = parse_table(table_data, manifest.rows)
    # 7
    verified = rows_verified_for is not None
    table = BlindedTable(unchecked.rows) if verified else verify_rows(unchecked, threads=threads)
    # 8
    _check_knowledge(manifest)
    # 9
    release_id = derive_release_id(manifest_data, table.root(threads=threads))
    if rows_verified_for is not None and release_id != rows_verified_for:
        raise TableError("the table is not the one that was checked before")
    _check_same_epoch(manifest, release_id, in_use)
    # 10
    approved_by = verify_approvals(
        parse_approvals(approvals_data), release_id, policy.providers, policy.min_jurisdictions
    )
    return TrustedRelease(manifest, table, release_id, tuple(approved_by))
