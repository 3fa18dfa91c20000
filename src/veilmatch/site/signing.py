"""What a hash provider checks before it signs, and how signatures are put together.

The checks of ``check_staged``, once, as numbers:

1. the staged files are those that the staged targets name
2. the log's entry is about this manifest, and the release id follows from its table's root
3. manifest and shard list are those of the release's own folder
4. every shard is there and is the one of the list; rows, root and release id are computed anew
5. where a policy is given: the release is in the log, with its quorum of witnesses

Spec: ``spec/40-release.md`` section 6.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, Root, Targets

from veilmatch.errors import ConfigError, MetadataError
from veilmatch.release.logged import read_statement, verify_logged
from veilmatch.release.manifest import MANIFEST, SHARDS, Manifest
from veilmatch.release.metadata_chain import take_signed_files
from veilmatch.release.signed_metadata import (
    metadata_to_bytes,
    sign_metadata,
)
from veilmatch.release.trusted_release import PROOF, RELEASE_FILES, STATEMENT, take_file
from veilmatch.site.release_site import ReleaseSite
from veilmatch.site.repository import Repository
from veilmatch.transparency.policy import Policy

_Signed = TypeVar("_Signed", Root, Targets)


def check_staged(
    site: ReleaseSite, repository: Repository, targets: Metadata[Targets], policy: Policy | None
) -> Manifest:
    """Make the checks above; return the manifest of what is about to be signed.

    Raises:
        MetadataError, TableError, ProofError, VerificationError: One of them fails.
    """
    # 1
    signed = take_signed_files(targets.signed)
    if signed.keys() != set(RELEASE_FILES):
        raise MetadataError("the staged targets do not name the files of one release")
    files = {name: take_file(signed, name, repository.staged_file(name)) for name in RELEASE_FILES}
    # 2
    release_id = read_statement(files[MANIFEST], files[STATEMENT])[0]
    # 3
    for name in (MANIFEST, SHARDS):
        if site.read_release_file(release_id, name) != files[name]:
            raise MetadataError(f"the staged {name} is not that of the release")
    # 4
    manifest = site.verify_release_files(release_id)
    # 5
    if policy is not None:
        verify_logged(files[MANIFEST], files[STATEMENT], files[PROOF], policy)
    return manifest


def add_signature(metadata: Metadata[_Signed], signer: Signer, roots: Iterable[Root]) -> bytes:
    """Sign staged metadata with a key that one of these roots names for the role.

    Raises:
        ConfigError: None of them names the key. SignatureError: The signer failed.
    """
    role, keyid = metadata.signed.type, signer.public_key.keyid
    if not any(keyid in root.roles[role].keyids for root in roots):
        raise ConfigError(
            f"this key may not sign the {role} metadata",
            setting="key",
            hint="the root names the keys that may; veilmatch release show lists them",
        )
    return sign_metadata(metadata, [signer])


def merge_signatures(ours: Metadata[_Signed], theirs: Metadata[_Signed]) -> bytes:
    """Take over the signatures of another copy of the same metadata.

    Raises:
        ConfigError: It is a copy of something else.
    """
    if ours.signed_bytes != theirs.signed_bytes:
        raise ConfigError("the file holds other metadata than those staged", setting="file")
    ours.signatures.update(theirs.signatures)
    return metadata_to_bytes(ours)
