"""What a site has published, as an auditor's bundle carries it.

Spec: ``spec/80-transparency.md`` section 12.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tuf.api.metadata import MetaFile, Snapshot, Targets, Timestamp

from veilmatch.errors import MetadataError
from veilmatch.release.logged import read_statement
from veilmatch.release.manifest import FILE_LEN_MAX, MANIFEST, SHARDS
from veilmatch.release.metadata_chain import take_signed_files
from veilmatch.release.signed_metadata import METADATA_LEN_MAX, parse_metadata
from veilmatch.release.trusted_release import PROOF, RELEASE_FILES, STATEMENT, take_file
from veilmatch.site.release_site import PUBLIC, TIMESTAMP_FILE
from veilmatch.site.repository import METADATA, TARGETS, Repository
from veilmatch.store.files import read_file
from veilmatch.transparency.audits.bundle import SignedMetadata


@dataclass(frozen=True)
class Published:
    """The release that clients get now.

    Attributes:
        release_id: ``bytes (32,)``.
        manifest: The manifest file.
        metadata: What goes into a bundle, without the proof of growth.
    """

    release_id: bytes
    manifest: bytes = field(repr=False)
    metadata: SignedMetadata


def read_published(folder: Path) -> Published | None:
    """Read what a site publishes, from the timestamp down. Verifies no signature.

    Args:
        folder: The site's top folder.

    Returns:
        What is there; None where nothing was published yet.

    Raises:
        ConfigError: A file cannot be read.
        EncodingError, MetadataError: The files do not fit together.
    """
    repository, public = Repository(folder), folder / PUBLIC
    path = public / METADATA / TIMESTAMP_FILE
    if not path.is_file():
        return None
    timestamp = _read(path, "timestamp")
    named = parse_metadata(timestamp, Timestamp).signed.snapshot_meta
    snapshot = _read_named(public, named, "snapshot")
    meant = parse_metadata(snapshot, Snapshot).signed.meta.get("targets.json")
    if meant is None:
        raise MetadataError("the snapshot names no targets")
    targets = _read_named(public, meant, "targets")
    signed = take_signed_files(parse_metadata(targets, Targets).signed)
    if signed.keys() != set(RELEASE_FILES):
        raise MetadataError("the targets do not name the files of one release")
    files = {}
    for name in RELEASE_FILES:
        where = public / TARGETS / f"{signed[name].sha256.hex()}.{name}"
        files[name] = take_file(signed, name, read_file(where, name, max_len=FILE_LEN_MAX))
    release_id = read_statement(files[MANIFEST], files[STATEMENT])[0]
    metadata = SignedMetadata(
        tuple(repository.roots()), timestamp, snapshot, targets, files[SHARDS], files[PROOF], ()
    )
    return Published(release_id, files[MANIFEST], metadata)


def _read_named(public: Path, meant: MetaFile, role: str) -> bytes:
    return _read(public / METADATA / f"{meant.version}.{role}.json", role)


def _read(path: Path, role: str) -> bytes:
    return read_file(path, f"the {role} metadata", max_len=METADATA_LEN_MAX[role])
