"""What may not be kept goes, in bounded batches; what is still needed stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.service.world import Device, World
from tests.unit.store.house import House, HouseMaker
from tests.unit.store.working import finish, lease, match, process_all
from veilmatch.clock import DAY_S
from veilmatch.errors import LeaseError, StoreError
from veilmatch.intakestore.limits import RetentionLimits
from veilmatch.intakestore.retention import Collector, read_backlog
from veilmatch.store.database import read_counters
from veilmatch.store.segments import SegmentWriter

LIMITS = RetentionLimits(alarm_age_s=50, hard_age_s=100, mark_age_days=10, batch_count=2)


def _collector(house: House) -> Collector:
    return Collector(house.database, house.segments, LIMITS, lambda: house.now, house.blobs)


def _store(house: House, world: World, device: Device, unknown: int) -> list[bytes]:
    sent = device.make(world.current, unknown=unknown)
    house.intake().store_batches([device.accepted(world.current, sent)])
    return [one.asset_id for one in sent]


def test_what_waits_too_long_is_destroyed_and_counted(house: House, world: World) -> None:
    _store(house, world, Device(), 5)
    house.intake().seal_all()
    house.now += 99
    assert _collector(house).run().expired_vouchers == 0
    house.now += 1
    collected = _collector(house).run()
    assert (collected.expired_vouchers, collected.done_segments) == (5, 1)
    assert house.rows("SELECT DISTINCT state, sealed_key FROM voucher") == [("expired", None)]
    assert house.scalar("SELECT count(*) FROM segment") == 0
    assert house.files() == []
    assert read_counters(house.database)["intake expired"] == 5


def test_an_expired_voucher_is_a_repetition_and_can_be_deleted(house: House, world: World) -> None:
    device = Device()
    sent = device.make(world.current, unknown=1)
    batch = device.accepted(world.current, sent)
    house.intake().store_batches([batch])
    house.intake().seal_all()
    house.now += 100
    _collector(house).run()
    assert house.intake().store_batches([batch]) == [None]
    assert read_counters(house.database)["intake repeated"] == 1
    house.intake().delete_vouchers(device.pseudonym, [sent[0].asset_id])
    assert house.rows("SELECT state FROM voucher") == [("deleted",)]


def test_a_segment_at_work_is_left_until_its_lease_ends(house: House, world: World) -> None:
    _store(house, world, Device(), 3)
    held = lease(house)
    house.now += 100
    house.execute(f"UPDATE segment SET lease_expires_at = {house.now + 10}")
    assert _collector(house).run().expired_vouchers == 0
    finish(house, world, held, match(world, house.work().read_segment(held)))
    assert house.rows("SELECT DISTINCT state FROM voucher") == [("processed",)]


def test_a_worker_that_comes_too_late_has_lost_its_lease(house: House, world: World) -> None:
    _store(house, world, Device(), 3)
    held = lease(house)
    processed = match(world, house.work().read_segment(held))
    house.now += 100
    assert _collector(house).run().expired_vouchers == 3
    with pytest.raises(LeaseError):
        finish(house, world, held, processed)
    assert house.scalar("SELECT count(*) FROM share") == 0


def test_an_intake_whose_segment_expired_goes_on_with_a_new_one(
    make_house: HouseMaker, world: World
) -> None:
    house, device = make_house(segment_max_age_s=1000), Device()
    _store(house, world, device, 1)
    house.now += 100
    assert _collector(house).run().expired_vouchers == 1
    batch = device.accepted(world.current, device.make(world.current, unknown=1))
    with pytest.raises(StoreError, match="lost"):
        house.intake().store_batches([batch])
    house.intake().store_batches([batch])
    process_all(house, world)
    assert house.rows("SELECT state, count(*) FROM voucher GROUP BY state ORDER BY state") == [
        ("expired", 1),
        ("processed", 1),
    ]


def test_marks_of_deletions_are_dropped_when_nothing_can_follow(house: House, world: World) -> None:
    device = Device()
    ids = _store(house, world, device, 3)
    house.intake().delete_vouchers(
        device.pseudonym, [*ids[:2], *(os.urandom(16) for _ in range(3))]
    )
    assert house.scalar("SELECT voucher_count FROM account") == 6
    house.now += 10 * DAY_S
    assert _collector(house).drop_marks() == 0
    house.now += DAY_S
    assert _collector(house).drop_marks() == 5
    assert house.scalar("SELECT count(*) FROM voucher") == 1
    assert house.scalar("SELECT voucher_count FROM account") == 1


def test_files_that_no_row_knows_are_deleted(house: House, world: World) -> None:
    _store(house, world, Device(), 1)
    stray = house.segments / f"{os.urandom(16).hex()}.segment"
    stray.write_bytes(b"left by a kill between the file and its row")
    half = house.segments / f"{os.urandom(16).hex()}.new"
    half.write_bytes(b"")
    foreign = house.segments / "notes.txt"
    foreign.write_text("not ours")
    assert _collector(house).collect_orphans() == 1
    assert not stray.exists()
    assert half.exists(), "its maker may be just about to lock it"
    assert foreign.exists()
    os.utime(half, (0, 0))
    assert _collector(house).collect_orphans() == 1
    assert len(house.files()) == 1


def test_a_file_whose_writer_is_just_starting_is_left_alone(house: House) -> None:
    writer = SegmentWriter(house.segments, house.now)  # its row is not there yet
    assert _collector(house).collect_orphans() == 0
    writer.close()
    assert _collector(house).collect_orphans() == 1


def test_backlog_says_how_old_the_oldest_is(house: House, world: World) -> None:
    assert read_backlog(house.database, house.now).oldest_age_s == 0
    _store(house, world, Device(), 3)
    house.now += 60
    _store(house, world, Device(), 1)
    backlog = read_backlog(house.database, house.now)
    assert (backlog.segments, backlog.vouchers, backlog.held) == (1, 4, 0)
    assert backlog.oldest_age_s == 60 > LIMITS.alarm_age_s


def test_collecting_an_empty_store_does_nothing(house: House, tmp_path: Path) -> None:
    collected = _collector(house).run()
    assert vars(collected) == {
        "done_segments": 0,
        "expired_vouchers": 0,
        "marks": 0,
        "orphans": 0,
    }
