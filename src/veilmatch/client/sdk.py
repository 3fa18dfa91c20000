"""The SDK: the one class that an app imports.

    with Client.open(path) as client:
        client.update_release()
        client.add_picture(photo_bytes, asset_id)
        client.send()

Nothing that it returns, raises or prints says whether a picture matched: the device does not
know. Guide: ``docs/guides/app-developer.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from veilmatch.client.account_file import AccountExport, parse_account_export
from veilmatch.client.policy_file import parse_policy, policy_to_bytes
from veilmatch.client.records import Records
from veilmatch.client.release_store import ReleaseStore, ReleaseUpdate
from veilmatch.client.session import (
    ACCOUNT,
    DEVICE,
    RELEASES,
    SERVER,
    TRUST,
    ClientOptions,
    Session,
)
from veilmatch.client.state import State
from veilmatch.client.steps.adding import Adder
from veilmatch.client.steps.files import absolute
from veilmatch.client.steps.reports import AddReport, SendReport, Status
from veilmatch.client.steps.sending import Sender
from veilmatch.client.transport import Progress, check_server, quiet
from veilmatch.errors import Error, InputError
from veilmatch.hazmat.prf import digest
from veilmatch.release.trusted_release import TrustPolicy
from veilmatch.secret import SecretBytes
from veilmatch.voucher.account_secret import AccountSecret


class Client:
    """One account on one device. Made by ``create`` or ``open``; used from one thread at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._adder = Adder(session)
        self._sender = Sender(session, self._adder)

    @classmethod
    def create(
        cls,
        state_path: Path,
        server: str,
        policy: TrustPolicy,
        *,
        releases: str | None = None,
        account: bytes | None = None,
        options: ClientOptions | None = None,
    ) -> Client:
        """Make a client: a fresh account, or one more device of an account.

        Args:
            state_path: Where the state file will be; nothing may stand there.
            server: The service's address.
            policy: What this client accepts; see ``policy_file``.
            releases: Where the release files are, if not at the service.
            account: What ``export_account`` gave on another device.
            options: See there.

        Raises:
            ConfigError: The path is taken, or the address or the policy is not usable.
            EncodingError: The account file is malformed.
        """
        options = options or ClientOptions()
        export = parse_account_export(account) if account is not None else None
        secret = export.secret if export else AccountSecret.generate(options.random).reveal()
        trust = policy_to_bytes(policy)
        parse_policy(trust)
        settings = {
            ACCOUNT: secret.reveal(),
            DEVICE: SecretBytes.generate(32, options.random).reveal(),
            SERVER: check_server(server).encode(),
            TRUST: trust,
        }
        if releases is not None:
            settings[RELEASES] = check_server(releases).encode()

        def fill(state: State) -> None:
            if export:
                _merge(state, export)

        return cls._start(State.create(state_path, settings, fill), options)

    @classmethod
    def open(
        cls,
        state_path: Path,
        *,
        server: str | None = None,
        releases: str | None = None,
        policy: TrustPolicy | None = None,
        options: ClientOptions | None = None,
    ) -> Client:
        """Open a client that ``create`` made.

        Args:
            state_path: Its state file.
            server: The service's address from now on, if it is another one.
            releases: Where the release files are from now on.
            policy: What this client accepts from now on; an app passes what it was shipped with.
            options: See there.

        Raises:
            ConfigError: There is none at the path, or the address or the policy is not usable.
            StoreError: Another process uses it, or it is damaged.
        """
        changes = {}
        if server is not None:
            changes[SERVER] = check_server(server).encode()
        if releases is not None:
            changes[RELEASES] = check_server(releases).encode()
        if policy is not None:
            changes[TRUST] = policy_to_bytes(policy)
            parse_policy(changes[TRUST])
        state = State(state_path)
        if any(state.setting(name) != value for name, value in changes.items()):
            with state.transaction():
                for name, value in changes.items():
                    state.save_setting(name, value)
        return cls._start(state, options or ClientOptions())

    @classmethod
    def _start(cls, state: State, options: ClientOptions) -> Client:
        try:
            return cls(Session(state, options))
        except BaseException:
            state.close()
            raise

    def close(self) -> None:
        """Close the state file and the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "Client(<private>)"

    @property
    def account(self) -> bytes:
        """The account's pseudonym at the service, 16 bytes; for a host that keeps accounts."""
        return self._session.identity.account

    @property
    def server(self) -> str:
        """The service's address."""
        return self._session.state.require_setting(SERVER).decode()

    @property
    def policy(self) -> TrustPolicy:
        """What this client accepts."""
        return self._session.policy

    @property
    def releases(self) -> ReleaseStore:
        """This client's releases, to be lent to others by ``ClientOptions.releases``."""
        return self._session.releases

    def update_release(self, progress: Progress = quiet) -> ReleaseUpdate:
        """Fetch the service's release, check it, and use it from now on.

        The release in use stays until a new one passes every check.

        Raises:
            NetworkError, StoreError: Try again; what was fetched so far is kept.
            VerificationError, EncodingError: The release is not accepted.
        """
        return self._session.releases.update(self._session.transport, progress)

    def add_picture(self, data: bytes, asset_id: bytes | None = None) -> AddReport:
        """Decide about one picture and make its voucher. Nothing is sent yet.

        Args:
            data: The picture's file.
            asset_id: The app's own id of the picture: 16 random bytes, the same on every
                device of the account. Without it the id comes from the file's bytes.

        Raises:
            ConfigError: No release is there. ExpiredError: It is too old.
            LengthError: The id has not 16 bytes.
            DuplicateError: The id belongs to another file, or was deleted.
        """
        return self._adder.add_picture(data, asset_id)

    def add_folder(self, path: Path, progress: Progress = quiet) -> AddReport:
        """Decide about every file in a folder and below, or about one file.

        Files are committed 32 at a time: killed at any moment, the next call goes on.

        Raises:
            ConfigError: There is nothing at the path, or no release is there.
            ExpiredError: The release is too old.
        """
        return self._adder.add_folder(path, progress)

    def add_files(
        self, files: Sequence[tuple[Path, str | None]], progress: Progress = quiet
    ) -> AddReport:
        """Decide about files that the caller found itself, committed 32 at a time.

        Args:
            files: Absolute paths, each with None or with the reason why it is not to be read.
            progress: Called with (files done, files in all).

        Raises:
            ConfigError: No release is there.
            ExpiredError: The release is too old.
        """
        return self._adder.add_files(files, progress)

    def find_assets(self, path: Path) -> list[bytes]:
        """Return the ids of what was added from a file or folder, still there or not."""
        return self._adder.find_assets(path)

    def sources_below(self, folder: Path) -> list[tuple[str, bytes]]:
        """Return (path, asset id) of what was added from files below a folder."""
        return self._session.records.sources_below(str(absolute(folder)))

    def derive_asset_id(self, name: str) -> bytes:
        """Return the 16-byte id for an app's own name of a picture, the same on every device.

        Nobody without the account's secret can tell names from ids.
        """
        return self._session.account.derive_asset_id(digest("asset name", name.encode()))

    def send(self, progress: Progress = quiet) -> SendReport:
        """Send what waits: deletions first, then vouchers in batches.

        Stopped at any moment, the next call sends the very same bytes again; the service counts
        them once. If the service has moved on to a newer release, that one is fetched, and the
        vouchers it refused are made again with the kind they had.

        Raises:
            NetworkError: Not everything was acknowledged; call again later.
            EpochError: The service refuses the very release that it offers.
            SignatureError, PolicyError, EncodingError, LengthError: As the service answers.
        """
        return self._sender.send(progress)

    def delete(self, asset_ids: Iterable[bytes]) -> int:
        """Have vouchers deleted at the service; return how many of the ids were known.

        The wish is durable before anything is sent: after a NetworkError, ``send`` repeats it.
        A deleted id is never used again; the same picture added later gets another one.
        """
        return self._sender.delete(asset_ids)

    def status(self) -> Status:
        """Say where this client stands."""
        records = self._session.records
        queued, waiting = records.count_queued()
        states = records.count_states()
        release = self._session.releases.describe()
        return Status(
            queued=queued,
            waiting=waiting,
            sent=states.get("sent", 0),
            deleting=states.get("deleting", 0),
            refused=records.count_refused(),
            release=None if isinstance(release, Error) else release,
            release_error=release if isinstance(release, Error) else None,
            kinds=records.count_kinds(),
        )

    def export_account(self) -> bytes:
        """Return account secret and asset records, for another device of the same account.

        Secret: all of it. Only over a channel that is encrypted end to end between the account's
        own devices; never to the service.
        """
        session = self._session
        count = session.records.upload_count
        return AccountExport(session.account.reveal(), count, session.records.export()).to_bytes()

    def import_account(self, data: bytes) -> int:
        """Take over what another device of the account decided; return how many were news.

        Raises:
            EncodingError: Malformed. InputError: It is another account's.
        """
        export = parse_account_export(data)
        if export.secret != self._session.account.reveal():
            raise InputError(
                "the account file is another account's",
                hint="make a second state file for a second account",
            )
        return _merge(self._session.state, export)


def _merge(state: State, export: AccountExport) -> int:
    """Take over another device's records and counter in one transaction."""
    records = Records(state)
    with state.transaction():
        news = records.merge(export.records)
        known = sum(records.count_states().values())
        records.save_upload_count(max(records.upload_count, export.upload_count, known))
    return news
