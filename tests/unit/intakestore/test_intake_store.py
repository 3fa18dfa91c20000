"""Idempotency, quota, segments and what a failed write leaves."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from tests.integration.service.world import Device, Sent, World
from tests.unit.store.house import House, HouseMaker
from tests.unit.store.working import lease, match, process_all, process_sealed
from veilmatch.errors import PolicyError, StoreError
from veilmatch.intakestore.intake_store import IntakeStore
from veilmatch.store import database as database_module
from veilmatch.store import segments as segments_module
from veilmatch.store.database import read_counters
from veilmatch.voucher.asset import Kind

_WAITING = "SELECT count(*) FROM voucher WHERE state = 'waiting'"


def _counter(house: House, name: str) -> int:
    return read_counters(house.database).get(name, 0)


def test_same_id_and_same_body_count_once(house: House, world: World) -> None:
    device, release = Device(), world.current
    sent = device.make(release, unknown=5)
    intake = house.intake()
    for _ in range(3):
        assert intake.store_batches([device.accepted(release, sent)]) == [None]
    assert house.scalar(_WAITING) == 5
    assert _counter(house, "intake stored") == 5
    assert _counter(house, "intake repeated") == 10
    assert house.scalar("SELECT voucher_count FROM account") == 5


def test_repetition_within_one_batch_and_one_group(house: House, world: World) -> None:
    device, release = Device(), world.current
    sent = device.make(release, unknown=2)
    batch = device.accepted(release, [*sent, *sent])
    assert house.intake().store_batches([batch, batch]) == [None, None]
    assert house.scalar(_WAITING) == 2
    assert _counter(house, "intake repeated") == 6


def test_same_id_with_another_body_is_counted_and_ignored(house: House, world: World) -> None:
    device, release = Device(), world.current
    first = device.make(release, known=1)
    second = device.make(release, unknown=1, ids=[first[0].asset_id])
    intake = house.intake()
    intake.store_batches([device.accepted(release, first)])
    assert intake.store_batches([device.accepted(release, second)]) == [None]
    held = lease(house)
    bodies = [one.body for one in house.work().read_segment(held)]
    assert bodies == [first[0].body]
    assert _counter(house, "intake conflict") == 1


def test_same_id_of_two_accounts_are_two_vouchers(house: House, world: World) -> None:
    one, other, release, ids = Device(), Device(), world.current, [os.urandom(16)]
    house.intake().store_batches(
        [
            device.accepted(release, device.make(release, unknown=1, ids=ids))
            for device in (one, other)
        ]
    )
    assert house.scalar(_WAITING) == 2


def test_replay_after_processing_adds_nothing(house: House, world: World) -> None:
    device, release = Device(), world.current
    sent = device.make(release, known=3)
    house.intake().store_batches([device.accepted(release, sent)])
    process_all(house, world)
    house.intake().store_batches([device.accepted(release, sent)])
    process_all(house, world)
    assert house.scalar("SELECT count(*) FROM share") == 3
    assert house.scalar("SELECT count(*) FROM voucher WHERE state = 'processed'") == 3
    assert house.scalar("SELECT share_version FROM account") == 3


def test_deletion_before_processing_destroys_key_and_place(house: House, world: World) -> None:
    device, release = Device(), world.current
    sent = device.make(release, known=2)
    intake = house.intake()
    intake.store_batches([device.accepted(release, sent)])
    intake.delete_vouchers(device.pseudonym, [sent[0].asset_id])
    rows = house.rows(
        "SELECT sealed_key, segment_id, \"offset\" FROM voucher WHERE state = 'deleted'"
    )
    assert rows == [(None, None, None)]
    process_all(house, world)
    assert house.scalar("SELECT count(*) FROM share") == 1


def test_deletion_after_processing_removes_the_share(house: House, world: World) -> None:
    device, release = Device(), world.current
    sent = device.make(release, known=2)
    house.intake().store_batches([device.accepted(release, sent)])
    process_all(house, world)
    before = house.scalar("SELECT share_version FROM account")
    house.intake().delete_vouchers(device.pseudonym, [sent[0].asset_id])
    assert house.scalar("SELECT count(*) FROM share") == 1
    assert house.scalar("SELECT share_version FROM account") == before + 1


@pytest.mark.parametrize("arrived_first", [True, False])
def test_late_copy_of_a_deleted_voucher_is_ignored(
    house: House, world: World, arrived_first: bool
) -> None:
    device, release = Device(), world.current
    sent = device.make(release, known=1)
    intake = house.intake()
    if arrived_first:
        intake.store_batches([device.accepted(release, sent)])
    intake.delete_vouchers(device.pseudonym, [sent[0].asset_id])
    assert intake.store_batches([device.accepted(release, sent)]) == [None]
    process_all(house, world)
    assert house.scalar("SELECT count(*) FROM share") == 0
    assert house.rows("SELECT state FROM voucher") == [("deleted",)]
    assert _counter(house, "intake gone") == 1


def test_deletion_is_for_one_account_only(house: House, world: World) -> None:
    one, other, release = Device(), Device(), world.current
    sent = one.make(release, unknown=1)
    intake = house.intake()
    intake.store_batches([one.accepted(release, sent)])
    intake.delete_vouchers(other.pseudonym, [sent[0].asset_id])
    assert house.scalar(_WAITING) == 1


def test_batch_over_quota_does_not_hold_up_the_others(make_house: HouseMaker, world: World) -> None:
    house, release = make_house(account_quota=3), world.current
    greedy, modest = Device(), Device()
    group = [
        greedy.accepted(release, greedy.make(release, unknown=2)),
        greedy.accepted(release, greedy.make(release, unknown=2)),
        modest.accepted(release, modest.make(release, unknown=3)),
        greedy.accepted(release, greedy.make(release, unknown=1)),
    ]
    refusals = house.intake().store_batches(group)
    assert [type(refusal) for refusal in refusals] == [
        type(None),
        PolicyError,
        type(None),
        type(None),
    ]
    assert house.scalar(_WAITING) == 6


def test_quota_counts_no_repetition(make_house: HouseMaker, world: World) -> None:
    house, device, release = make_house(account_quota=2), Device(), world.current
    batch = device.accepted(release, device.make(release, unknown=2))
    assert house.intake().store_batches([batch]) == [None]
    assert house.intake().store_batches([batch]) == [None]


def test_refused_batch_leaves_nothing(make_house: HouseMaker, world: World) -> None:
    house, device, release = make_house(account_quota=1), Device(), world.current
    batch = device.accepted(release, device.make(release, unknown=2))
    house.intake().store_batches([batch])
    for table in ("voucher", "account", "device", "segment"):
        assert house.scalar(f"SELECT count(*) FROM {table}") == 0


def test_torn_tail_of_a_failed_write_is_overwritten(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, release = Device(), world.current
    first, second = device.make(release, unknown=2), device.make(release, unknown=3)
    intake = house.intake()
    intake.store_batches([device.accepted(release, first)])

    def write_half(handle: int, data: list[bytes], place: int) -> int:
        os.pwrite(handle, data[0][: len(data[0]) // 2], place)
        raise OSError(28, "no space left")

    class FullDisk:
        def __getattr__(self, name: str) -> object:
            return write_half if name == "pwritev" else getattr(os, name)

    with monkeypatch.context() as patch:
        patch.setattr(segments_module, "os", FullDisk())
        with pytest.raises(StoreError):
            intake.store_batches([device.accepted(release, second)])
    assert house.scalar(_WAITING) == 2
    intake.store_batches([device.accepted(release, second)])
    bodies = {one.body for one in house.work().read_segment(lease(house))}
    assert bodies == {one.body for one in first + second}


def test_a_write_that_is_cut_short_goes_on(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, release = Device(), world.current
    sent = device.make(release, unknown=5)

    class Slow:
        """Writes a little of what it is given, as a signal or a quota can make it."""

        def __getattr__(self, name: str) -> object:
            return {"pwritev": self.pwritev, "pwrite": self.pwrite}.get(name, getattr(os, name))

        def pwritev(self, handle: int, data: list[bytes], place: int) -> int:
            return os.pwrite(handle, data[0][:7], place)

        def pwrite(self, handle: int, data: memoryview, place: int) -> int:
            return os.pwrite(handle, data[:1000], place)

    with monkeypatch.context() as patch:
        patch.setattr(segments_module, "os", Slow())
        house.intake().store_batches([device.accepted(release, sent)])
    bodies = {one.body for one in house.work().read_segment(lease(house))}
    assert bodies == {one.body for one in sent}


def _fail_once(
    monkeypatch: pytest.MonkeyPatch, house: House, number: int, is_kept: bool = False
) -> None:
    """Let the transaction with this number, counted from now, fail at its commit."""
    real, seen = house.database.transaction, iter(range(1000))

    def transaction() -> object:
        if next(seen) == number:
            monkeypatch.undo()
            return _Failing(real, is_kept)
        return real()

    monkeypatch.setattr(house.database, "transaction", transaction)


class _Failing:
    """A transaction whose commit fails: all of it is rolled back, or kept and only not told."""

    def __init__(self, real: Callable[[], object], is_kept: bool) -> None:
        self._inner, self._is_kept = real(), is_kept

    def __enter__(self) -> object:
        return self._inner.__enter__()  # type: ignore[attr-defined]

    def __exit__(self, *exc: object) -> None:
        error = OperationalError("COMMIT", None, OSError("disk"))
        if self._is_kept:
            self._inner.__exit__(None, None, None)  # type: ignore[attr-defined]
            raise StoreError("the server was gone before it answered") from error
        self._inner.__exit__(OperationalError, error, None)  # type: ignore[attr-defined]


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("number", range(7))  # one of each kind, and some later
def test_whichever_commit_fails_what_is_answered_is_processed(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch, number: int, is_kept: bool
) -> None:
    """A batch is either refused, or stored and later matched: never stored and forgotten."""
    device, release = Device(), world.current
    intake, refused = house.intake(), 0
    _fail_once(monkeypatch, house, number, is_kept)
    for _ in range(3):
        batch = device.accepted(release, device.make(release, known=0, unknown=1))
        for _ in range(3):  # the device sends again what was not acknowledged
            try:
                intake.store_batches([batch])
                break
            except StoreError:
                refused += 1
        else:
            pytest.fail("the store never recovered")
    assert refused == 1
    assert len(house.files()) == 1
    process_all(house, world)
    assert house.rows("SELECT state, count(*) FROM voucher GROUP BY state") == [("processed", 3)]
    assert house.work().pending_count() == (0, 0)  # no row that waits for a file that is gone


def test_segment_is_sealed_by_age(make_house: HouseMaker, world: World) -> None:
    house, device, release = make_house(segment_max_age_s=100), Device(), world.current
    intake = house.intake()
    intake.store_batches([device.accepted(release, device.make(release, unknown=1))])
    house.now += 99
    intake.seal_due()
    assert house.rows("SELECT state FROM segment") == [("open",)]
    house.now += 1
    intake.seal_due()
    assert house.rows("SELECT state FROM segment") == [("sealed",)]
    intake.store_batches([device.accepted(release, device.make(release, unknown=1))])
    assert len(house.files()) == 2


def test_segment_is_sealed_by_length(make_house: HouseMaker, world: World) -> None:
    house, device, release = make_house(segment_max_len=10_000), Device(), world.current
    intake = house.intake()
    for _ in range(4):
        batch = device.accepted(release, device.make(release, unknown=4))
        intake.store_batches([batch])
    states = house.rows("SELECT state, body_len FROM segment")
    assert len(states) >= 2
    assert all(state == "sealed" for state, length in states if length >= 10_000)  # type: ignore[operator]


def test_sealed_segment_waits_for_the_delay(make_house: HouseMaker, world: World) -> None:
    house, device, release = make_house(min_delay_s=500), Device(), world.current
    intake = house.intake()
    intake.store_batches([device.accepted(release, device.make(release, unknown=1))])
    intake.seal_all()
    house.now += 499
    assert house.work().lease_segment(house.now, 60) is None
    house.now += 1
    assert house.work().lease_segment(house.now, 60) is not None


def test_failed_seal_is_tried_again(
    make_house: HouseMaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, device, release = make_house(segment_max_age_s=10), Device(), world.current
    intake = house.intake()
    intake.store_batches([device.accepted(release, device.make(release, unknown=1))])
    house.now += 10
    _fail_once(monkeypatch, house, 0)
    with pytest.raises(StoreError):
        intake.seal_due()
    intake.seal_due()
    assert house.rows("SELECT state FROM segment") == [("sealed",)]


def test_failed_seal_does_not_refuse_what_is_stored(
    make_house: HouseMaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, device, release = make_house(segment_max_len=1), Device(), world.current
    intake = house.intake()
    batch = device.accepted(release, device.make(release, unknown=1))
    _fail_once(monkeypatch, house, 3)  # sort, open the segment, insert, seal
    assert intake.store_batches([batch]) == [None]
    intake.seal_due()
    assert house.rows("SELECT state FROM segment") == [("sealed",)]


def test_an_intake_leaves_the_segment_of_another_alone(house: House, world: World) -> None:
    device, release = Device(), world.current
    first, second = house.intake(), house.another_intake()
    first.store_batches([device.accepted(release, device.make(release, unknown=1))])
    second.seal_all()
    assert house.rows("SELECT state FROM segment") == [("open",)]
    first.store_batches([device.accepted(release, device.make(release, unknown=1))])
    second.store_batches([device.accepted(release, device.make(release, unknown=1))])
    assert house.rows("SELECT state, count(*) FROM segment GROUP BY state") == [("open", 2)]
    process_all(house, world)
    second.seal_all()
    process_sealed(house, world)
    assert house.rows("SELECT state, count(*) FROM voucher GROUP BY state") == [("processed", 3)]


def test_an_intake_seals_the_segment_of_a_dead_one(house: House, world: World) -> None:
    device, release = Device(), world.current
    dead = house.another_intake()
    dead.store_batches([device.accepted(release, device.make(release, unknown=1))])
    dead._drop_writer()  # the process ended, and its lock with it
    house.another_intake().seal_all()
    assert house.rows("SELECT state FROM segment") == [("sealed",)]


def test_a_segment_on_another_machine_is_left_alone(
    house: House, world: World, tmp_path: Path
) -> None:
    device, release = Device(), world.current
    dead = house.another_intake()
    dead.store_batches([device.accepted(release, device.make(release, unknown=1))])
    dead._drop_writer()
    elsewhere = IntakeStore(
        house.database, tmp_path / "elsewhere", house.crypter, house.limits, lambda: house.now
    )
    elsewhere.seal_all()
    assert house.rows("SELECT state FROM segment") == [("open",)]


def test_a_segment_that_was_sealed_under_its_writer_loses_nothing(
    house: House, world: World
) -> None:
    """Whatever sealed it, and a worker emptied it: the next group goes to a new one."""
    device, release = Device(), world.current
    first = house.intake()
    first.store_batches([device.accepted(release, device.make(release, unknown=1))])
    house.execute("UPDATE segment SET state = 'sealed'")
    process_sealed(house, world)
    batch = device.accepted(release, device.make(release, unknown=1))
    with pytest.raises(StoreError):
        first.store_batches([batch])
    first.store_batches([batch])
    process_all(house, world)
    assert house.rows("SELECT state, count(*) FROM voucher GROUP BY state") == [("processed", 2)]


@pytest.mark.parametrize("same", [True, False])
def test_two_intakes_get_one_id_at_the_same_moment(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    """Both looked before either wrote: one row counts, and the counters say what happened."""
    device, release = Device(), world.current
    ours = device.make(release, unknown=2)
    theirs = [ours[0]] if same else device.make(release, unknown=1, ids=[ours[0].asset_id])
    first, second = house.intake(), house.another_intake()
    real = first._write_bodies

    def write_later(fresh: object) -> object:
        second.store_batches([device.accepted(release, theirs)])
        return real(fresh)  # type: ignore[arg-type]

    monkeypatch.setattr(first, "_write_bodies", write_later)
    assert first.store_batches([device.accepted(release, ours)]) == [None]
    assert house.scalar(_WAITING) == 2
    assert house.scalar("SELECT voucher_count FROM account") == 2
    assert house.scalar("SELECT sum(voucher_count) FROM segment") == 2
    assert _counter(house, "intake stored") == 2
    assert _counter(house, "intake repeated" if same else "intake conflict") == 1
    first.seal_all()
    second.seal_all()
    work, bodies = house.work(), []
    while (held := work.lease_segment(house.now, 60)) is not None:
        bodies += [one.body for one in work.read_segment(held)]
    assert sorted(bodies) == sorted([theirs[0].body, ours[1].body])


def test_many_intakes_at_once_store_everything_once(house: House, world: World) -> None:
    device, release = Device(), world.current
    batches = [device.accepted(release, device.make(release, unknown=2)) for _ in range(12)]
    failures: list[BaseException] = []

    def send(intake: IntakeStore) -> None:
        try:
            for batch in batches:
                intake.store_batches([batch])
        except BaseException as exc:  # noqa: BLE001  shown below
            failures.append(exc)

    threads = [threading.Thread(target=send, args=(house.another_intake(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert house.scalar(_WAITING) == 24
    assert house.scalar("SELECT voucher_count FROM account") == 24
    assert house.scalar("SELECT sum(voucher_count) FROM segment") == 24
    assert _counter(house, "intake stored") == 24
    assert _counter(house, "intake repeated") == 48


def test_devices_are_limited(make_house: HouseMaker, world: World) -> None:
    house, release = make_house(device_quota=2), world.current
    first = Device()
    devices = [first, Device(first.account), Device(first.account)]
    batches = [one.accepted(release, one.make(release, unknown=1)) for one in devices]
    refusals = [house.intake().store_batches([batch])[0] for batch in batches]
    assert [type(one) for one in refusals] == [type(None), type(None), PolicyError]
    assert house.scalar("SELECT count(*) FROM device") == 2
    again = first.accepted(release, first.make(release, unknown=1))
    assert house.another_intake().store_batches([again]) == [None]


def test_marks_of_unknown_ids_count_against_the_quota(make_house: HouseMaker, world: World) -> None:
    house, device, release = make_house(account_quota=3), Device(), world.current
    sent = device.make(release, unknown=2)
    intake = house.intake()
    intake.store_batches([device.accepted(release, sent)])
    intake.delete_vouchers(device.pseudonym, [os.urandom(16)])
    assert house.scalar("SELECT voucher_count FROM account") == 3
    with pytest.raises(PolicyError):
        intake.delete_vouchers(device.pseudonym, [os.urandom(16), sent[0].asset_id])
    # What is there is deleted whatever the quota says.
    assert house.rows("SELECT state, count(*) FROM voucher GROUP BY state ORDER BY state") == [
        ("deleted", 2),
        ("waiting", 1),
    ]


def test_bodies_on_disk_are_sealed(house: House, world: World) -> None:
    device, release = Device(), world.current
    sent: list[Sent] = device.make(release, known=1, kind=Kind.REAL)
    house.intake().store_batches([device.accepted(release, sent)])
    data = b"".join(path.read_bytes() for path in house.files())
    for start in range(0, len(sent[0].body) - 16, 16):
        assert sent[0].body[start : start + 16] not in data


def test_error_of_the_database_carries_no_values(house: House, world: World) -> None:
    device, release = Device(), world.current
    house.execute("DROP TABLE device")
    with pytest.raises(StoreError) as caught:
        house.intake().store_batches([device.accepted(release, device.make(release, unknown=1))])
    chain: BaseException | None = caught.value
    while chain is not None:
        assert repr(device.pseudonym)[2:-1] not in str(chain)
        assert device.pseudonym.hex() not in str(chain)
        assert "parameters: " not in str(chain)
        chain = chain.__cause__
    assert database_module.__doc__


def test_match_of_a_read_segment_is_for_the_right_vouchers(house: House, world: World) -> None:
    device, release = Device(), world.current
    known, unknown = device.make(release, known=2), device.make(release, unknown=3)
    house.intake().store_batches([device.accepted(release, known + unknown)])
    processed = match(world, house.work().read_segment(lease(house)))
    matched = {one.voucher.asset_id for one in processed if one.result.share is not None}
    assert matched == {one.asset_id for one in known}
