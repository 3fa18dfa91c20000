"""Who is let in, held in memory: no statement in the database for a request.

Each change moves one number in its own transaction; a process looks at that number every
second and reads everything again when it has moved. So a revocation holds within a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, and_, delete, select

from veilmatch.access.tables import (
    account_suspension,
    device_revocation,
    gate_version,
    platform,
    platform_credential,
)
from veilmatch.store.database import Database
from veilmatch.store.statements import insert

_ONE = 1


@dataclass(frozen=True)
class Snapshot:
    """One state of the gate."""

    version: int = -1
    suspended: frozenset[bytes] = field(default=frozenset(), repr=False)
    revoked: frozenset[bytes] = field(default=frozenset(), repr=False)  # account | device key id
    credentials: dict[bytes, tuple[bytes, int]] = field(default_factory=dict, repr=False)


class Gate:
    """Answers from memory. ``refresh`` reads again what has changed.

    Args:
        database: The store's database.
        clock: Gives seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock
        self._now = Snapshot()

    def refresh(self) -> None:
        """Read the state again if it has changed. Raises StoreError; then the old one holds."""
        with self._database.transaction() as connection:
            version = _version(connection)
            if version != self._now.version:
                self._now = _read(connection, version)

    def platform_of(self, digest: bytes) -> bytes | None:
        """Return the platform whose credential has this digest; None if none holds now."""
        found = self._now.credentials.get(digest)
        return None if found is None or found[1] <= self._clock() else found[0]

    def is_suspended(self, account: bytes) -> bool:
        """Say whether an account may not upload."""
        return account in self._now.suspended

    def is_revoked(self, account: bytes, device_key_id: bytes) -> bool:
        """Say whether a device may not speak for its account any more."""
        return account + device_key_id in self._now.revoked


def _version(connection: Connection) -> int:
    found: int | None = connection.execute(select(gate_version.c.version)).scalar()
    return found or 0


def _read(connection: Connection, version: int) -> Snapshot:
    suspended = connection.execute(select(account_suspension.c.account)).scalars()
    revoked = connection.execute(
        select(device_revocation.c.account, device_revocation.c.device_key_id)
    )
    table = platform_credential.c
    credentials = connection.execute(
        select(table.digest, table.platform_id, table.expires_at)
        .join_from(platform_credential, platform)
        .where(and_(table.revoked_at.is_(None), platform.c.state == "active"))
    )
    return Snapshot(
        version,
        frozenset(suspended),
        frozenset(account + device for account, device in revoked),
        {digest: (platform_id, expires_at) for digest, platform_id, expires_at in credentials},
    )


def move_gate(connection: Connection) -> None:
    """Say that the state has changed, inside the transaction of the change."""
    statement = insert(connection, gate_version).values(gate_id=_ONE, version=1)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[gate_version.c.gate_id],
            set_={"version": gate_version.c.version + 1},
        )
    )


def suspend_account(connection: Connection, account: bytes, now: int) -> None:
    """Refuse an account's uploads; suspending twice is once."""
    connection.execute(
        insert(connection, account_suspension)
        .values(account=account, suspended_at=now)
        .on_conflict_do_nothing()
    )
    move_gate(connection)


def reinstate_account(connection: Connection, account: bytes) -> None:
    """Take an account's uploads again."""
    connection.execute(delete(account_suspension).where(account_suspension.c.account == account))
    move_gate(connection)


def revoke_device(connection: Connection, account: bytes, device_key_id: bytes, now: int) -> None:
    """Refuse a device for good; it can neither upload nor delete."""
    connection.execute(
        insert(connection, device_revocation)
        .values(account=account, device_key_id=device_key_id, revoked_at=now)
        .on_conflict_do_nothing()
    )
    move_gate(connection)
