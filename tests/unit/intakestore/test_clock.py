"""A clock that jumps: nothing is destroyed early, nothing waits for ever."""

from __future__ import annotations

import time

import pytest

from tests.integration.service.world import Device, World
from tests.unit.store.house import House, HouseMaker
from tests.unit.store.working import LEASE_S, finish, match
from veilmatch.intakestore.clock_watch import HOLD_S, JUMP_S, ClockWatch, read_hold
from veilmatch.intakestore.limits import RetentionLimits
from veilmatch.intakestore.retention import Collector

DAY_S, YEAR_S = 86_400, 365 * 86_400
LIMITS = RetentionLimits()


def _store(house: House, world: World, known: int = 0, unknown: int = 1) -> None:
    device = Device()
    sent = device.make(world.current, known=known, unknown=unknown)
    house.intake().store_batches([device.accepted(world.current, sent)])


def _collector(house: House) -> Collector:
    return Collector(house.database, house.segments, LIMITS, lambda: house.now)


def test_after_a_gap_nothing_is_destroyed_for_a_day(house: House) -> None:
    watch = ClockWatch(house.database, lambda: house.now)
    assert watch.may_destroy(), "a fresh store has nothing that is old"
    house.now += JUMP_S
    assert watch.may_destroy()
    house.now += JUMP_S + 1
    assert not watch.may_destroy()
    assert read_hold(house.database, house.now) == HOLD_S
    for _ in range(HOLD_S // JUMP_S - 1):
        house.now += JUMP_S
        assert not watch.may_destroy(), "also in a process that starts meanwhile"
        watch = ClockWatch(house.database, lambda: house.now)
    house.now += JUMP_S
    assert watch.may_destroy()
    assert read_hold(house.database, house.now) == 0


def test_a_clock_that_is_set_right_again_ends_the_hold(house: House) -> None:
    watch = ClockWatch(house.database, lambda: house.now)
    watch.may_destroy()
    house.now += YEAR_S
    assert not watch.may_destroy()
    house.now -= YEAR_S
    assert watch.may_destroy()
    assert read_hold(house.database, house.now) == 0


def test_a_year_ahead_destroys_nothing_that_is_young(house: House, world: World) -> None:
    _store(house, world, unknown=3)
    house.intake().seal_all()
    collector = _collector(house)
    collector.run()
    house.now += YEAR_S
    assert collector.run().expired_vouchers == 0
    house.now -= YEAR_S
    assert collector.run().expired_vouchers == 0
    assert house.rows("SELECT DISTINCT state FROM voucher") == [("waiting",)]
    # And the hard limit still holds, to the second, for a clock that is looked at.
    for _ in range(LIMITS.hard_age_s // JUMP_S):
        assert collector.run().expired_vouchers == 0
        house.now += JUMP_S
    assert collector.run().expired_vouchers == 3


def test_a_segment_is_sealed_though_the_clock_was_set_back(
    make_house: HouseMaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house(segment_max_age_s=900)
    _store(house, world)
    house.now -= DAY_S
    house.intake().seal_due()
    assert house.rows("SELECT state FROM segment") == [("open",)]
    later = time.monotonic() + 900
    monkeypatch.setattr("veilmatch.store.segments.time.monotonic", lambda: later)
    house.intake().seal_due()
    assert house.rows("SELECT state FROM segment") == [("sealed",)]


def test_a_delay_of_the_future_is_brought_forward(make_house: HouseMaker, world: World) -> None:
    house = make_house(min_delay_s=600)
    _store(house, world)
    house.intake().seal_all()
    assert house.intake().mend_delays() == 0
    house.now -= 1800
    assert house.intake().mend_delays() == 0, "two machines' clocks may differ by so much"
    house.now += 1800 - DAY_S
    assert house.intake().mend_delays() == 1
    assert house.work().lease_segment(house.now + 599, LEASE_S) is None
    assert house.work().lease_segment(house.now + 600, LEASE_S) is not None


def test_leases_of_the_future_hold_nobody_up(house: House, world: World) -> None:
    """A worker was killed with a lease, then the clock was set back by a day."""
    _store(house, world, known=4)
    house.intake().seal_all()
    work = house.work()
    assert work.lease_segment(house.now, LEASE_S) is not None
    house.now -= LEASE_S
    assert work.lease_segment(house.now, LEASE_S) is None, "a small step is waited for"
    house.now -= DAY_S
    assert house.intake().mend_delays() == 1
    again = work.lease_segment(house.now, LEASE_S)
    assert again is not None
    finish(house, world, again, match(world, work.read_segment(again)))
    house.now += DAY_S
    assert work.lease_account(house.now, LEASE_S) is not None
    house.now -= DAY_S
    assert work.lease_account(house.now, LEASE_S) is not None
