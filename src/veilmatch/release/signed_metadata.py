"""Release metadata in the format of TUF: building, signing and reading them, without I/O.

    root        who may sign what; signed by hash providers
    targets     the release's files by length and digest; signed by hash providers
    snapshot    which targets file is meant; signed by the publisher's online key
    timestamp   which snapshot is the newest; signed by the online key, for a short time

Keys of hash providers carry name and jurisdiction in a field of their own inside the signed
root, so that the rule "of at least so many jurisdictions" can be checked from the root alone.

Spec: ``spec/40-release.md`` section 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from securesystemslib.exceptions import Error as SigningError
from securesystemslib.signer import CryptoSigner, Key, Signer, SSlibKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import SerializationError
from tuf.api.serialization.json import JSONSerializer

from veilmatch.errors import ConfigError, EncodingError, SignatureError
from veilmatch.hashlist.provider import HashProvider, check_provider
from veilmatch.secret import SecretBytes

PROVIDER_ROLES = ("root", "targets")
ONLINE_ROLES = ("snapshot", "timestamp")
METADATA_LEN_MAX = {"root": 512_000, "timestamp": 16_384, "snapshot": 65_536, "targets": 65_536}
_NAME, _JURISDICTION = "x-veilmatch-name", "x-veilmatch-jurisdiction"
_FORM = JSONSerializer(compact=False)
_Signed = TypeVar("_Signed", Root, Timestamp, Snapshot, Targets)


def to_moment(seconds: int) -> datetime:
    """Turn seconds since 1970 into an aware time. Raises EncodingError out of range."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        raise EncodingError("a time of the metadata is out of range", field="expires") from None


# --- keys -----------------------------------------------------------------------------------


def derive_signer(seed: SecretBytes) -> Signer:
    """Make the signer of an Ed25519 seed of 32 bytes. Keys in hardware bring their own."""
    return CryptoSigner(Ed25519PrivateKey.from_private_bytes(seed.reveal()))


def provider_key(provider: HashProvider) -> Key:
    """Turn a hash provider into the key that stands in a root.

    Raises:
        EncodingError: The public key is not one.
    """
    try:
        public = Ed25519PublicKey.from_public_bytes(provider.public_key)
    except ValueError:
        raise EncodingError("a provider's key is not an Ed25519 key", field="public_key") from None
    key = SSlibKey.from_crypto(public)
    key.unrecognized_fields = {_NAME: provider.name, _JURISDICTION: provider.jurisdiction}
    return key


def find_provider(key: Key) -> HashProvider | None:
    """Read the hash provider out of a root's key; None for a key of another kind.

    Raises:
        EncodingError: Name, jurisdiction or key are malformed.
    """
    fields = key.unrecognized_fields
    if _NAME not in fields and _JURISDICTION not in fields:
        return None
    name, jurisdiction = fields.get(_NAME), fields.get(_JURISDICTION)
    public = key.keyval.get("public")
    if key.keytype != "ed25519" or not all(
        isinstance(x, str) for x in (name, jurisdiction, public)
    ):
        raise EncodingError("a provider's key in the root is malformed", field="keys")
    try:
        return check_provider(str(name), str(jurisdiction), bytes.fromhex(str(public)))
    except ValueError:
        raise EncodingError("a provider's key in the root is malformed", field="keys") from None


def role_providers(root: Root, role: str) -> dict[str, HashProvider]:
    """List the hash providers that may sign for a role, by key id.

    Raises:
        EncodingError: A provider's key is malformed.
        SignatureError: Two key ids hold the same public key: one party would count twice.
    """
    found: dict[str, HashProvider] = {}
    for keyid in root.roles[role].keyids:
        provider = find_provider(root.keys[keyid])
        if provider is not None:
            found[keyid] = provider
    if len({provider.public_key for provider in found.values()}) != len(found):
        raise SignatureError("the root names one provider's key twice")
    return found


# --- building -------------------------------------------------------------------------------


def build_root(
    providers: Sequence[HashProvider],
    online: Key,
    *,
    threshold: int,
    expires_at: int,
    version: int = 1,
) -> Metadata[Root]:
    """Build a root, not yet signed: providers for root and targets, one online key for the rest.

    Raises:
        ConfigError: A threshold that cannot be met, or a provider's key twice.
    """
    if not 1 <= threshold <= len(providers):
        raise ConfigError("the threshold cannot be met by the providers given", setting="threshold")
    if len({provider.public_key for provider in providers}) != len(providers):
        raise ConfigError("a provider's key is given twice", setting="provider")
    root = Root(version=version, expires=to_moment(expires_at), consistent_snapshot=True)
    for role in PROVIDER_ROLES:
        for provider in providers:
            root.add_key(provider_key(provider), role)
        root.roles[role].threshold = threshold
    for role in ONLINE_ROLES:
        root.add_key(online, role)
    return Metadata(root)


def build_targets(
    files: Mapping[str, bytes], *, version: int, expires_at: int
) -> Metadata[Targets]:
    """Build the targets metadata that name a release's files, not yet signed."""
    named = {name: TargetFile.from_data(name, data, ["sha256"]) for name, data in files.items()}
    return Metadata(Targets(version=version, expires=to_moment(expires_at), targets=named))


def _meta_file(data: bytes, version: int) -> MetaFile:
    return MetaFile(version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})


def build_snapshot(
    targets: bytes, *, targets_version: int, version: int, expires_at: int
) -> Metadata[Snapshot]:
    """Build the snapshot that means these targets, not yet signed."""
    meta = {"targets.json": _meta_file(targets, targets_version)}
    return Metadata(Snapshot(version=version, expires=to_moment(expires_at), meta=meta))


def build_timestamp(
    snapshot: bytes, *, snapshot_version: int, version: int, expires_at: int
) -> Metadata[Timestamp]:
    """Build the timestamp that means this snapshot, not yet signed."""
    meta = _meta_file(snapshot, snapshot_version)
    return Metadata(Timestamp(version=version, expires=to_moment(expires_at), snapshot_meta=meta))


def metadata_to_bytes(metadata: Metadata[_Signed]) -> bytes:
    """Write metadata as they lie in their file."""
    return metadata.to_bytes(_FORM)


def sign_metadata(metadata: Metadata[_Signed], signers: Iterable[Signer]) -> bytes:
    """Add the signatures of these signers and write the file.

    Raises:
        SignatureError: A signer failed, or a device gave what does not verify.
    """
    for signer in signers:
        try:
            signature = metadata.sign(signer, append=True)
            signer.public_key.verify_signature(signature, metadata.signed_bytes)
        except (SigningError, RepositoryError) as exc:
            raise SignatureError("a key could not sign the metadata") from exc
    return metadata_to_bytes(metadata)


# --- reading --------------------------------------------------------------------------------


def parse_metadata(data: bytes, kind: type[_Signed]) -> Metadata[_Signed]:
    """Read one metadata file of one kind. Verifies no signature.

    Raises:
        EncodingError: Too long, malformed, or of another kind.
    """
    if len(data) > METADATA_LEN_MAX[kind.type]:
        raise EncodingError(f"the {kind.type} metadata are too long", field=kind.type)
    try:
        found: Metadata[_Signed] = Metadata.from_bytes(data)
    except (RepositoryError, SerializationError, RecursionError):
        raise EncodingError(f"the {kind.type} metadata are malformed", field=kind.type) from None
    if not isinstance(found.signed, kind):
        raise EncodingError(f"these are not {kind.type} metadata", field=kind.type)
    return found


def metadata_version(root: bytes) -> int:
    """Return the version of a root, not verified. Raises EncodingError."""
    return parse_metadata(root, Root).signed.version


def count_signers(root: Root, role: str, metadata: Metadata[_Signed]) -> tuple[HashProvider, ...]:
    """List the providers whose signatures on a role's metadata verify; enough or not."""
    signed = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures).signed
    providers = role_providers(root, role)
    return tuple(providers[keyid] for keyid in sorted(signed) if keyid in providers)


def count_jurisdictions(providers: Iterable[HashProvider]) -> int:
    """Count the different jurisdictions of providers."""
    return len({provider.jurisdiction for provider in providers})
