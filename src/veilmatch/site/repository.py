"""The metadata of a site on disk: staged, signed by providers, then published.

    staged/root.json, targets.json          wait for signatures; carried to offline providers
    staged/files/<name>                     what the staged targets name
    public/metadata/<n>.root.json  <n>.targets.json  <n>.snapshot.json  timestamp.json
    public/targets/<sha256>.<name>

Whatever is named is there before what names it, and ``timestamp.json`` is replaced last: a
client sees the old state or the new one. Nothing is published that a client would refuse.
Spec: ``spec/40-release.md`` section 6.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from veilmatch.clock import DAY_S
from veilmatch.errors import ConfigError, MetadataError
from veilmatch.hashlist.provider import HashProvider
from veilmatch.release.manifest import FILE_LEN_MAX
from veilmatch.release.metadata_chain import (
    MetadataFiles,
    verify_metadata,
    verify_next_root,
    verify_shipped_root,
    verify_targets_signers,
)
from veilmatch.release.signed_metadata import (
    METADATA_LEN_MAX,
    build_root,
    build_snapshot,
    build_targets,
    build_timestamp,
    metadata_to_bytes,
    parse_metadata,
    sign_metadata,
)
from veilmatch.release.trusted_release import RELEASE_FILES
from veilmatch.site.release_site import PUBLIC, TIMESTAMP_FILE
from veilmatch.store.files import read_file, write_atomic

STAGED, METADATA, TARGETS, LOG = "staged", "metadata", "targets", "log"
ROOT_FILE, TARGETS_FILE, FILES = "root.json", "targets.json", "files"


@dataclass(frozen=True)
class Lifetimes:
    """Seconds until the online metadata expire after they were made."""

    snapshot_s: int = 7 * DAY_S
    timestamp_s: int = DAY_S


DEFAULT_LIFETIMES = Lifetimes()


class Repository:
    """The metadata below one site's folder.

    Args:
        folder: The site's top folder.
        min_jurisdictions: Jurisdictions that must have signed; the clients' number.
    """

    def __init__(self, folder: Path, min_jurisdictions: int = 2) -> None:
        self._staged = folder / STAGED
        self._public = folder / PUBLIC
        self._metadata = self._public / METADATA
        self._min_jurisdictions = min_jurisdictions

    # --- reading ------------------------------------------------------------------------------

    def roots(self) -> list[bytes]:
        """Read every published root, oldest first."""
        found: list[bytes] = []
        while (path := self._metadata / f"{len(found) + 1}.{ROOT_FILE}").is_file():
            found.append(_read(path, "root"))
        return found

    def root(self) -> Root:
        """Return the newest published root, verified from the first.

        Raises:
            ConfigError: There is none yet.
        """
        roots = self.roots()
        if not roots:
            raise ConfigError(
                "the site has no signed root yet",
                hint="veilmatch release init makes one, providers sign it, release publish",
            )
        return self._follow(roots)

    def _follow(self, roots: Sequence[bytes]) -> Root:
        if not roots:
            raise ConfigError("the site has no root", hint="veilmatch release init")
        root = verify_shipped_root(roots[0], self._min_jurisdictions)
        for data in roots[1:]:
            root = verify_next_root(root, data, self._min_jurisdictions)
        return root

    def _newest(self, role: str) -> bytes | None:
        versions = [
            int(path.name.split(".")[0])
            for path in self._metadata.glob(f"*.{role}.json")
            if path.name.split(".")[0].isdecimal()
        ]
        if not versions:
            return None
        return _read(self._metadata / f"{max(versions)}.{role}.json", role)

    def timestamp(self) -> Timestamp | None:
        """Return the published timestamp, if there is one."""
        path = self._metadata / TIMESTAMP_FILE
        if not path.is_file():
            return None
        return parse_metadata(_read(path, "timestamp"), Timestamp).signed

    def staged_root(self) -> Metadata[Root] | None:
        """Return the root that waits for signatures, if any."""
        path = self._staged / ROOT_FILE
        return parse_metadata(_read(path, "root"), Root) if path.is_file() else None

    def staged_targets(self) -> Metadata[Targets] | None:
        """Return the targets that wait for signatures, if any."""
        path = self._staged / TARGETS_FILE
        return parse_metadata(_read(path, "targets"), Targets) if path.is_file() else None

    def staged_file(self, name: str) -> bytes:
        """Read a file that the staged targets name."""
        return read_file(self._staged / FILES / name, name, max_len=FILE_LEN_MAX)

    def replace_staged(self, role: str, data: bytes) -> None:
        """Put staged metadata back with more signatures."""
        write_atomic(self._staged / f"{role}.json", data)

    # --- staging ------------------------------------------------------------------------------

    def stage_root(
        self, providers: Sequence[HashProvider], online: Key, *, threshold: int, expires_at: int
    ) -> Path:
        """Write the first root, or the one after the newest, to be signed.

        Raises:
            ConfigError: The threshold cannot be met, or keys of too few jurisdictions.
        """
        if len({one.jurisdiction for one in providers}) < self._min_jurisdictions:
            raise ConfigError(
                "the providers are of too few jurisdictions",
                setting="provider",
                hint="give the public files of providers of other jurisdictions too",
            )
        root = build_root(
            providers,
            online,
            threshold=threshold,
            expires_at=expires_at,
            version=len(self.roots()) + 1,
        )
        write_atomic(self._staged / ROOT_FILE, metadata_to_bytes(root))
        return self._staged / ROOT_FILE

    def stage_targets(self, files: Mapping[str, bytes], *, expires_at: int) -> Path:
        """Write the files of one release and the targets that name them, to be signed.

        Raises:
            ConfigError: There is no root yet. MetadataError: A file is missing or too many.
        """
        self.root()
        if files.keys() != set(RELEASE_FILES):
            raise MetadataError("these are not the files of one release")
        newest = self._newest("targets")
        version = parse_metadata(newest, Targets).signed.version + 1 if newest else 1
        for name, data in files.items():
            write_atomic(self._staged / FILES / name, data)
        targets = build_targets(files, version=version, expires_at=expires_at)
        write_atomic(self._staged / TARGETS_FILE, metadata_to_bytes(targets))
        return self._staged / TARGETS_FILE

    def copy_tiles(self, folder: str, tiles: Mapping[str, bytes]) -> None:
        """Put hash tiles of the log beside the releases."""
        for path, data in tiles.items():
            write_atomic(self._public / LOG / folder / path, data)

    # --- publishing ---------------------------------------------------------------------------

    def publish(
        self, online: Signer, *, now: int, lifetimes: Lifetimes = DEFAULT_LIFETIMES
    ) -> None:
        """Publish what is staged, once enough providers have signed it.

        Everything is made and verified as a client will do it before the first file is written.

        Raises:
            ConfigError: Nothing is staged, or the online key is not the root's.
            SignatureError: Signatures of providers, or of jurisdictions, are missing.
        """
        staged_root, staged_targets = self.staged_root(), self.staged_targets()
        if staged_root is None and staged_targets is None:
            raise ConfigError("nothing is staged", hint="veilmatch release stage does it")
        roots = self.roots()
        if staged_root is not None:
            roots.append(_read(self._staged / ROOT_FILE, "root"))
        root = self._follow(roots)
        targets = self._newest("targets")
        if staged_targets is not None:
            verify_targets_signers(root, staged_targets, self._min_jurisdictions)
            targets = _read(self._staged / TARGETS_FILE, "targets")
        online_files = None
        if targets is not None:
            online_files = self._sign_online(roots, root, targets, online, now, lifetimes, True)
        if staged_targets is not None:
            self._publish_files(staged_targets)
        if staged_root is not None:
            write_atomic(self._metadata / f"{root.version}.{ROOT_FILE}", roots[-1])
            (self._staged / ROOT_FILE).unlink()
        if staged_targets is not None and targets is not None:
            write_atomic(
                self._metadata / f"{staged_targets.signed.version}.{TARGETS_FILE}", targets
            )
            (self._staged / TARGETS_FILE).unlink()
        if online_files is not None:
            self._write_online(online_files)

    def refresh(
        self, online: Signer, *, now: int, lifetimes: Lifetimes = DEFAULT_LIFETIMES
    ) -> None:
        """Sign a new timestamp, and a new snapshot where the old one ends soon.

        Raises:
            ConfigError: Nothing was published yet, or the key is not the root's.
            ExpiredError, SignatureError: A client would refuse the result.
        """
        roots, root, targets = self.roots(), self.root(), self._newest("targets")
        if targets is None:
            raise ConfigError("no release was published yet", hint="veilmatch release publish")
        self._write_online(self._sign_online(roots, root, targets, online, now, lifetimes, False))

    def _publish_files(self, targets: Metadata[Targets]) -> None:
        for name, target in targets.signed.targets.items():
            content = self.staged_file(name)
            digest = hashlib.sha256(content).hexdigest()
            if digest != target.hashes["sha256"]:
                raise MetadataError(f"the staged {name} is not the one that was signed")
            write_atomic(self._public / TARGETS / f"{digest}.{name}", content)

    def _sign_online(
        self,
        roots: Sequence[bytes],
        root: Root,
        targets: bytes,
        online: Signer,
        now: int,
        lifetimes: Lifetimes,
        renew_snapshot: bool,
    ) -> dict[str, bytes]:
        """Make snapshot and timestamp in memory, and verify all of it as a client would."""
        if online.public_key.keyid not in root.roles["timestamp"].keyids:
            raise ConfigError("the online key is not the one that the root names", setting="key")
        snapshot = self._newest("snapshot")
        old = parse_metadata(snapshot, Snapshot).signed if snapshot else None
        ends_soon = old is None or old.expires.timestamp() < now + lifetimes.snapshot_s // 2
        if snapshot is None or renew_snapshot or ends_soon:
            made = build_snapshot(
                targets,
                targets_version=parse_metadata(targets, Targets).signed.version,
                version=old.version + 1 if old else 1,
                expires_at=now + lifetimes.snapshot_s,
            )
            snapshot = sign_metadata(made, [online])
        version = parse_metadata(snapshot, Snapshot).signed.version
        before = self.timestamp()
        stamp = build_timestamp(
            snapshot,
            snapshot_version=version,
            version=before.version + 1 if before else 1,
            expires_at=now + lifetimes.timestamp_s,
        )
        timestamp = sign_metadata(stamp, [online])
        verify_metadata(
            MetadataFiles(tuple(roots[1:]), timestamp, snapshot, targets),
            roots[0],
            min_jurisdictions=self._min_jurisdictions,
            now=now,
        )
        return {f"{version}.snapshot.json": snapshot, TIMESTAMP_FILE: timestamp}

    def _write_online(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():  # the timestamp is the last
            write_atomic(self._metadata / name, data)


def _read(path: Path, role: str) -> bytes:
    return read_file(path, f"the {role} metadata", max_len=METADATA_LEN_MAX[role])
