"""Platforms, suspensions, revocations, rates and quotas."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.simulators.certificates import make_certificate
from tests.unit.access.conftest import Clock
from veilmatch.access.gate.platforms import Platforms, fingerprint_of
from veilmatch.access.gate.rates import Rates
from veilmatch.access.gate.snapshot import (
    Gate,
    reinstate_account,
    revoke_device,
    suspend_account,
)
from veilmatch.access.gate.usage import Quotas, Usage, read_usage
from veilmatch.access.sessions import digest_of
from veilmatch.access.tables import platform_credential
from veilmatch.clock import DAY_S
from veilmatch.errors import ConfigError
from veilmatch.store.database import Database

ANNA, BEN = b"a" * 16, b"b" * 16


@pytest.fixture
def platforms(database: Database, clock: Clock) -> Platforms:
    return Platforms(database, clock)


@pytest.fixture
def gate(database: Database, clock: Clock) -> Gate:
    made = Gate(database, clock)
    made.refresh()
    return made


def test_token_opens_until_it_expires_or_is_revoked(
    database: Database, platforms: Platforms, gate: Gate, clock: Clock
) -> None:
    with database.transaction() as connection:
        forum = platforms.add(connection, "forum")
        short = platforms.add_token(connection, forum, 100)
        long = platforms.add_token(connection, forum, 1000)
        stored = connection.execute(select(platform_credential)).all()
    assert gate.platform_of(digest_of(short.token)) is None, "not read yet"
    gate.refresh()
    assert gate.platform_of(digest_of(short.token)) == forum
    assert gate.platform_of(digest_of("vmp_x")) is None
    assert all(short.token not in repr(row) for row in stored)
    assert short.token not in repr(short)
    clock.now += 100
    assert gate.platform_of(digest_of(short.token)) is None
    assert gate.platform_of(digest_of(long.token)) == forum
    with database.transaction() as connection:
        platforms.revoke(connection, long.credential_id)
        with pytest.raises(ConfigError):
            platforms.revoke(connection, long.credential_id)
    gate.refresh()
    assert gate.platform_of(digest_of(long.token)) is None
    assert [one.kind for one in platforms.list_credentials(forum)] == ["token", "token"]


def test_certificate_opens_and_a_disabled_platform_does_not(
    database: Database, platforms: Platforms, gate: Gate
) -> None:
    made = make_certificate("forum")
    with database.transaction() as connection:
        forum = platforms.add(connection, "forum")
        platforms.add_certificate(connection, forum, made.pem, 1000)
        with pytest.raises(ConfigError):
            platforms.add_certificate(connection, forum, made.pem, 1000)
        with pytest.raises(ConfigError):
            platforms.add_certificate(connection, forum, b"junk", 1000)
    gate.refresh()
    assert gate.platform_of(fingerprint_of(made.der)) == forum
    with database.transaction() as connection:
        platforms.set_state(connection, forum, "disabled")
    gate.refresh()
    assert gate.platform_of(fingerprint_of(made.der)) is None


def test_unfit_platforms_are_refused(database: Database, platforms: Platforms) -> None:
    with database.transaction() as connection:
        forum = platforms.add(connection, "forum")
        for name in ("", "forum", "x" * 65, "a\nb"):
            with pytest.raises(ConfigError):
                platforms.add(connection, name)
        for valid in (0, -1, 10**9):
            with pytest.raises(ConfigError):
                platforms.add_token(connection, forum, valid)
        with pytest.raises(ConfigError):
            platforms.add_token(connection, bytes(16), 10)
        with pytest.raises(ConfigError):
            platforms.set_state(connection, bytes(16), "active")
    assert platforms.find("forum") == forum
    assert [one.name for one in platforms.list_all()] == ["forum"]
    with pytest.raises(ConfigError):
        platforms.find("album")


def test_suspension_and_revocation(database: Database, gate: Gate, clock: Clock) -> None:
    with database.transaction() as connection:
        suspend_account(connection, ANNA, clock.now)
        suspend_account(connection, ANNA, clock.now)
        revoke_device(connection, BEN, b"12345678", clock.now)
        revoke_device(connection, BEN, b"12345678", clock.now)
    gate.refresh()
    assert gate.is_suspended(ANNA)
    assert not gate.is_suspended(BEN)
    assert gate.is_revoked(BEN, b"12345678")
    assert not gate.is_revoked(BEN, b"12345679")
    assert not gate.is_revoked(ANNA, b"12345678")
    with database.transaction() as connection:
        reinstate_account(connection, ANNA)
    gate.refresh()
    assert not gate.is_suspended(ANNA)


def test_buckets_refill_and_are_bounded() -> None:
    now = [0.0]
    rates = Rates(2.0, 3, lambda: now[0], max_count=2)
    assert [rates.take("a") for _ in range(4)] == [0, 0, 0, 1]
    assert rates.wait_of("a") == 1
    assert rates.take("b") == 0
    now[0] = 0.5
    assert rates.wait_of("a") == 0
    assert rates.take("a") == 0
    assert rates.take("a") == 1
    rates.take("c")
    assert len(rates._buckets) == 2
    slow = Rates(0.1, 1, lambda: now[0])
    assert [slow.take("a"), slow.take("a")] == [0, 10]
    off = Rates(0, 0, lambda: now[0])
    assert [off.take("a"), off.wait_of("a")] == [0, 0]


def test_usage_is_counted_across_processes(database: Database, clock: Clock) -> None:
    quotas = Quotas(bytes_per_day=100, deletions_per_day=5)
    one, two = Usage(database, quotas, clock), Usage(database, quotas, clock)
    assert [one.add_body(ANNA, 60), two.add_body(ANNA, 30), one.add_body(BEN, 100)] == [0, 0, 0]
    one.flush()
    two.flush()
    wait = DAY_S - clock.now % DAY_S
    assert two.add_body(ANNA, 11) == wait, "90 are known here now"
    assert two.add_body(ANNA, 10) == 0
    two.flush()
    two.flush()
    assert one.add_deletions(ANNA, 5) == 0
    assert one.add_deletions(ANNA, 1) == wait
    one.flush()
    with database.transaction() as connection:
        assert read_usage(connection, ANNA, clock.now // DAY_S) == (100, 5)
        assert read_usage(connection, ANNA, 0) == (0, 0)
    clock.now += wait
    assert one.add_body(ANNA, 100) == 0, "another day"
    one.flush()
    clock.now += 9 * DAY_S
    one.forget_old()
    with database.transaction() as connection:
        assert read_usage(connection, BEN, (clock.now - wait) // DAY_S - 9) == (0, 0)
