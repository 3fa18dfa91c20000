"""Remove from a site what no client needs any more.

Kept, whatever its age:

1. everything that the published timestamp leads to, step by step down to the shards
2. what is staged, and the release that was built last
3. every release that has not expired, or expired less than the grace ago; and the newest ones
4. snapshots that have not expired, or less than the grace ago, and the targets that they name
5. whatever nothing names but is younger than the grace: it may be about to be named
6. all roots, all of the log, and the folder of each release (``releases/<id>``)

What names goes before what is named, so whoever kills this leaves files that nothing names;
the next run finds them. A client in the middle of a download has what it needs (3, 4), or meets
a file that is gone: the named error, and its old release stays in use.

Spec: ``spec/40-release.md`` section 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuf.api.metadata import Snapshot, Targets, Timestamp

from veilmatch.errors import ConfigError, MetadataError, StoreError
from veilmatch.release.manifest import FILE_LEN_MAX, MANIFEST, SHARDS, parse_manifest
from veilmatch.release.metadata_chain import take_signed_files
from veilmatch.release.shards import parse_shard_list
from veilmatch.release.signed_metadata import METADATA_LEN_MAX, parse_metadata
from veilmatch.site.published import read_published
from veilmatch.site.release_site import CURRENT, PUBLIC, SHARD_FOLDER, TIMESTAMP_FILE, ReleaseSite
from veilmatch.site.repository import METADATA, TARGETS, Repository
from veilmatch.store.files import read_file, sync_folder

_VERSIONED = re.compile(r"([1-9][0-9]{0,8})\.(snapshot|targets)\.json")
_TARGET = re.compile(r"[0-9a-f]{64}\.[a-z0-9._-]+")
_SHARD = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Unneeded:
    """A file that goes.

    Attributes:
        path: Where it lies.
        size: Its length, bytes.
        what: ``snapshot``, ``targets``, ``file`` or ``shard``.
    """

    path: Path
    size: int
    what: str


@dataclass(frozen=True)
class PrunePlan:
    """What goes, and which releases stay.

    Attributes:
        goes: In the order in which it is removed.
        kept_epochs: Epochs of the published releases that stay whole, ascending.
        gone_epochs: Epochs of those that are given up, ascending.
    """

    goes: tuple[Unneeded, ...]
    kept_epochs: tuple[int, ...]
    gone_epochs: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes that are freed."""
        return sum(one.size for one in self.goes)


class _Needed:
    """Names of files that stay, found from what must stay downwards."""

    def __init__(self, site: Path) -> None:
        self._public = site / PUBLIC
        self.metadata: set[str] = set()
        self.targets: set[str] = set()
        self.shards: set[str] = set()

    def add_targets(self, name: str) -> int:
        """Keep targets, their files, and the shards; give the release's epoch."""
        self.metadata.add(name)
        files, epoch = self.read_files(name), 0
        for file, signed in files.items():
            stored = f"{signed}.{file}"
            self.targets.add(stored)
            if file == SHARDS:
                self.add_shards(self._read_target(stored))
            if file == MANIFEST:
                epoch = parse_manifest(self._read_target(stored)).epoch
        return epoch

    def read_files(self, name: str) -> dict[str, str]:
        """File name to SHA-256, as targets name them. Raises ConfigError, EncodingError."""
        data = _read(self._public / METADATA / name, "targets")
        signed = take_signed_files(parse_metadata(data, Targets).signed)
        return {file: one.sha256.hex() for file, one in signed.items()}

    def read_manifest_times(self, name: str) -> tuple[int, int] | None:
        """Epoch and expiry of the release of these targets; None if a prune took its manifest."""
        digest = self.read_files(name).get(MANIFEST)
        stored = f"{digest}.{MANIFEST}"
        if digest is None or not (self._public / TARGETS / stored).is_file():
            return None
        manifest = parse_manifest(self._read_target(stored))
        return manifest.epoch, manifest.expires_at

    def add_shards(self, listed: bytes) -> None:
        """Keep the shards of a list."""
        self.shards.update(digest.hex() for digest in parse_shard_list(listed).digests)

    def _read_target(self, stored: str) -> bytes:
        return read_file(self._public / TARGETS / stored, "a target file", max_len=FILE_LEN_MAX)


def plan_prune(folder: Path, *, keep: int, grace_s: int, now: int) -> PrunePlan:
    """Find what no client needs any more. Removes nothing.

    Args:
        folder: The site's top folder.
        keep: How many of the newest published releases stay, whether they expired or not.
        grace_s: Seconds after its expiry that something stays.
        now: Seconds since 1970.

    Raises:
        ConfigError: Nothing is published, or a file that must be there is missing.
        EncodingError, MetadataError: The site's files do not fit together; nothing is planned.

    Source: spec/40-release.md rules 7.1 to 7.4.
    """
    if read_published(folder) is None:
        hint = "veilmatch release publish"
        raise ConfigError("the site has published nothing", setting="site", hint=hint)
    public, needed = folder / PUBLIC, _Needed(folder)
    versions = _find_versions(public / METADATA)
    # 1, 4.
    needed_targets = _keep_snapshots(public, versions["snapshot"], needed, now - grace_s)
    # 3.
    releases: dict[int, tuple[int, int]] = {}
    for version in versions["targets"]:
        found = needed.read_manifest_times(f"{version}.targets.json")
        if found is not None:
            releases[version] = found
    newest = set(sorted(releases)[-keep:]) if keep else set()
    for version, (_, expires_at) in releases.items():
        if expires_at > now - grace_s or version in newest:
            needed_targets.add(version)
    kept = {needed.add_targets(f"{version}.targets.json") for version in needed_targets}
    # 2.
    _keep_unpublished(folder, needed)
    # 5, 6.
    goes = tuple(_find_unneeded(public, needed, now - grace_s))
    gone = {epoch for version, (epoch, _) in releases.items() if version not in needed_targets}
    return PrunePlan(goes, tuple(sorted(kept)), tuple(sorted(gone - kept)))


def _find_versions(folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {"snapshot": [], "targets": []}
    for path in folder.iterdir():
        name = _VERSIONED.fullmatch(path.name)
        if name is not None:
            found[name[2]].append(int(name[1]))
    return {role: sorted(versions) for role, versions in found.items()}


def _keep_snapshots(public: Path, versions: list[int], needed: _Needed, before: int) -> set[int]:
    """Keep the published snapshot and unexpired ones; give the versions of targets they name."""
    timestamp = parse_metadata(_read(public / METADATA / TIMESTAMP_FILE, "timestamp"), Timestamp)
    published = timestamp.signed.snapshot_meta.version
    targets: set[int] = set()
    for version in versions:
        name = f"{version}.snapshot.json"
        signed = parse_metadata(_read(public / METADATA / name, "snapshot"), Snapshot).signed
        if version < published and signed.expires.timestamp() <= before:
            continue
        needed.metadata.add(name)
        meant = signed.meta.get("targets.json")
        if meant is None:
            raise MetadataError("a snapshot names no targets")
        targets.add(meant.version)
    return targets


def _keep_unpublished(folder: Path, needed: _Needed) -> None:
    repository, site = Repository(folder), ReleaseSite(folder)
    if repository.staged_targets() is not None:
        needed.add_shards(repository.staged_file(SHARDS))
    if (folder / CURRENT).is_file():
        needed.add_shards(site.read_release_file(site.read_current().release_id, SHARDS))


def _find_unneeded(public: Path, needed: _Needed, before: int) -> Iterator[Unneeded]:
    """Find files by the form of their names, what names first."""

    def find(
        folder: str, form: re.Pattern[str], kept: set[str], what: Callable[[str], str]
    ) -> list[Unneeded]:
        found = []
        for path in sorted((public / folder).iterdir()) if (public / folder).is_dir() else ():
            if form.fullmatch(path.name) and path.name not in kept and path.is_file():
                status = path.stat()
                if status.st_mtime <= before:
                    found.append(Unneeded(path, status.st_size, what(path.name)))
        return found

    metadata = find(METADATA, _VERSIONED, needed.metadata, lambda name: name.split(".")[1])
    yield from sorted(metadata, key=lambda one: one.what)  # snapshots before targets
    yield from find(TARGETS, _TARGET, needed.targets, lambda _: "file")
    yield from find(SHARD_FOLDER, _SHARD, needed.shards, lambda _: "shard")


def prune(
    plan: PrunePlan,
    *,
    before: int,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Remove what a plan names, in its order; give the number of files removed.

    A file that was written again since it was planned is left: somebody needs it now.

    Args:
        plan: From ``plan_prune``.
        before: A file changed later than this, in seconds since 1970, is left.
        report: Called with (files done, files in all).

    Raises:
        StoreError: A file cannot be removed; those before it are gone, the rest is there.

    Source: spec/40-release.md rule 7.4.
    """
    removed, folder = 0, None
    for number, one in enumerate(plan.goes):
        try:
            if folder is not None and folder != one.path.parent:
                sync_folder(folder)  # what named them is gone for good before they go
            folder = one.path.parent
            if one.path.stat().st_mtime <= before:
                one.path.unlink()
                removed += 1
        except FileNotFoundError:
            continue
        except OSError as exc:
            hint = "check permissions; the same command goes on where this one stopped"
            raise StoreError("a file of the site cannot be removed", hint=hint) from exc
        report(number + 1, len(plan.goes))
    if folder is not None:
        sync_folder(folder)
    return removed


def _read(path: Path, role: str) -> bytes:
    return read_file(path, f"the {role} metadata", max_len=METADATA_LEN_MAX[role])
