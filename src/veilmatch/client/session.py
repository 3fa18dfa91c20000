"""An open client's parts: the account, this device, its records, its releases, its connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from veilmatch.client.policy_file import parse_policy
from veilmatch.client.records import Records
from veilmatch.client.release_store import ReleaseStore
from veilmatch.client.state import State
from veilmatch.client.transport import Transport
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hazmat.signing import SigningKey
from veilmatch.secret import SYSTEM_RANDOM, RandomSource, SecretBytes
from veilmatch.voucher.account_secret import AccountSecret
from veilmatch.voucher.batch import certify_device

PictureSource = Callable[[bytes], bytes | None]
"""Gives the file of an asset id again, or None if it is gone."""

ACCOUNT, DEVICE, SERVER, TRUST = "account secret", "device key", "server", "trust"
RELEASES = "releases"
"""Names of the settings in the state file."""


@dataclass(frozen=True)
class ClientOptions:
    """What an app may set.

    Attributes:
        threads: Cores to use for hashing and for making vouchers.
        clock: Seconds since 1970, UTC.
        random: For the keys made by ``Client.create``.
        transport: Replaces the connection to the service.
        pictures: Gives pictures again that the app handed over without a path.
        releases: Another client's releases, for a host with many accounts and one table.
    """

    threads: int = 1
    clock: Callable[[], float] = time.time
    random: RandomSource = SYSTEM_RANDOM
    transport: Transport | None = None
    pictures: PictureSource | None = None
    releases: ReleaseStore | None = None


class Session:
    """Everything that the steps share. It owns the state file and closes it."""

    def __init__(self, state: State, options: ClientOptions) -> None:
        self.state = state
        self.options = options
        self.records = Records(state)
        self.account = AccountSecret(SecretBytes(state.require_setting(ACCOUNT)))
        self.device = SigningKey(SecretBytes(state.require_setting(DEVICE)))
        self.identity = certify_device(self.account, self.device.public_key)
        self.policy = parse_policy(state.require_setting(TRUST))
        self.hasher = build_hasher(self.policy.algorithm)
        self.releases = options.releases or ReleaseStore(
            state.path.with_name(f"{state.path.name}.releases"),
            state,
            self.policy,
            options.clock,
            threads=options.threads,
        )
        self._transport = options.transport

    def __repr__(self) -> str:
        return "Session(<private>)"

    @property
    def transport(self) -> Transport:
        """The connection to the service, made when first needed."""
        if self._transport is None:
            releases = self.state.setting(RELEASES)
            self._transport = Transport(
                self.state.require_setting(SERVER).decode(),
                releases=releases.decode() if releases else None,
            )
        return self._transport

    def now(self) -> int:
        """Seconds since 1970, UTC."""
        return int(self.options.clock())

    def close(self) -> None:
        """Close the connection and the state file."""
        if self._transport is not None:
            self._transport.close()
        self.state.close()
