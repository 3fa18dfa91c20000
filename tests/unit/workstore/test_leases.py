"""Leases of segments and accounts: one holder, renewal, and what happens after many tries."""

from __future__ import annotations

import threading

import pytest

from tests.integration.service.world import Device, World
from tests.unit.store.house import House
from tests.unit.store.working import LEASE_S, finish, lease, match, process_all
from veilmatch.errors import LeaseError
from veilmatch.workstore.records import Lease
from veilmatch.workstore.work_store import MAX_ATTEMPTS


def _store(house: House, world: World, known: int, device: Device | None = None) -> None:
    sender, release = device or Device(), world.current
    house.intake().store_batches([sender.accepted(release, sender.make(release, known=known))])
    house.intake().seal_all()


def test_a_renewed_lease_is_held_longer(house: House, world: World) -> None:
    _store(house, world, 1)
    held, work = lease(house), house.work()
    house.now += LEASE_S - 1
    work.renew_lease(held, house.now, LEASE_S)
    house.now += LEASE_S - 1
    assert work.lease_segment(house.now, LEASE_S) is None
    finish(house, world, held, match(world, work.read_segment(held)))


def test_a_lost_lease_is_not_renewed(house: House, world: World) -> None:
    _store(house, world, 1)
    slow, work = lease(house), house.work()
    house.now += LEASE_S
    quick = work.lease_segment(house.now, LEASE_S)
    assert quick is not None
    with pytest.raises(LeaseError):
        work.renew_lease(slow, house.now, LEASE_S)
    finish(house, world, quick, match(world, work.read_segment(quick)))


def test_a_clock_that_jumps_back_or_ahead_counts_nothing_twice(house: House, world: World) -> None:
    _store(house, world, 2)
    held = lease(house)
    processed = match(world, house.work().read_segment(held))
    ahead = house.work().lease_segment(house.now + 10 * LEASE_S, LEASE_S)
    assert ahead is not None, "the clock of that worker is far ahead"
    with pytest.raises(LeaseError):
        finish(house, world, held, processed)
    house.now -= 100 * LEASE_S
    finish(house, world, ahead, processed)
    assert house.scalar("SELECT count(*) FROM share") == 2


def test_a_segment_that_never_ends_is_held_for_an_operator(house: House, world: World) -> None:
    _store(house, world, 4)
    work = house.work()
    for _ in range(MAX_ATTEMPTS):
        assert work.lease_segment(house.now, LEASE_S) is not None
        house.now += LEASE_S
    assert work.lease_segment(house.now, LEASE_S) is None
    assert house.rows("SELECT state FROM segment") == [("held",)]
    assert house.cases().operator_counts() == {"held segment": 1}
    assert house.scalar("SELECT count(*) FROM voucher WHERE sealed_key IS NOT NULL") == 4
    assert work.pending_count() == (0, 0)
    assert work.retry_held() == 1
    assert house.cases().operator_counts() == {}
    process_all(house, world)
    assert house.scalar("SELECT count(*) FROM share") == 4


def test_what_another_worker_has_still_waits(house: House, world: World) -> None:
    _store(house, world, 2)
    work = house.work()
    assert not work.is_drained()
    held = lease(house)
    assert not work.is_drained()
    finish(house, world, held, match(world, work.read_segment(held)))
    assert work.pending_count() == (0, 0)
    assert not work.is_drained(), "the account was not looked at"
    opening = work.lease_account(house.now, LEASE_S)
    assert opening is not None
    assert not work.is_drained(), "another worker looks at the account, or died over it"
    work.mark_checked(opening)
    assert work.is_drained()


def test_an_opening_that_never_ends_is_held_until_shares_change(house: House, world: World) -> None:
    device = Device()
    _store(house, world, 2, device)
    process_all(house, world)
    work = house.work()
    for _ in range(MAX_ATTEMPTS):
        assert work.lease_account(house.now, LEASE_S) is not None
        house.now += LEASE_S
    for _ in range(2):
        assert work.lease_account(house.now, LEASE_S) is None
    assert house.cases().operator_counts() == {"held opening": 1}
    assert work.is_drained(), "what is held is the operator's"
    release = world.current
    sent = device.make(release, known=5)[2:]
    house.intake().store_batches([device.accepted(release, sent)])
    process_all(house, world)
    assert work.lease_account(house.now, LEASE_S) is not None
    house.now += LEASE_S
    house.execute(f"UPDATE account SET open_attempts = {MAX_ATTEMPTS + 1}")
    work.retry_held()
    assert house.cases().operator_counts() == {}
    assert work.lease_account(house.now, LEASE_S) is not None


def test_one_worker_at_a_time_opens_an_account(house: House, world: World) -> None:
    _store(house, world, 3)
    process_all(house, world)
    held = house.work().lease_account(house.now, LEASE_S)
    assert held is not None
    assert house.work().lease_account(house.now + LEASE_S - 1, LEASE_S) is None
    other = house.work().lease_account(house.now + LEASE_S, LEASE_S)
    assert other is not None
    with pytest.raises(LeaseError):
        house.work().mark_checked(held)
    house.work().mark_checked(other)
    assert house.work().lease_account(house.now + LEASE_S, LEASE_S) is None
    assert repr(held) == "AccountLease(<private>)"


def test_shares_that_come_while_an_account_is_looked_at_count_again(
    house: House, world: World
) -> None:
    device, release = Device(), world.current
    sent = device.make(release, known=4)
    house.intake().store_batches([device.accepted(release, sent[:2])])
    process_all(house, world)
    held = house.work().lease_account(house.now, LEASE_S)
    assert held is not None
    house.intake().store_batches([device.accepted(release, sent[2:])])
    process_all(house, world)
    house.work().mark_checked(held)
    again = house.work().lease_account(house.now, LEASE_S)
    assert again is not None
    (group,) = house.work().read_groups(again)
    assert len(group.matches) == 4


def test_vouchers_that_were_not_processed_are_not_forgotten(house: House, world: World) -> None:
    _store(house, world, 3)
    held = lease(house)
    processed = match(world, house.work().read_segment(held))
    with pytest.raises(Exception, match="not processed"):
        finish(house, world, held, processed[:2])
    assert house.scalar("SELECT count(*) FROM voucher WHERE state = 'waiting'") == 3
    assert house.scalar("SELECT count(*) FROM share") == 0


def test_many_workers_at_once_take_each_segment_once(house: House, world: World) -> None:
    for _ in range(12):
        _store(house, world, 1)
    taken: list[Lease] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            mine = house.work()
            while (held := mine.lease_segment(house.now, LEASE_S)) is not None:
                taken.append(held)
        except BaseException as exc:  # noqa: BLE001  shown below
            failures.append(exc)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(taken) == len({held.segment_id for held in taken}) == 12
    for held in taken:
        finish(house, world, held, match(world, house.work().read_segment(held)))
    assert house.scalar("SELECT count(*) FROM share") == 12


def test_segments_are_taken_in_random_order(house: House, world: World) -> None:
    for _ in range(8):
        _store(house, world, 0 + 1)
    order = [row[0] for row in house.rows("SELECT segment_id FROM segment ORDER BY segment_id")]
    orders = set()
    for _ in range(6):
        house.execute("UPDATE segment SET lease_expires_at = 0, attempts = 0")
        work, seen = house.work(), []
        while (held := work.lease_segment(house.now, LEASE_S)) is not None:
            seen.append(held.segment_id)
        assert sorted(seen) == order
        orders.add(tuple(seen))
    assert len(orders) > 1
