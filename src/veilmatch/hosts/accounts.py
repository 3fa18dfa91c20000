"""One client per user of the host, and one release for all of them.

    <data>/keeper.db     the host's own client: it fetches and checks releases, uploads nothing
    <data>/users.db      which user is which account
    <data>/accounts/…    one state file per user

Used from one thread at a time, like the clients in it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from veilmatch.client.release_store import ReleaseUpdate
from veilmatch.client.sdk import Client
from veilmatch.client.session import ClientOptions
from veilmatch.client.steps.reports import AddReport
from veilmatch.client.transport import Progress, Transport, quiet
from veilmatch.errors import ConfigError, Error, InternalError, UnavailableError
from veilmatch.hosts.users import HostUsers
from veilmatch.release.trusted_release import TrustPolicy

_OPEN_CLIENTS = 32
_KEEPER, _USERS, _ACCOUNTS = "keeper.db", "users.db", "accounts"


class LentTransport(Transport):
    """A connection that many clients share; closing a client leaves it open."""

    def close(self) -> None:
        """Leave it open: it is the host's."""

    def end(self) -> None:
        """Close it."""
        super().close()


@dataclass
class SentToService:
    """What one round of sending did; counts alone.

    Attributes:
        sent: Vouchers that the service acknowledged.
        deleted: Deletions that it acknowledged.
        waiting: Vouchers that must be made again and whose picture is not there now.
        failed: Users whose turn failed, by the name of the error; they stay pending.
    """

    sent: int = 0
    deleted: int = 0
    waiting: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, other: SentToService) -> None:
        """Count a later round in; who still waits is what the later round says."""
        self.sent += other.sent
        self.deleted += other.deleted
        self.waiting, self.failed = other.waiting, other.failed


class HostAccounts:
    """The accounts of a host.

    Args:
        data: Folder of the state files; only the host's service may read it.
        options: Of every client.
    """

    def __init__(self, data: Path, options: ClientOptions | None = None) -> None:
        keeper = data / _KEEPER
        if not keeper.exists():
            raise ConfigError(
                "there is no host here",
                setting="data",
                hint="make one with veilmatch client host-init",
            )
        self._data, self._options = data, options or ClientOptions()
        self._keeper = Client.open(keeper, options=self._options)
        try:
            self._server, self._policy = self._keeper.server, self._keeper.policy
            self._users = HostUsers(data / _USERS)
        except BaseException:
            self._keeper.close()
            raise
        self._transport = self._options.transport or LentTransport(self._server)
        self._open: OrderedDict[int, Client] = OrderedDict()

    @classmethod
    def create(cls, data: Path, server: str, policy: TrustPolicy) -> None:
        """Make a host's folder. Raises ConfigError if there is one."""
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        Client.create(data / _KEEPER, server, policy).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return "HostAccounts(<private>)"

    def close(self) -> None:
        """Close every state file and the connection."""
        while self._open:
            self._open.popitem()[1].close()
        if isinstance(self._transport, LentTransport):
            self._transport.end()
        self._users.close()
        self._keeper.close()

    def update_release(self, progress: Progress = quiet) -> ReleaseUpdate:
        """Fetch and check the service's release, once for all users; see ``Client``."""
        return self._keeper.update_release(progress)

    def client_of(self, user: str) -> Client:
        """Return the user's client, made at the first picture. Raises InputError."""
        return self._client(self._users.number_of(user))

    def _client(self, number: int) -> Client:
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        path = self._data / _ACCOUNTS / f"{number:010d}.db"
        options = ClientOptions(
            threads=self._options.threads,
            clock=self._options.clock,
            random=self._options.random,
            transport=self._transport,
            releases=self._keeper.releases,
        )
        if path.exists():
            client = Client.open(path, options=options)
        else:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            client = Client.create(path, self._server, self._policy, options=options)
        self._users.save_account(number, client.account)
        self._open[number] = client
        while len(self._open) > _OPEN_CLIENTS:
            self._open.popitem(last=False)[1].close()
        return client

    def add_picture(self, user: str, data: bytes, asset_name: str | None = None) -> AddReport:
        """Make the voucher of a user's picture; durable when this returns.

        Args:
            user: The host's own name or number of the user.
            data: The picture's file.
            asset_name: The host's own name of the picture; without it the id comes from the
                file's bytes.

        Raises:
            As ``Client.add_picture``; InputError: not a name that a user may have.
        """
        number = self._users.number_of(user)
        client = self._client(number)
        self._users.mark_pending(number, is_pending=True)
        asset_id = None if asset_name is None else client.derive_asset_id(asset_name)
        return client.add_picture(data, asset_id)

    def delete_picture(self, user: str, asset_name: str) -> None:
        """Have the voucher of a picture deleted that was added under a name."""
        self.delete(user, [self.client_of(user).derive_asset_id(asset_name)])

    def add_files(self, user: str, files: Sequence[tuple[Path, str | None]]) -> AddReport:
        """Make the vouchers of files of a user's; see ``Client.add_files``."""
        number = self._users.number_of(user)
        client = self._client(number)
        self._users.mark_pending(number, is_pending=True)
        return client.add_files(files)

    def delete(self, user: str, asset_ids: list[bytes]) -> int:
        """Have vouchers of a user deleted; durable when this returns, sent as soon as possible.

        Returns:
            How many of the ids were known.
        """
        number = self._users.number_of(user)
        client = self._client(number)
        self._users.mark_pending(number, is_pending=True)
        try:
            return client.delete(asset_ids)
        except UnavailableError:
            return len(asset_ids)  # kept in the state file; the next round sends them

    def send_pending(self) -> SentToService:
        """Send what waits, user after user; one user's failure does not hold up the others."""
        total = SentToService()
        for number, _name in self._users.pending():
            try:
                report = self._client(number).send()
            except InternalError:
                raise
            except Error as exc:
                total.failed[type(exc).__name__] += 1
                continue
            total.sent += report.sent
            total.deleted += report.deleted
            total.waiting += report.waiting
            if not report.waiting:
                self._users.mark_pending(number, is_pending=False)
        return total

    def find_user(self, account: bytes) -> str | None:
        """Return the user behind a pseudonym that the service named, or None."""
        return self._users.find_by_account(account)

    def user_count(self) -> int:
        """Count the users that ever had a picture."""
        return self._users.count()

    def pending_count(self) -> int:
        """Count the users with something to send."""
        return len(self._users.pending())
