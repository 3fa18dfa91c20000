"""Verify release metadata from the root that the app ships to the files of one release.

What fetched them (an updater of TUF, a folder, a bundle) does not matter: every signature,
version, length and expiry is checked here again, without I/O, and with the rule that TUF cannot
express: signers of at least so many jurisdictions, for the targets and for every new root.

Spec: ``spec/40-release.md`` sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tuf.api.exceptions import LengthOrHashMismatchError, UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, Targets, Timestamp

from veilmatch.errors import (
    EncodingError,
    ExpiredError,
    MetadataError,
    RollbackError,
    SignatureError,
)
from veilmatch.hashlist.provider import HashProvider
from veilmatch.release.signed_metadata import (
    count_jurisdictions,
    count_signers,
    parse_metadata,
    role_providers,
    to_moment,
)

ROOT_COUNT_MAX = 256
_Signed = TypeVar("_Signed", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True)
class MetadataFiles:
    """Metadata as they were received.

    Attributes:
        roots: Every root after the shipped one, oldest first.
        timestamp: The newest timestamp.
        snapshot: The snapshot that it means.
        targets: The targets that the snapshot means.
    """

    roots: tuple[bytes, ...] = field(repr=False)
    timestamp: bytes = field(repr=False)
    snapshot: bytes = field(repr=False)
    targets: bytes = field(repr=False)


@dataclass(frozen=True)
class Versions:
    """Version numbers of the four kinds of metadata."""

    root: int
    timestamp: int
    snapshot: int
    targets: int


@dataclass(frozen=True)
class SignedFile:
    """Length and SHA-256 of a file, as the providers signed them."""

    length: int
    sha256: bytes


@dataclass(frozen=True)
class VerifiedMetadata:
    """What the chain says once it verified.

    Attributes:
        versions: Of the four kinds.
        files: Name to length and digest.
        signed_by: The hash providers whose signatures stand under the targets.
    """

    versions: Versions
    files: Mapping[str, SignedFile]
    signed_by: tuple[HashProvider, ...]


def _require_signed(root: Root, role: str, metadata: Metadata[_Signed]) -> None:
    try:
        root.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (UnsignedMetadataError, ValueError) as exc:
        raise SignatureError(f"the {role} metadata lack signatures of their role") from exc


def _require_jurisdictions(providers: Sequence[HashProvider], least: int, what: str) -> None:
    count = count_jurisdictions(providers)
    if count < least:
        raise SignatureError(
            f"{what} signed from {count} of {least} jurisdictions",
            hint="hash providers of more jurisdictions must sign: veilmatch release sign",
        )


def _require_fresh(signed: Signed, now: int | None) -> None:
    if now is not None and signed.is_expired(to_moment(now)):
        raise ExpiredError(
            f"the {signed.type} metadata have expired",
            hint="the publisher must renew them; somebody may be holding back newer ones",
        )


def _require_meant(meta: MetaFile | None, data: bytes, signed: Signed) -> None:
    if meta is None or meta.length is None or not meta.hashes or "sha256" not in meta.hashes:
        raise MetadataError(f"the {signed.type} metadata are not named with length and digest")
    try:
        meta.verify_length_and_hashes(data)
    except LengthOrHashMismatchError as exc:
        raise MetadataError(f"the {signed.type} metadata are not those that are meant") from exc
    if signed.version != meta.version:
        raise MetadataError(f"the {signed.type} metadata are of another version than is meant")


def _require_not_older(root: Root, signed: _Signed, seen: bytes | None) -> None:
    """Compare with what was accepted before, if the role's keys still vouch for that.

    Keys that were rotated away vouch for nothing, or whoever stole them could forbid for ever
    what comes after by signing a very high number.
    """
    if seen is None:
        return
    before = parse_metadata(seen, type(signed))
    try:
        root.verify_delegate(signed.type, before.signed_bytes, before.signatures)
    except UnsignedMetadataError:
        return
    if signed.version < before.signed.version:
        raise RollbackError(f"the {signed.type} metadata are older than those accepted before")


def verify_shipped_root(data: bytes, min_jurisdictions: int) -> Root:
    """Verify the root that an app ships: signed by itself, with keys of enough jurisdictions.

    Raises:
        EncodingError: Malformed. SignatureError: Not signed, or it could never be met.
    """
    metadata = parse_metadata(data, Root)
    root = metadata.signed
    _require_signed(root, "root", metadata)
    _require_jurisdictions(count_signers(root, "root", metadata), min_jurisdictions, "the root is")
    for role in ("root", "targets"):
        if count_jurisdictions(role_providers(root, role).values()) < min_jurisdictions:
            raise SignatureError(f"the root names {role} keys of too few jurisdictions")
    if not root.consistent_snapshot:
        raise EncodingError("the root asks for no consistent snapshots", field="root")
    return root


def verify_next_root(root: Root, data: bytes, min_jurisdictions: int) -> Root:
    """Verify the root after ``root``: threshold and jurisdictions of the old, and of the new.

    Raises:
        EncodingError, RollbackError, SignatureError.
    """
    metadata = parse_metadata(data, Root)
    if metadata.signed.version != root.version + 1:
        raise RollbackError("a root is not the one after the one before")
    _require_signed(root, "root", metadata)
    _require_jurisdictions(
        count_signers(root, "root", metadata), min_jurisdictions, "the new root is"
    )
    return verify_shipped_root(data, min_jurisdictions)


def verify_targets_signers(
    root: Root, targets: Metadata[Targets], min_jurisdictions: int
) -> tuple[HashProvider, ...]:
    """Verify that enough providers, of enough jurisdictions, signed targets; return them.

    Raises:
        SignatureError: They did not.
    """
    # 4
    _require_signed(root, "targets", targets)
    # 5
    signed_by = count_signers(root, "targets", targets)
    _require_jurisdictions(signed_by, min_jurisdictions, "the release is")
    return signed_by


def _follow_roots(
    files: MetadataFiles, shipped_root: bytes, least: int, seen: MetadataFiles | None
) -> Root:
    root = verify_shipped_root(shipped_root, least)
    if len(files.roots) > ROOT_COUNT_MAX:
        raise EncodingError("more roots than are followed", field="root")
    for data in files.roots:
        root = verify_next_root(root, data, least)
    known = seen.roots[-1:] if seen is not None else ()
    if any(root.version < parse_metadata(data, Root).signed.version for data in known):
        raise RollbackError("the root is older than the one accepted before")
    return root


def verify_metadata(
    files: MetadataFiles,
    shipped_root: bytes,
    *,
    min_jurisdictions: int,
    now: int | None,
    seen: MetadataFiles | None = None,
) -> VerifiedMetadata:
    """Run checks 1 to 5 of ``trusted_release``.

    Args:
        files: What was received.
        shipped_root: The root that came with the app.
        min_jurisdictions: The verifier's own number.
        now: Seconds since 1970; None for a release that was accepted before, whose own expiry
            then decides.
        seen: What was accepted before.

    Raises:
        EncodingError: Malformed. SignatureError: Too few signatures or jurisdictions.
        RollbackError: Older than accepted before. ExpiredError: Past its time.
        MetadataError: One file is not the one that another means.
    """
    # 1
    root = _follow_roots(files, shipped_root, min_jurisdictions, seen)
    _require_fresh(root, now)
    # 2
    timestamp = parse_metadata(files.timestamp, Timestamp)
    _require_signed(root, "timestamp", timestamp)
    _require_not_older(root, timestamp.signed, seen.timestamp if seen else None)
    _require_fresh(timestamp.signed, now)
    # 3
    snapshot = parse_metadata(files.snapshot, Snapshot)
    _require_signed(root, "snapshot", snapshot)
    _require_meant(timestamp.signed.snapshot_meta, files.snapshot, snapshot.signed)
    _require_not_older(root, snapshot.signed, seen.snapshot if seen else None)
    _require_fresh(snapshot.signed, now)
    # 4
    targets = parse_metadata(files.targets, Targets)
    signed_by = verify_targets_signers(root, targets, min_jurisdictions)  # and 5
    _require_meant(snapshot.signed.meta.get("targets.json"), files.targets, targets.signed)
    _require_not_older(root, targets.signed, seen.targets if seen else None)
    _require_fresh(targets.signed, now)
    versions = Versions(
        root.version, timestamp.signed.version, snapshot.signed.version, targets.signed.version
    )
    return VerifiedMetadata(versions, take_signed_files(targets.signed), signed_by)


def take_signed_files(targets: Targets) -> dict[str, SignedFile]:
    """Read names, lengths and digests out of targets.

    Raises:
        MetadataError: They delegate. EncodingError: A file has no SHA-256.
    """
    if targets.delegations is not None:
        raise MetadataError("the targets metadata delegate, which no release needs")
    found = {}
    for name, target in targets.targets.items():
        try:
            found[name] = SignedFile(target.length, bytes.fromhex(target.hashes["sha256"]))
        except (KeyError, ValueError):
            raise EncodingError("a file is named without its SHA-256", field="targets") from None
    return found
