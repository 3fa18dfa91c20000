"""Logging in with a password and a code."""

from __future__ import annotations

import pyotp
import pytest
from sqlalchemy import select

from tests.unit.access.conftest import PASSWORD, Clock, kinds
from veilmatch.access.login.attempts import ADDRESS, NAME_AND_ADDRESS, SECOND_FACTOR, count_attempt
from veilmatch.access.login.password import Logins
from veilmatch.access.operators import Operators
from veilmatch.access.sessions import Sessions
from veilmatch.access.tables import login_step, operator
from veilmatch.errors import LimitError, PolicyError
from veilmatch.privatelog.log import PrivateLog
from veilmatch.store.database import Database

HOME = "192.0.2.1"


@pytest.fixture
def totp(database: Database, operators: Operators, anna: bytes) -> pyotp.TOTP:
    with database.transaction() as connection:
        uri = operators.make_totp(connection, anna)
    made = pyotp.parse_uri(uri)
    assert isinstance(made, pyotp.TOTP)
    return made


def test_password_and_code_open_a_session(
    database: Database,
    logins: Logins,
    sessions: Sessions,
    totp: pyotp.TOTP,
    anna: bytes,
    clock: Clock,
    log: PrivateLog,
) -> None:
    ticket = logins.login_password("anna", PASSWORD, HOME)
    with pytest.raises(PolicyError):
        sessions.verify(ticket)
    token = logins.login_totp(ticket, totp.at(clock.now))
    assert sessions.verify(token).operator_id == anna
    logins.logout(token)
    logins.logout(token)
    with pytest.raises(PolicyError):
        sessions.verify(token)
    assert kinds(log) == ["login", "logout"]
    with database.transaction() as connection:
        stored = connection.execute(select(operator)).one()
        assert connection.execute(select(login_step)).all() == []
    assert totp.secret.encode() not in stored.sealed_totp
    assert stored.password_hash.startswith("$argon2id$")


def test_a_code_is_good_once(
    logins: Logins, totp: pyotp.TOTP, clock: Clock, log: PrivateLog
) -> None:
    code = totp.at(clock.now)
    logins.login_totp(logins.login_password("anna", PASSWORD, HOME), code)
    again = logins.login_password("anna", PASSWORD, HOME)
    with pytest.raises(PolicyError):
        logins.login_totp(again, code)
    clock.now += 30
    logins.login_totp(again, totp.at(clock.now))
    with pytest.raises(PolicyError):
        logins.login_totp(again, totp.at(clock.now + 30))
    assert kinds(log) == ["login", "login.refused", "login"]


@pytest.mark.parametrize("shift", [-60, 60, 3600])
def test_a_code_of_another_time_is_refused(
    logins: Logins, totp: pyotp.TOTP, clock: Clock, shift: int
) -> None:
    ticket = logins.login_password("anna", PASSWORD, HOME)
    with pytest.raises(PolicyError):
        logins.login_totp(ticket, totp.at(clock.now + shift))


def test_wrong_name_and_wrong_password_look_alike(
    logins: Logins, anna: bytes, log: PrivateLog
) -> None:
    said: set[str] = set()
    for name, password in [
        ("anna", "wrong horse battery"),
        ("ben", PASSWORD),
        ("anna", ""),
        ("an\x00na", PASSWORD),
        ("\ud800", "\udfff"),
        ("anna", PASSWORD + "x" * 10_000),
    ]:
        with pytest.raises(PolicyError) as caught:
            logins.login_password(name, password, HOME + name[:0] + str(len(said)))
        assert not isinstance(caught.value, LimitError)
        said.add(str(caught.value))
    assert said == {"the login was refused"}
    assert kinds(log) == ["login.refused"] * 6
    assert all(b"anna" not in stored.data for stored in log.read())


def test_disabled_account_and_late_ticket_are_refused(
    database: Database,
    operators: Operators,
    logins: Logins,
    totp: pyotp.TOTP,
    anna: bytes,
    clock: Clock,
) -> None:
    ticket = logins.login_password("anna", PASSWORD, HOME)
    with database.transaction() as connection:
        operators.set_state(connection, anna, "disabled")
    with pytest.raises(PolicyError):
        logins.login_totp(ticket, totp.at(clock.now))
    with pytest.raises(PolicyError):
        logins.login_password("anna", PASSWORD, HOME)
    with database.transaction() as connection:
        operators.set_state(connection, anna, "active")
    clock.now += 300
    with pytest.raises(PolicyError):
        logins.login_totp(ticket, totp.at(clock.now))


def test_guessing_a_password_is_limited(
    logins: Logins, totp: pyotp.TOTP, clock: Clock, log: PrivateLog
) -> None:
    for _ in range(NAME_AND_ADDRESS.capacity):
        with pytest.raises(PolicyError):
            logins.login_password("anna", "wrong horse battery", HOME)
    before = len(log.read())
    with pytest.raises(LimitError) as caught:
        logins.login_password("anna", PASSWORD, HOME)
    assert caught.value.retry_after_s == NAME_AND_ADDRESS.leak_s
    assert len(log.read()) == before, "what a limit turns away does not fill the log"
    logins.login_password("anna", PASSWORD, "192.0.2.2")
    clock.now += NAME_AND_ADDRESS.leak_s
    ticket = logins.login_password("anna", PASSWORD, HOME)
    for _ in range(SECOND_FACTOR.capacity):
        with pytest.raises(PolicyError):
            logins.login_totp(ticket, "000000x")
    with pytest.raises(LimitError):
        logins.login_totp(ticket, totp.at(clock.now))


def test_buckets_leak_and_survive_a_clock_that_jumps(database: Database) -> None:
    def put(now: int) -> bool:
        with database.transaction() as connection:
            try:
                count_attempt(connection, ADDRESS, b"x", now)
            except LimitError:
                return False
        return True

    now = 1_000_000
    assert all(put(now) for _ in range(ADDRESS.capacity))
    assert not put(now)
    assert not put(now - 5000)
    assert put(now + ADDRESS.leak_s)
    assert not put(now + ADDRESS.leak_s + 1)
    assert [put(now + 3 * ADDRESS.leak_s) for _ in range(3)] == [True, True, False]
    assert all(put(now + 100_000) for _ in range(ADDRESS.capacity))
