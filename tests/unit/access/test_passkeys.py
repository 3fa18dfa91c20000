"""Passkeys, with a software authenticator that signs."""

from __future__ import annotations

import json

import pytest

from tests.simulators.authenticator import USER_PRESENT, Authenticator
from tests.unit.access.conftest import PASSWORD, Clock, kinds
from veilmatch.access.login.passkeys import FRESH_S, Passkeys
from veilmatch.access.login.password import Logins
from veilmatch.access.login.sites import PasskeySite
from veilmatch.access.operators import NewOperator, Operators
from veilmatch.access.roles import STEP_UP_MAX_AGE_S, Role, require_step_up
from veilmatch.access.sessions import Sessions
from veilmatch.errors import PolicyError
from veilmatch.privatelog.log import PrivateLog
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database

ORIGIN = "https://review.example"


@pytest.fixture
def passkeys(database: Database, crypter: Crypter, clock: Clock, log: PrivateLog) -> Passkeys:
    return Passkeys(database, crypter, clock, log, PasskeySite("review.example", (ORIGIN,)))


@pytest.fixture
def session(sessions: Sessions, anna: bytes) -> str:
    return sessions.open(anna)


@pytest.fixture
def key(passkeys: Passkeys, session: str) -> Authenticator:
    """Anna's key, added."""
    made, begun = Authenticator(ORIGIN), passkeys.begin_registration(session)
    passkeys.finish_registration(session, begun.token, made.create(begun.options))
    return made


def _step_up(passkeys: Passkeys, session: str, key: Authenticator) -> int | None:
    begun = passkeys.begin_webauthn(session)
    return passkeys.finish_webauthn(session, begun.token, key.get(begun.options)).stepped_up_at


def test_step_up(
    passkeys: Passkeys,
    sessions: Sessions,
    session: str,
    key: Authenticator,
    clock: Clock,
    log: PrivateLog,
) -> None:
    clock.now += STEP_UP_MAX_AGE_S + 1
    with pytest.raises(PolicyError):
        require_step_up(sessions.verify(session), clock.now)
    assert _step_up(passkeys, session, key) == clock.now
    require_step_up(sessions.verify(session), clock.now)
    assert kinds(log) == ["passkey.added", "step_up"]


def test_second_factor_opens_a_session_that_is_stepped_up(
    passkeys: Passkeys, logins: Logins, sessions: Sessions, key: Authenticator, anna: bytes
) -> None:
    ticket = logins.login_password("anna", PASSWORD, "192.0.2.1")
    begun = passkeys.begin_second_factor(ticket)
    token = passkeys.finish_second_factor(ticket, begun.token, key.get(begun.options))
    who = sessions.verify(token)
    assert who.operator_id == anna
    assert who.stepped_up_at is not None
    with pytest.raises(PolicyError):
        passkeys.begin_second_factor(ticket)


def test_wrong_answers_are_refused_and_noted(
    passkeys: Passkeys, session: str, key: Authenticator, log: PrivateLog
) -> None:
    unverified = Authenticator(
        ORIGIN, USER_PRESENT, 10, credential_id=key.credential_id, key=key.key
    )
    elsewhere = Authenticator(
        "https://review.example.evil", sign_count=10, credential_id=key.credential_id, key=key.key
    )
    another_key = Authenticator(ORIGIN, sign_count=10, credential_id=key.credential_id)
    unknown = Authenticator(ORIGIN)
    copied = Authenticator(ORIGIN, sign_count=0, credential_id=key.credential_id, key=key.key)
    for wrong in (unverified, elsewhere, another_key, unknown, copied):
        with pytest.raises(PolicyError):
            _step_up(passkeys, session, wrong)
    for junk in ("", "{}", "[]", "null", "x" * 20_000, '{"id": 7}', '{"id": "\\ud800"}'):
        begun = passkeys.begin_webauthn(session)
        with pytest.raises(PolicyError):
            passkeys.finish_webauthn(session, begun.token, junk)
    assert kinds(log) == ["passkey.added"] + ["login.refused"] * 12
    key.sign_count = 20
    _step_up(passkeys, session, key)


def test_a_challenge_is_good_once_and_for_its_own_person(
    passkeys: Passkeys,
    database: Database,
    operators: Operators,
    sessions: Sessions,
    session: str,
    key: Authenticator,
) -> None:
    begun = passkeys.begin_webauthn(session)
    answer = key.get(begun.options)
    passkeys.finish_webauthn(session, begun.token, answer)
    with pytest.raises(PolicyError):
        passkeys.finish_webauthn(session, begun.token, answer)
    with database.transaction() as connection:
        ben = operators.add(connection, NewOperator("ben", frozenset({Role.LEAD}), PASSWORD))
    of_ben = sessions.open(ben)
    with pytest.raises(PolicyError):
        passkeys.begin_webauthn(of_ben)
    begun = passkeys.begin_webauthn(session)
    with pytest.raises(PolicyError):
        passkeys.finish_webauthn(of_ben, begun.token, key.get(begun.options))
    registration = passkeys.begin_registration(of_ben)
    made = Authenticator(ORIGIN).create(registration.options)
    with pytest.raises(PolicyError):
        passkeys.finish_registration(session, registration.token, made)


def test_who_may_add_a_passkey(
    passkeys: Passkeys, sessions: Sessions, session: str, anna: bytes, clock: Clock
) -> None:
    clock.now += FRESH_S + 1
    with pytest.raises(PolicyError):
        passkeys.begin_registration(session)
    fresh = sessions.open(anna)
    first = Authenticator(ORIGIN)
    for wrong in (Authenticator(ORIGIN, USER_PRESENT), Authenticator("https://evil.example")):
        begun = passkeys.begin_registration(fresh)
        with pytest.raises(PolicyError):
            passkeys.finish_registration(fresh, begun.token, wrong.create(begun.options))
    begun = passkeys.begin_registration(fresh)
    with pytest.raises(PolicyError):
        passkeys.finish_registration(fresh, begun.token, json.dumps({"id": "x"}))
    begun = passkeys.begin_registration(fresh)
    passkeys.finish_registration(fresh, begun.token, first.create(begun.options))
    # From now on it takes a passkey to add one; a stolen session does not do.
    with pytest.raises(PolicyError):
        passkeys.begin_registration(sessions.open(anna))
    begun = passkeys.begin_registration(fresh)
    with pytest.raises(PolicyError):
        passkeys.finish_registration(fresh, begun.token, first.create(begun.options))
