"""Releases on the device: fetched beside the one in use, which stays until all checks passed.

    <folder>/<release id>/manifest.json, approvals.json, table.bin     passed every check
    <folder>/<release id>.part/…                                       being fetched

A verified folder gets its final name by one rename; which one is in use, and the highest epoch
ever accepted, are one transaction of the state file. Spec: ``spec/40-release.md`` section 4.
"""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from veilmatch.client.state import State, sync_path
from veilmatch.client.transport import CurrentRelease, Progress, Transport, quiet
from veilmatch.errors import (
    ConfigError,
    Error,
    ExpiredError,
    InputError,
    RollbackError,
    StoreError,
    TableError,
    VerificationError,
)
from veilmatch.release.approval import parse_approvals, verify_approvals
from veilmatch.release.manifest import Manifest, parse_manifest
from veilmatch.release.trusted_release import TrustedRelease, TrustPolicy, verify_release
from veilmatch.table.blinded_table import HEADER_LEN, ROW_LEN

_EPOCH = "highest epoch"
_IN_USE = "release in use"
_MANIFEST, _APPROVALS, _TABLE = "manifest.json", "approvals.json", "table.bin"
_PART = ".part"
_SPARE_LEN = 16 << 20  # bytes of disk that a download must leave free


@dataclass(frozen=True)
class ReleaseUpdate:
    """What an update did.

    Attributes:
        changed: False if the service's release was in use already.
        epoch: Its number.
        expires_at: Seconds since 1970, UTC.
        rows: Size of its table.
    """

    changed: bool
    epoch: int
    expires_at: int
    rows: int


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

    def load(self) -> TrustedRelease:
        """Return the release in use, its table mapped, every check made in this process.

        Raises:
            ConfigError: None was ever accepted. ExpiredError: It is too old for new vouchers.
            StoreError: Its files are gone. Otherwise as ``verify_release``.
        """
        if self._loaded is None:
            in_use = self._state.setting(_IN_USE)
            if in_use is None:
                raise ConfigError(
                    "no release is there yet",
                    setting="release",
                    hint="fetch one with veilmatch client update",
                )
            self._loaded = self._verify(self._folder / in_use.hex(), in_use, seen=True)
        self._loaded.require_fresh(int(self._clock()))
        return self._loaded

    def update(self, transport: Transport, progress: Progress = quiet) -> ReleaseUpdate:
        """Fetch the service's release, check it, and use it from now on.

        The release in use stays if anything fails. A download that was cut short goes on at
        the next call.

        Raises:
            NetworkError, StoreError: Try again.
            VerificationError, EncodingError: The release is not accepted; which check failed
                is in the class.
        """
        current = transport.fetch_current_release()
        if current.release_id == self._state.setting(_IN_USE):
            try:
                return _describe(self.load().manifest, changed=False)
            except ExpiredError:
                raise
            except Error:
                self._loaded = None  # its files are gone or damaged: fetched again below
        if current.epoch < self.highest_epoch:
            raise RollbackError("the service offers a release older than the one in use")
        part = self._folder / f"{current.release_id.hex()}{_PART}"
        part.mkdir(parents=True, exist_ok=True)
        try:
            self._fetch(transport, current, part, progress)
            release = self._verify(part, current.release_id)
        except (VerificationError, InputError):
            # What was received is wrong, not merely incomplete: start from nothing next time.
            shutil.rmtree(part, ignore_errors=True)
            raise
        self._switch(part, release)
        return _describe(release.manifest, changed=True)

    def _fetch(
        self, transport: Transport, current: CurrentRelease, part: Path, progress: Progress
    ) -> None:
        """Fetch the three files; refuse what can be refused before the table is fetched."""
        approvals = transport.fetch_document(current.release_id, _APPROVALS)
        verify_approvals(
            parse_approvals(approvals),
            current.release_id,
            self._policy.providers,
            self._policy.min_jurisdictions,
        )
        manifest_data = transport.fetch_document(current.release_id, _MANIFEST)
        manifest = parse_manifest(manifest_data)
        if manifest.epoch < self.highest_epoch:
            raise RollbackError("the service offers a release older than the one in use")
        (part / _APPROVALS).write_bytes(approvals)
        (part / _MANIFEST).write_bytes(manifest_data)
        total = HEADER_LEN + ROW_LEN * manifest.rows
        table = part / _TABLE
        have = table.stat().st_size if table.exists() else 0
        if shutil.disk_usage(part).free < total - have + _SPARE_LEN:
            raise StoreError(
                "there is not enough disk space for the release's table",
                hint="free some space and try again",
            )
        transport.fetch_table(current.release_id, table, total, progress)

    def _verify(self, folder: Path, release_id: bytes, *, seen: bool = False) -> TrustedRelease:
        """Make every check; rows ``seen`` before need not be decoded again, only compared."""
        manifest, approvals = _read(folder / _MANIFEST), _read(folder / _APPROVALS)
        table = _map(folder / _TABLE)
        release = verify_release(
            manifest,
            table,
            approvals,
            self._policy,
            now=int(self._clock()),
            min_epoch=self.highest_epoch,
            rows_verified_for=release_id if seen else None,
            threads=self._threads,
        )
        if release.release_id != release_id:
            raise VerificationError("the release received is not the one asked for")
        in_use = self._state.setting(_IN_USE)
        if release.manifest.epoch == self.highest_epoch and release_id != in_use:
            raise RollbackError("two different releases carry the same epoch")
        return release

    def _switch(self, part: Path, release: TrustedRelease) -> None:
        """Rename the checked folder and put it in use; then drop what is no longer needed."""
        final = self._folder / release.release_id.hex()
        for name in (_MANIFEST, _APPROVALS, _TABLE):
            sync_path(part / name)
        sync_path(part)
        if final.exists():  # left by a process that ended between rename and commit
            shutil.rmtree(final)
        part.rename(final)
        sync_path(self._folder)
        with self._state.transaction():
            self._state.save_setting(_IN_USE, release.release_id)
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
            folder = self._folder / in_use.hex()
            manifest = parse_manifest(_read(folder / _MANIFEST))
            _map(folder / _TABLE).close()
        except Error as exc:
            return exc
        if int(self._clock()) >= manifest.expires_at:
            return ExpiredError("the release in use has expired; no voucher is made")
        return _describe(manifest, changed=False)


def _describe(manifest: Manifest, *, changed: bool) -> ReleaseUpdate:
    return ReleaseUpdate(changed, manifest.epoch, manifest.expires_at, manifest.rows)


def _gone() -> StoreError:
    return StoreError(
        "the files of the release in use are gone",
        hint="fetch it again with veilmatch client update",
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _gone() from None


def _map(path: Path) -> mmap.mmap:
    """Map the table; the rows that are read are loaded by the system when needed."""
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise TableError("the table file is empty")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise _gone() from None
