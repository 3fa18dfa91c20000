"""The administration API in this process, with one person of each role."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest
from argon2 import PasswordHasher

from tests.simulators.asgi import InProcess
from veilmatch.access.login.sites import PasskeySite
from veilmatch.access.operators import NewOperator
from veilmatch.access.roles import Role
from veilmatch.admin.app import create_admin
from veilmatch.admin.guard import AdminParts
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database

ORIGIN = "https://service"
PASSWORD = "correct horse battery"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class House:
    """The interface and its people."""

    parts: AdminParts
    http: InProcess
    clock: Clock
    ids: dict[Role, bytes] = field(default_factory=dict)
    tokens: dict[Role, str] = field(default_factory=dict)
    plain_tokens: dict[Role, str] = field(default_factory=dict)

    def headers(self, role: Role | None, *, stepped_up: bool = True) -> dict[str, str]:
        """The header that a person of this role sends; none without a role."""
        if role is None:
            return {}
        tokens = self.tokens if stepped_up else self.plain_tokens
        return {"Authorization": f"Bearer {tokens[role]}"}

    def kinds(self) -> list[str]:
        """What the private log says, verified."""
        self.parts.log.verify()
        return [stored.record.kind for stored in self.parts.log.read()]


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing a password takes long on purpose."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("veilmatch.access.operators.hasher", quick)
    monkeypatch.setattr("veilmatch.access.login.password.hasher", quick)


@pytest.fixture
def house(database: Database) -> House:
    clock = Clock()
    parts = AdminParts(
        database,
        Crypter([SecretBytes(os.urandom(32))]),
        clock,
        settings={"port": 8462},
        passkey_site=PasskeySite("service", (ORIGIN,)),
    )
    made = House(parts, InProcess(create_admin(parts)), clock)
    for role in Role:
        with database.transaction() as connection:
            new = NewOperator(role.value, frozenset({role}), PASSWORD)
            made.ids[role] = parts.operators.add(connection, new)
        made.tokens[role] = parts.sessions.open(made.ids[role], stepped_up=True)
        made.plain_tokens[role] = parts.sessions.open(made.ids[role])
    return made
