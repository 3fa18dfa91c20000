"""Where the pages take their facts from: read again when the public files changed."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from veilmatch.errors import (
    ConfigError,
    InputError,
    ProofError,
    UnavailableError,
    VerificationError,
)
from veilmatch.logstore.log_folder import CHECKPOINT, LogFolder, read_note
from veilmatch.logstore.statements import add_history, add_metadata, build_bundle
from veilmatch.pages.record import Record, RootFact, build_record
from veilmatch.release.manifest import MANIFEST
from veilmatch.release.signed_metadata import role_providers
from veilmatch.site.published import read_published
from veilmatch.site.release_site import CURRENT, PUBLIC, ReleaseSite
from veilmatch.site.repository import Repository
from veilmatch.store.files import read_file
from veilmatch.transparency.policy import POLICY_LEN_MAX, parse_policy, verify_checkpoint
from veilmatch.transparency.proof import LogProof
from veilmatch.transparency.tiles import TreeReader
from veilmatch.transparency.tree import build_inclusion_proof

# What of a log's folder is handed out, so that monitors and witnesses can follow it here.
MIN_JURISDICTIONS = 2
_LOG_PATH = re.compile(
    r"checkpoint|(?:statement|envelope)/[0-9a-f]{64}"
    r"|tile/(?:[0-9]{1,2}|entries)/(?:x[0-9]{3}/){0,6}[0-9]{3}(?:\.p/[0-9]{1,3})?"
)


@dataclass(frozen=True)
class PublicFolders:
    """Where the public files are.

    Attributes:
        site: Folder of the releases.
        log: Folder of the log's public files; None without a log.
        policy: The policy that readers are given; needed with a log.
    """

    site: Path
    log: Path | None = None
    policy: Path | None = None


class Library:
    """Reads the public files, and reads them again only when they changed.

    Args:
        folders: Where they are.

    Raises:
        ConfigError: There is a log and no policy, or the policy is not there.
        EncodingError: The policy is malformed.
    """

    def __init__(self, folders: PublicFolders) -> None:
        if (folders.log is None) != (folders.policy is None):
            raise ConfigError("a log is shown by a policy: give both or neither", setting="policy")
        self._site = ReleaseSite(folders.site)
        self.log = LogFolder(folders.log) if folders.log is not None else None
        self.policy_text = b""
        if folders.policy is not None:
            self.policy_text = read_file(folders.policy, "the policy", max_len=POLICY_LEN_MAX)
        self.policy = parse_policy(self.policy_text) if folders.policy is not None else None
        self._lock = threading.Lock()
        self._kept: tuple[object, Record] | None = None

    def _mark(self) -> object:
        """What changes when something is published."""
        top = self._site.folder
        paths = [top / CURRENT, top / "releases", top / PUBLIC / "metadata"]
        paths.append(top / PUBLIC / "metadata" / "timestamp.json")
        if self.log is not None:
            paths += [self.log.folder / CHECKPOINT, self.log.folder / "envelope"]
        found = []
        for path in paths:
            try:
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)

    def record(self) -> Record:
        """Give what there is to show.

        Raises:
            ConfigError: The site holds no release. StoreError: A file cannot be read.
            EncodingError: A manifest is malformed.
        """
        with self._lock:
            mark = self._mark()
            if self._kept is None or self._kept[0] != mark:
                current = self._site.read_current().release_id
                manifests = {one: self.read_manifest(one) for one in self._site.release_ids()}
                made = build_record(manifests, current, self.log, self.policy)
                self._kept = (mark, replace(made, root=self._read_root()))
            return self._kept[1]

    def _read_root(self) -> RootFact | None:
        """Read whose keys count, from the roots that clients fetch, each signed by the last."""
        repository = Repository(self._site.folder, MIN_JURISDICTIONS)
        try:
            root, timestamp = repository.root(), repository.timestamp()
            providers = role_providers(root, "targets").values()
        except (InputError, VerificationError, UnavailableError):
            return None
        return RootFact(
            root.version,
            int(root.expires.timestamp()),
            root.roles["targets"].threshold,
            tuple(sorted(providers, key=lambda one: one.name)),
            int(timestamp.expires.timestamp()) if timestamp else None,
        )

    def read_manifest(self, release_id: bytes) -> bytes:
        """Read a release's manifest as it lies there."""
        return self._site.read_release_file(release_id, MANIFEST)

    def build_bundle(self, release_id: bytes) -> bytes:
        """Build the file with which anyone checks a release offline.

        Raises:
            ProofError: There is no log, or the release is not in it.
            SignatureError, WitnessError, UnavailableError: The log does not verify.
        """
        if self.log is None or self.policy is None:
            raise ProofError("there is no log")
        manifest = self.read_manifest(release_id)
        bundle = build_bundle(self.log.read, self.policy, manifest, release_id)
        published = read_published(self._site.folder)
        if published is not None and published.release_id == release_id:
            bundle = add_metadata(bundle, self.log.read, self.policy, published.metadata)
        return add_history(bundle, self.log.read, self.policy).to_bytes()

    def build_proof(self, index: int) -> bytes:
        """Build the proof file of an entry.

        Raises:
            ProofError: There is no log, or no such entry.
            SignatureError, WitnessError, UnavailableError: The log does not verify.
        """
        if self.log is None or self.policy is None:
            raise ProofError("there is no log")
        note = read_note(self.log.read)
        size = verify_checkpoint(note, self.policy).checkpoint.size
        if index >= size:
            raise ProofError("the log has no such entry")
        reader = TreeReader(size, self.log.read)
        return LogProof(
            index, build_inclusion_proof(index, size, reader.read_subtree), note
        ).to_bytes()

    def read_log_file(self, path: str) -> bytes:
        """Read a public file of the log.

        Raises:
            ProofError: Not the name of one. UnavailableError: It is not there.
        """
        if self.log is None or not _LOG_PATH.fullmatch(path):
            raise ProofError("not a file of a log")
        return self.log.read(path)
