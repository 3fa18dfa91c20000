"""A log, its witnesses and a policy in memory, for the tests of this room."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from veilmatch.errors import StoreError
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.key import HAS_ML_DSA, NoteSigner, SignatureType, derive_signer
from veilmatch.transparency.note import SignedNote, sign_note
from veilmatch.transparency.policy import Policy, parse_policy
from veilmatch.transparency.proof import LogProof
from veilmatch.transparency.tiles import TreeReader, append_entries
from veilmatch.transparency.tree import EMPTY_ROOT, build_inclusion_proof

ORIGIN = "log.example/lists"
AT_S = 1_700_000_000
DAY_S = 86_400


def entry(index: int) -> bytes:
    return hashlib.sha256(b"entry %d" % index).digest()


def make_signer(name: str, kind: SignatureType = SignatureType.ED25519) -> NoteSigner:
    return derive_signer(name, kind, hashlib.sha256(f"{name} {kind}".encode()).digest())


class Disk:
    """A log on a disk in memory; it writes what it is told, in the order it is told."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.size = 0
        self.root = EMPTY_ROOT

    def read(self, path: str) -> bytes:
        if path not in self.files:
            raise StoreError("no such tile")
        return self.files[path]

    def append(self, entries: list[bytes]) -> tuple[bytes, ...]:
        update = append_entries(self.size, self.root, entries, self.read)
        for path, content in update.files:
            assert self.files.setdefault(path, content) == content, "a tile was changed"
        self.size, self.root = update.size, update.root
        return update.proof

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(ORIGIN, self.size, self.root)


def build_disk(*batches: int) -> Disk:
    disk = Disk()
    for count in batches:
        disk.append([entry(disk.size + number) for number in range(count)])
    return disk


def _make_witnesses() -> dict[str, NoteSigner]:
    ml_dsa = SignatureType.COSIGNATURE_ML_DSA_44
    kinds = [SignatureType.COSIGNATURE_ED25519, ml_dsa if HAS_ML_DSA else 4]
    names = ["eu-ngo", "eu-university", "us-ngo", "us-newspaper"]
    return {
        name: make_signer(f"{name}.example/witness", SignatureType(kinds[index % 2]))
        for index, name in enumerate(names)
    }


@dataclass
class SmallLog:
    """One log, four witnesses in two jurisdictions; one of each must have looked."""

    disk: Disk = field(default_factory=lambda: build_disk(300))
    signer: NoteSigner = field(default_factory=lambda: make_signer(ORIGIN))
    witnesses: dict[str, NoteSigner] = field(default_factory=_make_witnesses)

    @property
    def policy_text(self) -> bytes:
        lines = [b"# who is trusted", b"log " + self.signer.key.to_bytes(), b""]
        lines += [
            b"witness %s %s" % (name.encode(), signer.key.to_bytes())
            for name, signer in self.witnesses.items()
        ]
        lines += [
            b"group eu any eu-ngo eu-university",
            b"group us any us-ngo us-newspaper",
            b"group jurisdictions all eu us",
            b"quorum jurisdictions",
        ]
        return b"\n".join(lines) + b"\n"

    @property
    def policy(self) -> Policy:
        return parse_policy(self.policy_text)

    def sign(self, *witnesses: str, at_s: int = AT_S) -> SignedNote:
        """Sign the newest checkpoint; by all witnesses if none is named."""
        names = witnesses or tuple(self.witnesses)
        signers = [self.signer, *(self.witnesses[name] for name in names if name != "-")]
        return sign_note(self.disk.checkpoint.to_bytes(), signers, at_s=at_s)

    def prove(self, index: int, note: SignedNote) -> LogProof:
        reader = TreeReader(self.disk.size, self.disk.read)
        hashes = build_inclusion_proof(index, self.disk.size, reader.read_subtree)
        return LogProof(index, hashes, note)
