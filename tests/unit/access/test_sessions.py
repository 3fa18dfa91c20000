"""Roles, accounts and sessions."""

from __future__ import annotations

import itertools

import pytest
from argon2 import Type
from sqlalchemy import select, update

from tests.unit.access.conftest import PASSWORD, Clock
from veilmatch.access.operators import NewOperator, Operators
from veilmatch.access.operators import hasher as real_hasher
from veilmatch.access.roles import (
    Principal,
    Role,
    check_roles,
    parse_roles,
    require_role,
    require_step_up,
)
from veilmatch.access.sessions import MAX_AGE_S, MAX_IDLE_S, Sessions
from veilmatch.access.tables import operator, operator_session
from veilmatch.errors import ConfigError, PolicyError, SessionError, StoreError
from veilmatch.store.database import Database


@pytest.mark.parametrize(
    "pair", list(itertools.combinations(Role, 2)), ids=lambda p: "-".join(r.value for r in p)
)
def test_reviewing_and_administering_exclude_each_other(
    database: Database, anna: bytes, operators: Operators, pair: tuple[Role, Role]
) -> None:
    excluded = Role.ADMIN in pair and bool({Role.REVIEWER, Role.LEAD} & set(pair))
    names = [role.value for role in pair]
    if not excluded:
        assert parse_roles(names) == frozenset(pair)
        with database.transaction() as connection:
            operators.set_roles(connection, anna, frozenset(pair))
        return
    with pytest.raises(ConfigError):
        parse_roles(names)
    with pytest.raises(ConfigError), database.transaction() as connection:
        operators.set_roles(connection, anna, frozenset(pair))
    # And the database itself refuses it, whatever the program does.
    columns = {f"is_{role.value}": role in pair for role in Role}
    with pytest.raises(StoreError), database.transaction() as connection:
        connection.execute(update(operator).where(operator.c.operator_id == anna).values(**columns))


def test_passwords_cost_time() -> None:
    """RFC 9106, second recommended set."""
    assert real_hasher.type is Type.ID
    assert (real_hasher.time_cost, real_hasher.memory_cost, real_hasher.parallelism) == (
        3,
        65_536,
        4,
    )


def test_roles_are_named_and_at_least_one() -> None:
    for wrong in ([], ["king"], ["Reviewer"]):
        with pytest.raises(ConfigError):
            parse_roles(wrong)
    with pytest.raises(ConfigError):
        check_roles(frozenset())


def test_role_and_step_up_are_required() -> None:
    who = Principal(bytes(16), "anna", frozenset({Role.REVIEWER, Role.REPORTER}), None)
    require_role(who, Role.LEAD, Role.REPORTER)
    for roles in ((Role.ADMIN,), (Role.LEAD, Role.AUDITOR), ()):
        with pytest.raises(PolicyError):
            require_role(who, *roles)
    with pytest.raises(PolicyError):
        require_step_up(who, 1000)
    stepped = Principal(who.operator_id, who.name, who.roles, 1000)
    require_step_up(stepped, 1000)
    require_step_up(stepped, 1300)
    for now in (1301, 999):
        with pytest.raises(PolicyError):
            require_step_up(stepped, now)
    assert "anna" not in repr(who)


def test_accounts_are_refused_when_unfit(database: Database, operators: Operators) -> None:
    roles = frozenset({Role.AUDITOR})
    unfit = [
        NewOperator("", roles, PASSWORD),
        NewOperator("a\nb", roles, PASSWORD),
        NewOperator("a" * 65, roles, PASSWORD),
        NewOperator("ben", roles, "short"),
        NewOperator("ben", roles, "x" * 257),
        NewOperator("ben", roles),
        NewOperator("ben", roles, issuer="https://id.example"),
        NewOperator("ben", frozenset(), PASSWORD),
    ]
    for new in unfit:
        with pytest.raises(ConfigError), database.transaction() as connection:
            operators.add(connection, new)
    assert operators.list_all() == []


def test_a_name_is_taken_once_and_the_transaction_goes_on(
    database: Database, operators: Operators, anna: bytes
) -> None:
    with database.transaction() as connection:
        with pytest.raises(ConfigError):
            operators.add(connection, NewOperator("anna", frozenset({Role.ADMIN}), PASSWORD))
        operators.add(connection, NewOperator("ben", frozenset({Role.ADMIN}), PASSWORD))
    assert [one.name for one in operators.list_all()] == ["anna", "ben"]
    assert operators.find("anna") == anna
    with pytest.raises(ConfigError):
        operators.find("carl")


def test_session_lives_until_closed(
    database: Database, sessions: Sessions, anna: bytes, clock: Clock
) -> None:
    token = sessions.open(anna)
    who = sessions.verify(token)
    assert (who.operator_id, who.name, who.roles) == (anna, "anna", frozenset({Role.REVIEWER}))
    assert who.stepped_up_at is None
    with database.transaction() as connection:
        stored = connection.execute(select(operator_session)).one()
        sessions.step_up_in(connection, token)
    assert token.encode() not in b"".join(v for v in stored if isinstance(v, bytes))
    assert sessions.verify(token).stepped_up_at == clock.now
    sessions.close(token)
    sessions.close(token)
    for gone in (token, "", "x" * 1000, "\udce4"):
        with pytest.raises(PolicyError):
            sessions.verify(gone)


def test_session_ends_by_age_and_by_idleness(sessions: Sessions, anna: bytes, clock: Clock) -> None:
    idle, busy = sessions.open(anna), sessions.open(anna, stepped_up=True)
    assert sessions.verify(busy).stepped_up_at == clock.now
    start = clock.now
    while clock.now + MAX_IDLE_S - 1 < start + MAX_AGE_S:
        clock.now += MAX_IDLE_S - 1
        sessions.verify(busy)
    clock.now = start + MAX_AGE_S
    for token in (idle, busy):
        with pytest.raises(PolicyError):
            sessions.verify(token)


def test_disabling_ends_sessions_and_roles_are_read_afresh(
    database: Database, operators: Operators, sessions: Sessions, anna: bytes
) -> None:
    token = sessions.open(anna)
    with database.transaction() as connection:
        operators.set_roles(connection, anna, frozenset({Role.AUDITOR}))
    assert sessions.verify(token).roles == {Role.AUDITOR}
    with database.transaction() as connection:
        operators.set_state(connection, anna, "disabled")
    with pytest.raises(PolicyError):
        sessions.verify(token)
    with database.transaction() as connection:
        operators.set_state(connection, anna, "active")
    sessions.verify(token)
    with database.transaction() as connection:
        sessions.close_all_in(connection, anna)
    with pytest.raises(PolicyError):
        sessions.verify(token)


def test_a_session_of_the_future_is_over(database: Database, anna: bytes, clock: Clock) -> None:
    """The clock was set back: its age would not be known for a day."""
    sessions = Sessions(database, clock)
    token = sessions.open(anna)
    clock.now -= MAX_IDLE_S
    assert sessions.verify(token).operator_id == anna
    clock.now -= 1
    with pytest.raises(SessionError):
        sessions.verify(token)
