"""A clock and accounts for the tests of the room."""

from __future__ import annotations

import os

import pytest
from argon2 import PasswordHasher

from veilmatch.access.login.password import Logins
from veilmatch.access.operators import NewOperator, Operators
from veilmatch.access.roles import Role
from veilmatch.access.sessions import Sessions
from veilmatch.privatelog.log import PrivateLog
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database

PASSWORD = "correct horse battery"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing a password takes long on purpose; ``test_passwords_cost_time`` looks at that."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("veilmatch.access.operators.hasher", quick)
    monkeypatch.setattr("veilmatch.access.login.password.hasher", quick)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crypter() -> Crypter:
    return Crypter([SecretBytes(os.urandom(32))])


@pytest.fixture
def operators(database: Database, crypter: Crypter, clock: Clock) -> Operators:
    return Operators(database, crypter, clock)


@pytest.fixture
def sessions(database: Database, clock: Clock) -> Sessions:
    return Sessions(database, clock)


@pytest.fixture
def anna(database: Database, operators: Operators) -> bytes:
    """A reviewer."""
    with database.transaction() as connection:
        return operators.add(connection, NewOperator("anna", frozenset({Role.REVIEWER}), PASSWORD))


@pytest.fixture
def log(database: Database, crypter: Crypter, clock: Clock) -> PrivateLog:
    return PrivateLog(database, crypter, clock)


@pytest.fixture
def logins(database: Database, crypter: Crypter, clock: Clock, log: PrivateLog) -> Logins:
    return Logins(database, crypter, clock, log)


def kinds(log: PrivateLog) -> list[str]:
    """What the private log says, in order; verified on the way."""
    log.verify()
    return [stored.record.kind for stored in log.read()]
