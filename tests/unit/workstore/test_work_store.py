"""Leases, shares, forgetting, cases."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import inspect

from tests.integration.service.world import Device, World
from tests.unit.store.house import House
from tests.unit.store.working import LEASE_S, finish, lease, match, process_all
from veilmatch.errors import ConfigError, StoreError
from veilmatch.matching.share import MatchOutcome, MatchResult
from veilmatch.opening.case import open_account
from veilmatch.store.database import read_counters
from veilmatch.store.segments import segment_path
from veilmatch.workstore.records import AccountLease

_SHARES = "SELECT count(*) FROM share"


def _store(house: House, world: World, device: Device, known: int, unknown: int = 0) -> None:
    release = world.current
    sent = device.make(release, known=known, unknown=unknown)
    house.intake().store_batches([device.accepted(release, sent)])


def test_segment_is_deleted_only_after_the_commit(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _store(house, world, Device(), 2)
    held = lease(house)
    processed = match(world, house.work().read_segment(held))
    work = house.work()
    monkeypatch.setattr(
        "veilmatch.store.segments.SegmentShelf.delete",
        lambda *_: (
            pytest.fail("the file went before the commit")
            if house.scalar("SELECT count(*) FROM segment WHERE state = 'done'") == 0
            else None
        ),
    )
    parameters = {world.current.release_id: world.current.built.manifest.parameters}
    work.finish_segment(held, processed, parameters)
    assert len(house.files()) == 1, "the deletion was left out here"
    monkeypatch.undo()
    assert house.work().forget_done_segments() == 1
    assert house.files() == []
    assert house.scalar("SELECT count(*) FROM segment") == 0


def test_failed_commit_keeps_segment_and_keys(house: House, world: World) -> None:
    _store(house, world, Device(), 2)
    held = lease(house)
    processed = match(world, house.work().read_segment(held))
    with pytest.raises(KeyError):  # a release without parameters ends the transaction
        house.work().finish_segment(held, processed, {})
    assert len(house.files()) == 1
    assert house.scalar(_SHARES) == 0
    assert house.scalar("SELECT count(*) FROM voucher WHERE sealed_key IS NOT NULL") == 2


def test_segment_and_keys_are_gone_after_matching(house: House, world: World) -> None:
    _store(house, world, Device(), 1, 3)
    process_all(house, world)
    assert house.files() == []
    assert house.scalar("SELECT count(*) FROM voucher WHERE sealed_key IS NOT NULL") == 0
    assert house.scalar(_SHARES) == 1


def test_lost_lease_changes_nothing(house: House, world: World) -> None:
    _store(house, world, Device(), 2)
    slow = lease(house)
    processed = match(world, house.work().read_segment(slow))
    house.now += LEASE_S
    quick = house.work().lease_segment(house.now, LEASE_S)
    assert quick is not None
    before = [house.rows(f"SELECT * FROM {table}") for table in ("voucher", "share", "segment")]
    with pytest.raises(StoreError):
        finish(house, world, slow, processed)
    after = [house.rows(f"SELECT * FROM {table}") for table in ("voucher", "share", "segment")]
    assert before == after
    assert len(house.files()) == 1
    finish(house, world, quick, match(world, house.work().read_segment(quick)))
    assert house.scalar(_SHARES) == 2


def test_leased_segment_is_nobody_elses_until_the_lease_expires(house: House, world: World) -> None:
    _store(house, world, Device(), 1)
    lease(house)
    house.now += LEASE_S - 1
    assert house.work().lease_segment(house.now, LEASE_S) is None
    house.now += 1
    second = house.work().lease_segment(house.now, LEASE_S)
    assert second is not None
    finish(house, world, second, match(world, house.work().read_segment(second)))
    assert house.scalar(_SHARES) == 1


def test_finishing_twice_is_refused_and_counts_once(house: House, world: World) -> None:
    _store(house, world, Device(), 2)
    held = lease(house)
    processed = match(world, house.work().read_segment(held))
    finish(house, world, held, processed)
    with pytest.raises(StoreError):
        finish(house, world, held, processed)
    assert house.scalar(_SHARES) == 2


def test_second_share_of_one_point_is_passed_over(house: House, world: World) -> None:
    """The same share point under another id: counted once, whoever sends it."""
    device = Device()
    _store(house, world, device, 2)
    held = lease(house)
    first, second = match(world, house.work().read_segment(held))
    share = first.result.share
    assert share is not None
    copy = dataclasses.replace(share, asset_id=second.voucher.asset_id)
    twin = dataclasses.replace(second, result=MatchResult(MatchOutcome.MATCH, copy))
    finish(house, world, held, [first, twin])
    assert house.scalar(_SHARES) == 1
    assert house.scalar("SELECT share_version FROM account") == 1


def test_deletion_while_a_worker_holds_the_segment_leaves_no_share(
    house: House, world: World
) -> None:
    device, release = Device(), world.current
    sent = device.make(release, known=3)
    intake = house.intake()
    intake.store_batches([device.accepted(release, sent)])
    held = lease(house)
    processed = match(world, house.work().read_segment(held))
    intake.delete_vouchers(device.pseudonym, [sent[1].asset_id])
    finish(house, world, held, processed)
    shares = house.rows("SELECT asset_id FROM share")
    assert {row[0] for row in shares} == {sent[0].asset_id, sent[2].asset_id}


def test_share_rows_carry_no_time(house: House) -> None:
    with house.database.transaction() as connection:
        columns = {column["name"] for column in inspect(connection).get_columns("share")}
    assert columns == {
        "account",
        "asset_id",
        "point_tag",
        "min_shares",
        "dhf_width",
        "delta_max",
        "sealed_share",
    }


def test_share_rows_do_not_show_the_share(house: House, world: World) -> None:
    _store(house, world, Device(), 1)
    held = lease(house)
    processed = match(world, house.work().read_segment(held))
    finish(house, world, held, processed)
    share = processed[0].result.share
    assert share is not None
    stored = b"".join(
        value
        for row in house.rows("SELECT * FROM share")
        for value in row
        if isinstance(value, bytes)
    )
    for part in (share.point, share.value, share.adct[:32], share.words[:8]):
        assert part not in stored


def test_matches_are_not_counted_in_time(house: House, world: World) -> None:
    _store(house, world, Device(), 3, 2)
    process_all(house, world)
    counters = read_counters(house.database)
    assert counters == {"intake stored": 5, "work processed": 5}


def test_segment_that_is_gone_is_a_store_error(house: House, world: World) -> None:
    _store(house, world, Device(), 1)
    held = lease(house)
    segment_path(house.segments, held.segment_id).unlink()
    with pytest.raises(StoreError):
        house.work().read_segment(held)


def test_segment_shorter_than_its_rows_is_a_store_error(house: House, world: World) -> None:
    _store(house, world, Device(), 1)
    held = lease(house)
    (path,) = house.files()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError):
        house.work().read_segment(held)


def test_flipped_bit_in_a_segment_is_a_store_error(house: House, world: World) -> None:
    _store(house, world, Device(), 1)
    held = lease(house)
    (path,) = house.files()
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError):
        house.work().read_segment(held)


def _lease_account(house: House) -> AccountLease:
    found = house.work().lease_account(house.now, LEASE_S)
    assert found is not None
    return found


def _open_only_group(house: House, times: int = 1) -> None:
    held = _lease_account(house)
    (group,) = house.work().read_groups(held)
    opening = open_account(
        group.account, group.matches, min_shares=group.min_shares, delta_max=group.delta_max
    )
    for _ in range(times):
        house.cases().save_opening(group.account, opening, house.now)
    house.work().mark_checked(held)


def test_case_keeps_its_items_after_a_deletion(house: House, world: World) -> None:
    device, release = Device(), world.current
    sent = device.make(release, known=5)
    house.intake().store_batches([device.accepted(release, sent)])
    process_all(house, world)
    _open_only_group(house)
    house.intake().delete_vouchers(device.pseudonym, [one.asset_id for one in sent])
    assert house.cases().item_count(device.pseudonym) == 5
    assert house.scalar(_SHARES) == 5


def test_opening_twice_makes_one_case(house: House, world: World) -> None:
    device, release = Device(), world.current
    sent = device.make(release, known=5)
    house.intake().store_batches([device.accepted(release, sent)])
    process_all(house, world)
    _open_only_group(house, times=2)
    (summary,) = house.cases().list_cases()
    assert summary.item_count == 5
    assert read_counters(house.database)["cases"] == 1
    assert len(house.cases().read_items(summary.case_id, house.now)) == 5


def test_later_match_joins_the_case(house: House, world: World) -> None:
    device, release = Device(), world.current
    sent = device.make(release, known=6)
    house.intake().store_batches([device.accepted(release, sent[:5])])
    process_all(house, world)
    _open_only_group(house)
    house.intake().store_batches([device.accepted(release, sent[5:])])
    process_all(house, world)
    _open_only_group(house)
    assert house.cases().item_count(device.pseudonym) == 6
    assert len(house.cases().list_cases()) == 1


def test_unchanged_accounts_are_not_looked_at_again(house: House, world: World) -> None:
    _store(house, world, Device(), 2)
    process_all(house, world)
    house.work().mark_checked(_lease_account(house))
    assert house.work().lease_account(house.now + 10 * LEASE_S, LEASE_S) is None


def test_unknown_case_is_named(house: House) -> None:
    with pytest.raises(ConfigError):
        house.cases().read_items(bytes(16), house.now)


def test_pending_count(house: House, world: World) -> None:
    assert house.work().pending_count() == (0, 0)
    _store(house, world, Device(), 1, 2)
    assert house.work().pending_count() == (1, 3)
    process_all(house, world)
    assert house.work().pending_count() == (0, 0)


def test_operator_queue_counts_kinds_once_per_account(house: House) -> None:
    cases = house.cases()
    for account in (b"a" * 16, b"a" * 16, b"b" * 16):
        cases.queue_for_operator(account, "overload")
    cases.queue_for_operator(b"a" * 16, "anomaly")
    assert cases.operator_counts() == {"anomaly": 1, "overload": 2}
