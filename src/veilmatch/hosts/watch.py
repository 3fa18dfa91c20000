"""``veilmatch client watch``: look at a folder of uploads again and again.

    DIR/<user>/…    every folder below DIR is one user of the host
    DIR/…           with one user for all, where the host has no users

Polling, on purpose: it works on every file system, network ones included, and a restart
misses nothing.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from veilmatch.client.steps.files import walk_files
from veilmatch.errors import ConfigError, Error, UnavailableError
from veilmatch.hosts.accounts import HostAccounts, SentToService

SETTLE_S = 2.0
"""A file is looked at once it has not changed for so long: uploads are written in pieces."""
SEND_EVERY_S = 10.0
"""A long look sends so often; what was made does not wait for the folder's end."""
BATCH = 32
"""Files of a user that are committed together."""


@dataclass
class WatchRound:
    """What one look at the folder did; counts alone.

    Attributes:
        added: Vouchers made.
        known: Files decided earlier.
        refused: Files that could not be hashed, by reason: nobody knows what they are.
        unsettled: Files that are still being written.
        gone: Vouchers deleted because their file is gone.
        sent: What was sent.
    """

    added: int = 0
    known: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unsettled: int = 0
    gone: int = 0
    sent: SentToService = field(default_factory=SentToService)


_Stamp = tuple[int, int, int]


class Watch:
    """Watches one folder.

    Args:
        accounts: The host's accounts.
        folder: Uploads.
        one_user: All files belong to this user; otherwise each folder below is a user.
        is_deleting: Delete a voucher whose file is gone.
    """

    def __init__(
        self,
        accounts: HostAccounts,
        folder: Path,
        *,
        one_user: str = "",
        is_deleting: bool = False,
    ) -> None:
        if not folder.is_dir():
            raise ConfigError(f"there is no folder {folder}", setting="folder")
        self._accounts, self._folder = accounts, folder
        self._one_user, self._is_deleting = one_user, is_deleting
        # What was looked at in this process; after a restart everything is offered again,
        # and the state files say what is known.
        self._seen: dict[str, dict[Path, _Stamp]] = {}
        self._sent_at = time.monotonic()

    def look(self) -> WatchRound:
        """Look once: add what is new and settled, delete what is gone, send.

        Raises:
            ConfigError, ExpiredError: There is no release that may be used.
        """
        found = WatchRound()
        for user, folder in self._users():
            self._look_at(user, folder, found)
        self._send(found)
        return found

    def _send(self, found: WatchRound) -> None:
        found.sent.add(self._accounts.send_pending())
        self._sent_at = time.monotonic()

    def _users(self) -> Iterator[tuple[str, Path]]:
        if self._one_user:
            yield self._one_user, self._folder
            return
        for folder in sorted(self._folder.iterdir()):
            if folder.is_dir() and not folder.is_symlink():
                yield folder.name, folder

    def _look_at(self, user: str, folder: Path, found: WatchRound) -> None:
        seen = self._seen.setdefault(user, {})
        now, present = time.time(), set[Path]()
        fresh: list[tuple[Path, str | None, _Stamp]] = []
        for file, reason in walk_files(folder):
            present.add(file)
            stamp = _stamp(file)
            if stamp is None or (reason is None and now - stamp[0] / 1e9 < SETTLE_S):
                found.unsettled += 1
            elif seen.get(file) != stamp:
                fresh.append((file, reason, stamp))
                if len(fresh) == BATCH:
                    self._add(user, fresh, found)
                    fresh = []
        if fresh:
            self._add(user, fresh, found)
        for file in [file for file in seen if file not in present]:
            del seen[file]
        if self._is_deleting:
            self._delete_gone(user, folder, present, found)

    def _add(
        self, user: str, fresh: list[tuple[Path, str | None, _Stamp]], found: WatchRound
    ) -> None:
        # A file that went away since is no refusal; the next look sees that it is gone.
        there = [(file, reason) for file, reason, _ in fresh if os.path.lexists(file)]
        report = self._accounts.add_files(user, there)
        self._seen[user].update((file, stamp) for file, _, stamp in fresh)
        found.added += report.added
        found.known += report.known
        found.refused.update(report.refused)
        if time.monotonic() - self._sent_at >= SEND_EVERY_S:
            self._send(found)

    def _delete_gone(self, user: str, folder: Path, present: set[Path], found: WatchRound) -> None:
        client = self._accounts.client_of(user)
        recorded = client.sources_below(folder)
        gone = {asset_id for source, asset_id in recorded if Path(source) not in present}
        if gone:
            # A file that was renamed is known by its bytes under the name it had before.
            for file in present - {Path(source) for source, _ in recorded}:
                gone.difference_update(client.find_assets(file))
        if gone:
            found.gone += self._accounts.delete(user, sorted(gone))


def _stamp(file: Path) -> _Stamp | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def refresh(accounts: HostAccounts) -> str:
    """Fetch the current release if that is possible now.

    Returns:
        An empty string, or why the one in use stays; that is no failure while it is valid.
    """
    try:
        accounts.update_release()
    except UnavailableError as exc:
        return str(exc)
    except Error as exc:
        return f"{type(exc).__name__}: {exc}"
    return ""
