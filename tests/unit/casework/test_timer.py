"""What is done by the clock: once however many look, again when it failed or was cut off."""

from __future__ import annotations

import threading

import pytest

from veilmatch.casework.after.timer import ADVANCE, HEAD, LEASE_S, ReviewTimer, TimedStep
from veilmatch.errors import StoreError
from veilmatch.store.database import Database


class _Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


def test_a_step_runs_at_its_time_and_not_before(database: Database, clock: _Clock) -> None:
    runs: list[int] = []
    timer = ReviewTimer(database, clock, [TimedStep(ADVANCE, 60, lambda: runs.append(clock.now))])
    first = timer.run_due()
    assert first.done == [ADVANCE]
    assert first.last_done == {ADVANCE: clock.now}
    for _ in range(59):
        clock.now += 1
        assert timer.run_due().done == []
    clock.now += 1
    assert timer.run_due().done == [ADVANCE]
    assert runs == [clock.now - 60, clock.now]


def test_many_processes_do_a_step_once(database: Database, clock: _Clock) -> None:
    """Eight timers look at once, again and again; each due time brings one run."""
    counts = {ADVANCE: 0, HEAD: 0}
    lock, gate = threading.Lock(), threading.Barrier(8)

    def step(name: str) -> TimedStep:
        def run() -> None:
            with lock:
                counts[name] += 1

        return TimedStep(name, 60, run)

    def look() -> None:
        timer = ReviewTimer(database, clock, [step(ADVANCE), step(HEAD)])
        for _ in range(3):
            gate.wait(20)
            timer.run_due()
            if gate.wait(20) == 0:
                clock.now += 60
            gate.wait(20)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counts == {ADVANCE: 3, HEAD: 3}


def test_a_step_that_fails_is_tried_again_less_and_less_often(
    database: Database, clock: _Clock
) -> None:
    attempts: list[int] = []

    def fail() -> None:
        attempts.append(clock.now)
        raise StoreError("a disk is full")

    begun = clock.now
    timer = ReviewTimer(database, clock, [TimedStep(HEAD, 86_400, fail)])
    summary = timer.run_due()
    assert isinstance(summary.failed[HEAD], StoreError)
    assert summary.done == []
    assert summary.last_done == {}
    for _ in range(200):
        clock.now += 1
        timer.run_due()
    assert [at - begun for at in attempts] == [0, 30, 90]
    clock.now += 7200
    ReviewTimer(database, clock, [TimedStep(HEAD, 86_400, lambda: None)]).run_due()
    clock.now += 86_400
    timer.run_due()
    clock.now += 30
    assert timer.run_due().failed  # after one that went well the waits begin anew
    assert len(attempts) == 5


def test_a_step_that_was_cut_off_is_taken_over_after_its_lease(
    database: Database, clock: _Clock
) -> None:
    """A process that dies ends nothing: it leaves the lease as a killed one would."""
    runs: list[str] = []
    killed = ReviewTimer(database, clock, [TimedStep(ADVANCE, 60, lambda: None)])
    killed._lease(killed._steps[0])
    other = ReviewTimer(database, clock, [TimedStep(ADVANCE, 60, lambda: runs.append("other"))])
    clock.now += LEASE_S - 1
    assert other.run_due().done == []
    clock.now += 1
    assert other.run_due().done == [ADVANCE]
    assert runs == ["other"]


def test_a_clock_that_was_set_back_stops_no_step(database: Database, clock: _Clock) -> None:
    """A step's next time and a dead process's lease may lie a month ahead."""
    step = TimedStep(ADVANCE, 60, lambda: None)
    timer, month = ReviewTimer(database, clock, [step]), 30 * 86_400
    clock.now += month
    assert timer.run_due().done == [ADVANCE]
    clock.now -= month
    assert timer.run_due().done == [ADVANCE]
    assert timer.run_due().done == []
    clock.now += month
    assert timer._lease(step) is not None  # and dies
    clock.now -= month - 60
    assert timer.run_due().done == [ADVANCE]


def test_who_lost_the_lease_does_not_end_the_next_ones(database: Database, clock: _Clock) -> None:
    def slow() -> None:
        clock.now += LEASE_S  # another one takes over meanwhile
        assert other._lease(other._steps[0]) is not None

    other = ReviewTimer(database, clock, [TimedStep(ADVANCE, 60, lambda: None)])
    late = ReviewTimer(database, clock, [TimedStep(ADVANCE, 60, slow)])
    late.run_due()
    clock.now += 60
    assert other.run_due().done == []  # held by the one that took over, until its lease ends


def test_a_fault_of_ours_frees_the_step_and_shows(database: Database, clock: _Clock) -> None:
    def fault() -> None:
        raise RuntimeError

    timer = ReviewTimer(database, clock, [TimedStep(ADVANCE, 60, fault)])
    with pytest.raises(RuntimeError):
        timer.run_due()
    clock.now += 30
    done = ReviewTimer(database, clock, [TimedStep(ADVANCE, 60, lambda: None)]).run_due().done
    assert done == [ADVANCE]


def test_who_is_to_stop_begins_nothing(database: Database, clock: _Clock) -> None:
    stopped = threading.Event()
    runs: list[str] = []

    def first() -> None:
        runs.append(ADVANCE)
        stopped.set()

    steps = [TimedStep(ADVANCE, 60, first), TimedStep(HEAD, 60, lambda: runs.append(HEAD))]
    assert ReviewTimer(database, clock, steps).run_due(stopped.is_set).done == [ADVANCE]
    assert runs == [ADVANCE]
