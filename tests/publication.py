"""A publisher in memory: hash providers, an online key, a log with two witnesses, public files.

``Publisher.public`` holds what a web server would serve, by path. Each step can be made wrong
on its own, which is what tests of refusals need. Keys come from seeds, so runs repeat.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.unit.transparency.small_log import Disk
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hashlist.tuf_signer import ProviderSigner
from veilmatch.hazmat.signing import SigningKey
from veilmatch.logstore.statements import build_release_statement
from veilmatch.release.logged import log_folder_name, read_hash_tiles
from veilmatch.release.manifest import MANIFEST, SHARDS, Manifest
from veilmatch.release.metadata_chain import MetadataFiles
from veilmatch.release.publish import BuiltRelease
from veilmatch.release.shards import build_shard_list, cut_shards
from veilmatch.release.signed_metadata import (
    build_root,
    build_snapshot,
    build_targets,
    build_timestamp,
    derive_signer,
    sign_metadata,
)
from veilmatch.release.trusted_release import PROOF, RELEASE_FILES, STATEMENT, ReleaseFiles
from veilmatch.secret import SecretBytes
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.entries.entry import EntryKind, Statement, Subject
from veilmatch.transparency.key import (
    NoteSigner,
    SignatureType,
)
from veilmatch.transparency.key import derive_signer as derive_note_signer
from veilmatch.transparency.note import sign_note
from veilmatch.transparency.policy import Policy, parse_policy
from veilmatch.transparency.proof import LogProof
from veilmatch.transparency.tiles import TreeReader
from veilmatch.transparency.tree import build_inclusion_proof

ORIGIN = "log.example/lists"
DAY = 86_400
SHARD_LEN = 4096
ROOT_EXPIRES_AT = 4_000_000_000  # whenever it was made, so that a root made twice is the same
Person = tuple[HashProvider, SigningKey]


def make_person(name: str, jurisdiction: str, seed: bytes = b"") -> Person:
    """A hash provider with its key."""
    key = SigningKey(SecretBytes(hashlib.sha256(seed + name.encode()).digest()))
    return HashProvider(name, jurisdiction, key.public_key), key


def seed(*words: str) -> SecretBytes:
    return SecretBytes(hashlib.sha256("/".join(words).encode()).digest())


@dataclass
class MemoryLog:
    """A log and two witnesses, one in each jurisdiction; both must have looked."""

    disk: Disk = field(default_factory=Disk)
    origin: str = ORIGIN
    entries: list[bytes] = field(default_factory=list)

    @property
    def signer(self) -> NoteSigner:
        return derive_note_signer(self.origin, SignatureType.ED25519, seed(self.origin).reveal())

    @staticmethod
    def witness(name: str) -> NoteSigner:
        kind = SignatureType.COSIGNATURE_ED25519
        return derive_note_signer(f"{name}.example/w", kind, seed("witness", name).reveal())

    @property
    def policy(self) -> Policy:
        lines = [b"log " + self.signer.key.to_bytes()]
        lines += [
            b"witness %s %s" % (name.encode(), self.witness(name).key.to_bytes())
            for name in ("eu", "us")
        ]
        return parse_policy(b"\n".join([*lines, b"group both all eu us", b"quorum both"]) + b"\n")

    def append(self, *entries: bytes) -> None:
        fresh = [one for one in entries if one not in self.entries]
        self.disk.append(fresh)
        self.entries += fresh

    def prove(self, entry: bytes, *, now: int, witnesses: Sequence[str] = ("eu", "us")) -> bytes:
        """The proof file of an entry, in the newest checkpoint."""
        index = self.entries.index(entry)
        reader = TreeReader(self.disk.size, self.disk.read)
        hashes = build_inclusion_proof(index, self.disk.size, reader.read_subtree)
        checkpoint = Checkpoint(self.origin, self.disk.size, self.disk.root)
        signers = [self.signer, *(self.witness(name) for name in witnesses)]
        note = sign_note(checkpoint.to_bytes(), signers, at_s=now)
        return LogProof(index, hashes, note).to_bytes()

    def public(self) -> dict[str, bytes]:
        folder = f"log/{log_folder_name(self.origin)}"
        tiles = read_hash_tiles(self.disk.size, self.disk.read)
        return {f"{folder}/{path}": data for path, data in tiles.items()}


def attestations(manifest: Manifest) -> list[Statement]:
    """What the providers state of the lists that a manifest names."""
    return [
        Statement(
            EntryKind.LIST_ATTESTATION,
            (Subject("hash list", source.commitment),),
            {
                "provider": source.provider.name,
                "jurisdiction": source.provider.jurisdiction,
                "content_class": manifest.content_class,
                "algorithm": manifest.algorithm.name,
                "count": source.count,
                "as_of_at": manifest.created_at,
            },
        )
        for source in manifest.sources
    ]


class Publisher:
    """Signs and publishes releases into a dictionary of files.

    Args:
        people: Hash providers with their keys: for root and targets.
        now: Seconds since 1970, when everything is signed.
        threshold: How many of them must sign.
    """

    def __init__(self, people: Sequence[Person], *, now: int, threshold: int = 2) -> None:
        self.people = list(people)
        self.now = now
        self.threshold = threshold
        self.online = derive_signer(seed("online"))
        self.log = MemoryLog()
        self.public: dict[str, bytes] = {}
        self.roots: list[bytes] = []
        self.targets_version = self.snapshot_version = self.timestamp_version = 0
        self.targets = self.snapshot = self.timestamp = b""
        self.files: dict[str, bytes] = {}
        self.add_root()

    @property
    def root(self) -> bytes:
        """The first root, as an app ships it."""
        return self.roots[0]

    def add_root(
        self,
        people: Sequence[Person] | None = None,
        signers: Sequence[Person] | None = None,
        *,
        threshold: int | None = None,
        expires_at: int | None = None,
    ) -> bytes:
        """Make the next root; signed by all people of before and of now unless told."""
        before, self.people = self.people, list(people or self.people)
        root = build_root(
            [provider for provider, _ in self.people],
            self.online.public_key,
            threshold=threshold or self.threshold,
            expires_at=expires_at or ROOT_EXPIRES_AT,
            version=len(self.roots) + 1,
        )
        everybody = {person[0].public_key: person for person in (*before, *self.people)}
        chosen = signers if signers is not None else list(everybody.values())
        data = sign_metadata(root, [ProviderSigner(key) for _, key in chosen])
        self.roots.append(data)
        self.public[f"metadata/{len(self.roots)}.root.json"] = data
        return data

    def release_files(
        self,
        built: BuiltRelease,
        *,
        logged: bool = True,
        witnesses: Sequence[str] = ("eu", "us"),
        shard_len: int = SHARD_LEN,
    ) -> dict[str, bytes]:
        """Log a release and give its files; the shards become public at once."""
        manifest, root = built.manifest.to_bytes(), built.table.root()
        shards = list(cut_shards([table_file(built)], shard_len))
        listed = build_shard_list(shards, shard_len)
        for digest, shard in zip(listed.digests, shards, strict=True):
            self.public[f"shards/{digest.hex()}"] = shard
        stated = attestations(built.manifest)
        statement = build_release_statement(manifest, root, stated)
        log = self.log if logged else MemoryLog()
        log.append(*(one.to_entry() for one in stated), statement.to_entry())
        proof = log.prove(statement.to_entry(), now=self.now, witnesses=witnesses)
        if not logged:  # a proof of what is in another log, by keys that nobody knows
            self.log.append(*(one.to_entry() for one in stated))
            proof = self.log.prove(stated[0].to_entry(), now=self.now, witnesses=witnesses)
        self.public.update(self.log.public())  # the tiles of the very tree of the proof
        return {
            MANIFEST: manifest,
            SHARDS: listed.to_bytes(),
            STATEMENT: statement.to_bytes(),
            PROOF: proof,
        }

    def publish(
        self,
        built: BuiltRelease,
        *,
        signers: Sequence[Person] | None = None,
        files: dict[str, bytes] | None = None,
        **options: object,
    ) -> ReleaseFiles:
        """Log, sign and publish a release.

        Args:
            built: The release.
            signers: Who signs the targets; all by default.
            files: Instead of what ``release_files`` gives.
            options: For ``release_files``.
        """
        chosen = files if files is not None else self.release_files(built, **options)  # type: ignore[arg-type]
        self.sign_targets(chosen, signers)
        return self.received()

    def sign_targets(
        self,
        files: dict[str, bytes],
        signers: Sequence[Person] | None = None,
        *,
        expires_at: int | None = None,
    ) -> None:
        """Sign targets for these files, and everything above them."""
        self.targets_version += 1
        self.files = files
        made = build_targets(
            files,
            version=self.targets_version,
            expires_at=expires_at or self.now + 90 * DAY,
        )
        people = self.people if signers is None else signers
        self.targets = sign_metadata(made, [ProviderSigner(key) for _, key in people])
        for name, data in files.items():
            self.public[f"targets/{hashlib.sha256(data).hexdigest()}.{name}"] = data
        self.public[f"metadata/{self.targets_version}.targets.json"] = self.targets
        self.public.update(self.log.public())
        self.sign_snapshot()

    def sign_snapshot(self, targets: bytes | None = None, version: int | None = None) -> None:
        """Sign a snapshot that means the newest targets, or others."""
        self.snapshot_version += 1
        made = build_snapshot(
            targets or self.targets,
            targets_version=version or self.targets_version,
            version=self.snapshot_version,
            expires_at=self.now + 7 * DAY,
        )
        self.snapshot = sign_metadata(made, [self.online])
        self.public[f"metadata/{self.snapshot_version}.snapshot.json"] = self.snapshot
        self.sign_timestamp()

    def sign_timestamp(self, snapshot: bytes | None = None, version: int | None = None) -> None:
        """Sign a timestamp that means the newest snapshot, or another."""
        self.timestamp_version += 1
        made = build_timestamp(
            snapshot or self.snapshot,
            snapshot_version=version or self.snapshot_version,
            version=self.timestamp_version,
            expires_at=self.now + DAY,
        )
        self.timestamp = sign_metadata(made, [self.online])
        self.public["metadata/timestamp.json"] = self.timestamp

    def write(self, folder: Path) -> None:
        """Write the public files below a folder, the timestamp last."""
        for path, data in sorted(self.public.items(), key=lambda item: "timestamp" in item[0]):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists() or target.read_bytes() != data:
                target.write_bytes(data)

    def received(self) -> ReleaseFiles:
        """The newest release as a client receives it."""
        metadata = MetadataFiles(tuple(self.roots[1:]), self.timestamp, self.snapshot, self.targets)
        return ReleaseFiles(metadata, {name: self.files[name] for name in RELEASE_FILES})


def table_file(built: BuiltRelease) -> bytes:
    """The table file of a release."""
    return built.table.header() + built.table.rows.tobytes()
