"""The log, the witnesses and the tree that the vectors are about."""

from __future__ import annotations

import hashlib
from typing import Any

from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.key import NoteSigner, SignatureType, derive_signer
from veilmatch.transparency.tree import build_root, build_subtree_reader, hash_leaf

AT_S = 1_790_000_000
OWN = ""
ORIGIN = "log.example/lists"
Case = dict[str, Any]


def seed(name: str) -> bytes:
    """Derive a seed from its name; never used outside these vectors."""
    return hashlib.sha256(b"veilmatch vector " + name.encode()).digest()


LOG = derive_signer(ORIGIN, SignatureType.ED25519, seed("log"))
WITNESSES = {
    name: derive_signer(f"witness.example/{name}", SignatureType.COSIGNATURE_ED25519, seed(name))
    for name in ("eu-ngo", "eu-university", "us-ngo")
}
ML_DSA = derive_signer("witness.example/pq", SignatureType.COSIGNATURE_ML_DSA_44, seed("ml-dsa"))
ENTRIES = [hashlib.sha256(b"entry %d" % index).digest() for index in range(300)]
LEAVES = [hash_leaf(entry) for entry in ENTRIES]
READ = build_subtree_reader(LEAVES)


def case(name: str, reason: str, given: Case, expected: Case | str, source: str = OWN) -> Case:
    """One case; ``expected`` is what comes out, or the name of the error.

    ``source`` says where it comes from if not from here; the section is put before it.
    """
    outcome = {"error": expected} if isinstance(expected, str) else {"expected": expected}
    return {"id": name, "reason": reason, "source": source, "inputs": given} | outcome


def key_of(signer: NoteSigner) -> str:
    """Write the verifier key of a signer."""
    return signer.key.to_bytes().decode()


def checkpoint(size: int) -> bytes:
    """Write the checkpoint of the tree of a size."""
    return Checkpoint(ORIGIN, size, build_root(LEAVES[:size])).to_bytes()
