"""Releases on the device: fetched beside the one in use, which stays until all checks passed.

    <folder>/<release id>/table.bin          passed every check
    <folder>/<release id>.part/table.bin     being fetched, shard by shard

A verified folder gets its final name by one rename. Which release is in use, its signed
metadata and files, the highest epoch and the log's last checkpoint are one transaction of the
state file, so nothing of a refused release is ever remembered. Spec: ``spec/40-release.md``
section 4.
"""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from veilmatch.client.fetching.accepted import Accepted, parse_accepted
from veilmatch.client.fetching.metadata import fetch_metadata
from veilmatch.client.fetching.shards import fetch_shards
from veilmatch.client.state import State, sync_path
from veilmatch.client.transport import Progress, Transport, quiet
from veilmatch.errors import (
    ConfigError,
    Error,
    ExpiredError,
    InputError,
    StoreError,
    TableError,
    VerificationError,
)
from veilmatch.release.logged import build_growth_proof, log_folder_name
from veilmatch.release.manifest import FILE_LEN_MAX, MANIFEST, Manifest, parse_manifest
from veilmatch.release.metadata_chain import MetadataFiles, verify_metadata
from veilmatch.release.signed_metadata import metadata_version
from veilmatch.release.trusted_release import (
    RELEASE_FILES,
    AnnouncedRelease,
    ReleaseFiles,
    Seen,
    TrustedRelease,
    TrustPolicy,
    take_file,
    verify_announcement,
    verify_release,
)

_EPOCH = "highest epoch"
_IN_USE = "release in use"
_ACCEPTED = "accepted release"
_TABLE = "table.bin"
_PART = ".part"
_TILE_LEN_MAX = 256 * 32


@dataclass(frozen=True)
class ReleaseUpdate:
    """What an update did.

    Attributes:
        changed: False if the service's release was in use already.
        epoch: Its number.
        expires_at: Seconds since 1970, UTC.
        rows: Size of its table.
        claim: What it declares of false openings, in words; empty if nothing.
    """

    changed: bool
    epoch: int
    expires_at: int
    rows: int
    claim: str = ""


class ReleaseStore:
    """The releases of one client.

    Args:
        folder: Where they lie; made when needed.
        state: Remembers which is in use.
        policy: What this client accepts.
        clock: Seconds since 1970, UTC.
        threads: Cores to use for checking a table.
    """

    def __init__(
        self,
        folder: Path,
        state: State,
        policy: TrustPolicy,
        clock: Callable[[], float],
        *,
        threads: int = 1,
    ) -> None:
        self._folder = folder
        self._state = state
        self._policy = policy
        self._clock = clock
        self._threads = threads
        self._loaded: TrustedRelease | None = None

    @property
    def highest_epoch(self) -> int:
        """The highest epoch ever accepted; 0 before the first release."""
        return self._state.number(_EPOCH)

    @property
    def in_use(self) -> bytes | None:
        """The release id of the release in use; None before the first."""
        return self._state.setting(_IN_USE)

    def _accepted(self) -> Accepted | None:
        data = self._state.setting(_ACCEPTED)
        return parse_accepted(data) if data is not None else None

    def _seen(self) -> Seen:
        """What was accepted before; a damaged record costs its rollback marks, not the epoch."""
        accepted = self._accepted()
        return Seen(
            metadata=self._known_metadata(accepted),
            epoch=self.highest_epoch,
            release_id=self._state.setting(_IN_USE) or b"",
            checkpoints=accepted.checkpoints if accepted else {},
        )

    def _known_metadata(self, accepted: Accepted | None) -> MetadataFiles | None:
        """The metadata accepted before, from the root after the one that the app ships now."""
        if accepted is None:
            return None
        shipped = metadata_version(self._policy.root)
        roots = [data for data in accepted.metadata.roots if metadata_version(data) > shipped]
        return replace(accepted.metadata, roots=tuple(roots))

    def load(self) -> TrustedRelease:
        """Return the release in use, its table mapped, every check made in this process.

        Raises:
            ConfigError: None was ever accepted. ExpiredError: It is too old for new vouchers.
            StoreError: Its files are gone. Otherwise as ``verify_announcement``.
        """
        if self._loaded is None:
            in_use = self._state.setting(_IN_USE)
            if in_use is None:
                raise ConfigError(
                    "no release is there yet",
                    setting="release",
                    hint="fetch one with veilmatch client update",
                )
            accepted = self._accepted()
            known = self._known_metadata(accepted)
            if accepted is None or known is None:
                raise _gone()
            announced = verify_announcement(
                ReleaseFiles(known, accepted.files),
                self._policy,
                now=int(self._clock()),
                seen=self._seen(),
                accepted_before=True,
            )
            table = _map(self._folder / in_use.hex() / _TABLE)
            self._loaded = verify_release(
                announced, table, rows_verified_for=in_use, threads=self._threads
            )
        self._loaded.require_fresh(int(self._clock()))
        return self._loaded

    def update(self, transport: Transport, progress: Progress = quiet) -> ReleaseUpdate:
        """Fetch the newest release, check it, and use it from now on.

        The release in use stays if anything fails. A download that was cut short goes on at
        the next call.

        Raises:
            NetworkError, StoreError: Try again.
            VerificationError, EncodingError: The release is not accepted; which check failed
                is in the class.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        seen = self._seen()
        received = self._fetch_files(transport, seen)
        announced = self._verify_announcement(transport, received, seen)
        accepted = Accepted(
            received.metadata,
            received.files,
            {**seen.checkpoints, announced.logged.checkpoint.origin: announced.logged.checkpoint},
        )
        if announced.release_id == seen.release_id and self._is_whole():
            # Checked again as a whole; only the metadata and the proof are newer.
            with self._state.transaction():
                self._state.save_setting(_ACCEPTED, accepted.to_bytes())
            return _describe(announced.manifest, changed=False)
        part = self._folder / f"{announced.release_id.hex()}{_PART}"
        part.mkdir(parents=True, exist_ok=True)
        fetch_shards(transport, announced.shards, part / _TABLE, progress)
        release = self._verify_table(announced, part)
        self._switch(part, release, accepted)
        return _describe(release.manifest, changed=True)

    def _is_whole(self) -> bool:
        """Say whether the release in use can be used; if not, it is fetched again."""
        try:
            self.load()
        except ExpiredError:
            raise
        except Error:
            self._loaded = None  # its files are gone or damaged
            return False
        return True

    def _fetch_files(self, transport: Transport, seen: Seen) -> ReleaseFiles:
        """Fetch metadata, then the files they name."""
        now = int(self._clock())
        metadata = fetch_metadata(
            transport, self._policy.root, seen.metadata, now=now, folder=self._folder
        )
        least = self._policy.min_jurisdictions
        signed = verify_metadata(
            metadata, self._policy.root, min_jurisdictions=least, now=now, seen=seen.metadata
        ).files
        accepted = self._accepted()
        have = accepted.files if accepted else {}
        files = {}
        for name in RELEASE_FILES:
            known = have.get(name, b"")
            try:
                files[name] = take_file(signed, name, known)
            except VerificationError:
                wanted = signed.get(name)
                length = min(wanted.length, FILE_LEN_MAX) if wanted else 0
                path = f"targets/{wanted.sha256.hex() if wanted else ''}.{name}"
                files[name] = take_file(signed, name, transport.fetch_file(path, length))
        return ReleaseFiles(metadata, files)

    def _verify_announcement(
        self, transport: Transport, received: ReleaseFiles, seen: Seen
    ) -> AnnouncedRelease:
        """Make checks 1 to 12, fetch what check 13 needs, and make all of them."""
        now = int(self._clock())
        first = verify_announcement(
            received, self._policy, now=now, seen=replace(seen, checkpoints={})
        )
        checkpoint = first.logged.checkpoint
        folder = f"log/{log_folder_name(checkpoint.origin)}"
        consistency = build_growth_proof(
            seen.checkpoints,
            checkpoint,
            lambda path: transport.fetch_file(f"{folder}/{path}", _TILE_LEN_MAX),
        )
        complete = replace(received, consistency=consistency)
        return verify_announcement(complete, self._policy, now=now, seen=seen)

    def _verify_table(self, announced: AnnouncedRelease, part: Path) -> TrustedRelease:
        """Make the checks of the table."""
        try:
            return verify_release(announced, _map(part / _TABLE), threads=self._threads)
        except (VerificationError, InputError):
            # What was signed is wrong, not merely incomplete: start from nothing next time.
            shutil.rmtree(part, ignore_errors=True)
            raise

    def _switch(self, part: Path, release: TrustedRelease, accepted: Accepted) -> None:
        """Rename the checked folder and put it in use; then drop what is no longer needed."""
        final = self._folder / release.release_id.hex()
        sync_path(part / _TABLE)
        sync_path(part)
        if final.exists():  # left by a process that ended between rename and commit
            shutil.rmtree(final)
        part.rename(final)
        sync_path(self._folder)
        with self._state.transaction():
            self._state.save_setting(_IN_USE, release.release_id)
            self._state.save_setting(_ACCEPTED, accepted.to_bytes())
            self._state.save_number(_EPOCH, release.manifest.epoch)
        self._loaded = release
        for other in self._folder.iterdir():
            if other != final:
                shutil.rmtree(other, ignore_errors=True)

    def describe(self) -> ReleaseUpdate | Error | None:
        """Return the release in use for people: None before the first, an error if unusable.

        Not checked: the table's rows; ``load`` does that before the first voucher is made.
        """
        in_use = self._state.setting(_IN_USE)
        if in_use is None:
            return None
        try:
            accepted = self._accepted()
            if accepted is None:
                return _gone()
            manifest = parse_manifest(accepted.files[MANIFEST])
            _map(self._folder / in_use.hex() / _TABLE).close()
        except Error as exc:
            return exc
        if int(self._clock()) >= manifest.expires_at:
            return ExpiredError("the release in use has expired; no voucher is made")
        return _describe(manifest, changed=False)


def _describe(manifest: Manifest, *, changed: bool) -> ReleaseUpdate:
    claim = manifest.calibration.describe() if manifest.calibration else ""
    return ReleaseUpdate(changed, manifest.epoch, manifest.expires_at, manifest.rows, claim)


def _gone() -> StoreError:
    return StoreError(
        "the files of the release in use are gone",
        hint="fetch it again with veilmatch client update",
    )


def _map(path: Path) -> mmap.mmap:
    """Map the table; the rows that are read are loaded by the system when needed."""
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise TableError("the table file is empty")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise _gone() from None
