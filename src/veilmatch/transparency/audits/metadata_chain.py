"""Signatures and links of the release's metadata, with ``cryptography`` alone.

Where it differs from a client it is stricter: every signature in a file must be by a key that
some root of the chain names for the role, and must verify. So nobody can change a byte of a
file without being noticed, not even one of a signature that is not needed.

Spec: ``spec/80-transparency.md`` section 13, rules A-8 to A-11.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from veilmatch.errors import EncodingError, MetadataError, RollbackError, SignatureError
from veilmatch.transparency.audits.metadata_form import (
    Meant,
    MetadataFile,
    RootFile,
    parse_root,
)
from veilmatch.transparency.entries.envelope import PartyKey

ROOT_COUNT_MAX = 256


def verify_root_chain(
    files: Sequence[bytes], pin: bytes, min_jurisdictions: int
) -> tuple[RootFile, ...]:
    """Verify every root from the first on, and that the pinned one is among them.

    1. The first has version 1, each other one more than the one before.
    2. Every signature is by a root key of this root or of an earlier one, and verifies.
    3. Enough keys of the one before signed, of enough jurisdictions, and of its own as well.
    4. Its targets keys are of enough jurisdictions, too.
    5. One of them is the one that the reader pinned.

    Args:
        files: Roots, oldest first.
        pin: ``bytes (32,)``, ``MetadataFile.pin`` of the root that the reader knows.
        min_jurisdictions: The reader's own number.

    Raises:
        EncodingError, LengthError: Malformed. RollbackError: A version is not the next.
        SignatureError: Too few signatures, or a wrong one, or the pinned root is not there.

    Source: spec/80-transparency.md rules A-8 to A-10.
    """
    if not 1 <= len(files) <= ROOT_COUNT_MAX:
        raise EncodingError("the bundle holds no roots, or too many", field="roots")
    chain: list[RootFile] = []
    for data in files:
        root = parse_root(data)
        # 1.
        if root.version != len(chain) + 1:
            raise RollbackError("a root is not the one after the one before")
        # 2.
        signed = verify_signatures(root, (*chain, root))
        # 3.
        for who, ruler in (("the root before it", chain[-1] if chain else root), ("itself", root)):
            _require(ruler, "root", signed, min_jurisdictions, f"root {root.version}, by {who},")
        # 4.
        for role in ("root", "targets"):
            named = [root.providers[key_id] for key_id in root.roles[role].key_ids]
            if count_jurisdictions(named) < min_jurisdictions:
                raise SignatureError(f"the root names {role} keys of too few jurisdictions")
        chain.append(root)
    # 5.
    if pin not in {root.pin for root in chain}:
        raise SignatureError("none of the roots is the one that the trust file pins")
    return tuple(chain)


def verify_signatures(file: MetadataFile, roots: Sequence[RootFile]) -> frozenset[str]:
    """Verify all signatures of a file; give the key ids. Says nothing of how many are needed.

    Raises:
        SignatureError: One is by a key that no root names for this kind, or does not verify.

    Source: spec/80-transparency.md rule A-9.
    """
    known: dict[str, bytes] = {}
    for root in roots:
        for key_id in root.roles[file.kind].key_ids:
            if known.setdefault(key_id, root.keys[key_id]) != root.keys[key_id]:
                raise SignatureError("one key id stands for two keys")
    for key_id, signature in file.signatures.items():
        if key_id not in known:
            raise SignatureError(f"a key that may not do so signed the {file.kind} metadata")
        try:
            Ed25519PublicKey.from_public_bytes(known[key_id]).verify(signature, file.signed_bytes)
        except (InvalidSignature, ValueError):
            raise SignatureError(f"a signature of the {file.kind} metadata is false") from None
    return frozenset(file.signatures)


def require_threshold(root: RootFile, kind: str, signed: Iterable[str]) -> tuple[str, ...]:
    """Give the key ids of a role that signed. Raises SignatureError if they are too few.

    Source: spec/80-transparency.md rule A-8.
    """
    role = root.roles[kind]
    found = tuple(sorted(set(signed).intersection(role.key_ids)))
    if len(found) < role.threshold:
        raise SignatureError(f"{len(found)} of {role.threshold} keys signed the {kind} metadata")
    return found


def require_jurisdictions(root: RootFile, signed: Iterable[str], least: int, what: str) -> None:
    """Refuse signers of too few jurisdictions: keys alone say nothing. Raises SignatureError.

    Source: spec/80-transparency.md rule A-10.
    """
    count = count_jurisdictions(root.providers[key_id] for key_id in signed)
    if count < least:
        raise SignatureError(f"{what} signed from {count} of {least} jurisdictions")


def _require(root: RootFile, kind: str, signed: Iterable[str], least: int, what: str) -> None:
    found = require_threshold(root, kind, signed)
    require_jurisdictions(root, found, least, f"{what} is")


def count_jurisdictions(parties: Iterable[PartyKey]) -> int:
    """Count the different jurisdictions of parties."""
    return len({party.jurisdiction for party in parties})


def require_meant(meant: Meant, file: MetadataFile) -> None:
    """Refuse a file that is not the one meant: length, SHA-256, version. Raises MetadataError.

    Source: spec/80-transparency.md rule A-11.
    """
    require_bytes(meant, file.data, f"the {file.kind} metadata are")
    if file.version < meant.version:
        raise RollbackError(f"the {file.kind} metadata are older than those that are meant")
    if file.version != meant.version:
        raise MetadataError(f"the {file.kind} metadata are of another version than is meant")


def require_bytes(meant: Meant, data: bytes, what: str) -> None:
    """Refuse bytes of another length or SHA-256 than is meant. Raises MetadataError."""
    if (len(data), hashlib.sha256(data).digest()) != (meant.length, meant.sha256):
        raise MetadataError(f"{what} not the bytes that were signed")
