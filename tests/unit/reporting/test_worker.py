"""Whatever happens, wherever the worker dies: one finished report, and its receipt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.reporting.house import CONTENTS, KEY, SETTINGS, House
from tests.unit.reporting.memory import quick_folder
from veilmatch.errors import ConfigError, ProtocolError
from veilmatch.report.body import Answer
from veilmatch.report.model.answers import Action
from veilmatch.report.viewed import DERIVATIVE_ONLY_TEXT
from veilmatch.reporting.reconcile import list_reports
from veilmatch.reporting.tables import State
from veilmatch.reporting.transport import NAME
from veilmatch.reporting.worker import WorkerSettings

UNKNOWN = "effect, but no answer"
REFUSED = Answer(Action.STOP_REVIEWER, 4100, problem="refused-content")
NO_ACCESS = Answer(Action.STOP_OPERATOR, 401, problem="credentials")
UNREACHABLE = Answer(Action.RETRY, -1, problem="unreachable")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.database.close()


def _check_sent(house: House, count: int = 1) -> None:
    """Exactly one finished report each, with the right files, and books that agree."""
    found = house.reconcile()
    assert found.agrees, found.discrepancies
    assert found.counts == {"finished": count}
    assert found.receipt_count == count == len(house.book.finished)
    for one in house.book.finished.values():
        assert sorted(file.length for file in one.files.values()) == sorted(map(len, CONTENTS))
        assert all(file.details is not None for file in one.files.values())
    numbers = {line.report_number for line in list_reports(house.database)}
    assert numbers == set(house.book.finished)


def _only(house: House) -> tuple[State, str]:
    (line,) = list_reports(house.database)
    return line.state, line.reason


def test_a_report_is_sent_with_its_files(house: House) -> None:
    assert house.queue()
    summary = house.worker().run_due()
    assert (summary.finished, summary.dead) == (1, 0)
    assert house.body.calls == ["open", "file", "details", "file", "details", "finish"]
    _check_sent(house)
    (one,) = house.book.finished.values()
    details = [file.details for file in one.files.values()]
    assert all(one is not None and one.file_viewed_by_esp is False for one in details)
    said = [note for one in details if one is not None for note in one.additional_info]
    assert DERIVATIVE_ONLY_TEXT in said


def test_queueing_twice_sends_once(house: House) -> None:
    assert house.queue()
    assert not house.queue()
    house.worker().run_due()
    assert not house.queue()
    house.worker().run_due()
    _check_sent(house)


def test_dying_at_any_moment_loses_and_doubles_nothing() -> None:
    at, died = 0, True
    while died:
        at += 1
        with quick_folder() as folder:
            house = House(folder)
            house.queue()
            died = house.run_and_die(at)
            house.worker().run_due()
            _check_sent(house)
            house.database.close()
    # Before and after each of 6 calls and 10 writes; the last run did not die.
    assert at == 2 * (6 + 10) + 1


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=6))
def test_dying_again_and_again_loses_and_doubles_nothing(moments: list[int]) -> None:
    with quick_folder() as folder:
        house = House(folder)
        house.queue()
        house.queue(b"l" * 16)
        for at in moments:
            house.run_and_die(at)
        house.worker().run_due()
        _check_sent(house, 2)
        house.database.close()


@pytest.mark.parametrize("step", ["open", "file", "details", "finish"])
@pytest.mark.parametrize("fault", [UNKNOWN, UNREACHABLE])
def test_one_lost_answer_anywhere(house: House, step: str, fault: object) -> None:
    house.body.answers = {step: [fault]}
    house.queue()
    house.worker().run_due()
    _check_sent(house)


def test_lost_answers_everywhere(house: House) -> None:
    house.body.answers = {
        step: [UNKNOWN, UNREACHABLE, UNKNOWN]
        for step in ("open", "file", "details", "finish", "retract")
    }
    house.queue()
    house.worker().run_due()
    _check_sent(house)


def test_an_upload_of_unknown_outcome_is_never_repeated_into_the_same_report(
    house: House,
) -> None:
    house.body.answers = {"file": [UNKNOWN]}
    house.queue()
    house.worker().run_due()
    _check_sent(house)
    assert len(house.book.retracted) == 1


@pytest.mark.parametrize("wrong", [{"file_md5": "0" * 32}, {"file_md5": None}, {"file_id": ""}])
def test_a_changed_upload_is_found_by_its_digest(
    house: House, wrong: dict[str, str | None]
) -> None:
    house.queue()
    send = house.body.send_file

    def changed(report_number: int, content: bytes) -> Answer:
        house.body.send_file = send  # type: ignore[method-assign]
        return replace(send(report_number, content), **wrong)  # type: ignore[arg-type]

    house.body.send_file = changed  # type: ignore[method-assign]
    house.worker().run_due()
    _check_sent(house)
    assert (house.body.calls.count("open"), len(house.book.retracted)) == (2, 1)


def test_a_lapsed_window_opens_a_new_report(house: House) -> None:
    house.body.answers = {"details": [UNREACHABLE]}
    house.settings = replace(SETTINGS, base_s=60, max_s=60)
    house.queue()
    house.worker().run_due()
    assert _only(house)[0] is State.OPEN
    house.clock.now += 25 * 3600
    house.worker().run_due()
    assert len(house.book.lapsed) == 1
    house.clock.now += 3600
    house.worker().run_due()
    _check_sent(house)


def test_a_window_about_to_end_is_not_used_any_more(house: House) -> None:
    house.body.answers = {"details": [UNREACHABLE]}
    house.settings = replace(SETTINGS, base_s=60, max_s=60)
    house.queue()
    house.worker().run_due()
    house.clock.now += 24 * 3600 - house.settings.margin_s + 1
    for _ in range(2):
        house.worker().run_due()
        house.clock.now += 3600
    _check_sent(house)
    assert (len(house.book.retracted), len(house.book.lapsed)) == (1, 0)


def test_a_finish_that_came_too_late_opens_a_new_report(house: House) -> None:
    house.body.answers = {"finish": [UNREACHABLE]}
    house.settings = replace(SETTINGS, base_s=60, max_s=60)
    house.queue()
    house.worker().run_due()
    assert _only(house)[0] is State.FINISHING
    house.clock.now += 25 * 3600
    for _ in range(2):
        house.worker().run_due()
        house.clock.now += 3600
    _check_sent(house)


@pytest.mark.parametrize("step", ["open", "file", "details", "finish"])
def test_refused_content_goes_to_a_person_and_leaves_nothing_open(house: House, step: str) -> None:
    house.body.answers = {step: [REFUSED]}
    house.queue()
    summary = house.worker().run_due()
    assert (summary.finished, summary.dead) == (0, 1)
    assert _only(house) == (State.DEAD, "refused-content")
    assert house.book.counts()["open"] == 0
    assert [one.word for one in house.reconcile().discrepancies] == ["dead"]
    house.outbox.requeue(KEY, NAME)
    house.worker().run_due()
    _check_sent(house)


def test_a_refusal_after_a_finish_that_worked_is_still_found_finished(house: House) -> None:
    house.body.answers = {"finish": [UNKNOWN, REFUSED]}
    house.queue()
    house.worker().run_due()
    _check_sent(house)


def test_refused_access_waits_for_the_operator(house: House) -> None:
    house.body.answers = {"file": [NO_ACCESS]}
    house.queue()
    house.worker().run_due()
    assert _only(house) == (State.OPEN, "credentials")
    house.clock.now += SETTINGS.hold_s
    house.worker().run_due()
    _check_sent(house)


def test_an_unknown_code_stops_for_a_person(house: House) -> None:
    house.body.answers = {"open": [Answer(Action.STOP_UNKNOWN, 7777, problem="unknown-code")]}
    house.queue()
    house.worker().run_due()
    assert _only(house) == (State.DEAD, "unknown-code")


def test_a_body_that_never_works_ends_with_a_person(house: House) -> None:
    house.settings = replace(SETTINGS, max_attempts=5, max_opens=4)
    house.body.answers = {"open": [UNREACHABLE] * 5}
    house.queue()
    house.worker().run_due()
    assert _only(house) == (State.DEAD, "too-many-openings")
    house.body.answers = {"file": [UNKNOWN] * 50}
    house.queue(b"m" * 16)
    house.worker().run_due()
    lines = list_reports(house.database)
    assert {line.reason for line in lines} == {"too-many-openings"}
    assert house.book.counts()["finished"] == 0


def test_waits_grow_and_have_an_end() -> None:
    with quick_folder() as folder:
        house = House(folder, WorkerSettings(lease_s=5, base_s=10, max_s=100))
        house.body.answers = {"open": [UNREACHABLE] * 8}
        house.queue()
        waits = []
        for _ in range(8):
            house.worker().run_due()
            start = house.clock.now
            while not house.worker().run_one():
                house.clock.now += 1
            waits.append(house.clock.now - start)
            house.body.answers["open"].insert(0, UNREACHABLE)
            house.body.answers["open"].pop()
        house.database.close()
    assert waits == sorted(waits)
    assert (waits[0], max(waits)) == (5, 50)


def test_a_file_that_is_gone_goes_to_a_person(house: House, tmp_path: Path) -> None:
    house.queue()
    for path in (tmp_path / "files").iterdir():
        path.unlink()
    house.worker().run_due()
    assert _only(house) == (State.DEAD, "file-unreadable")
    assert house.book.counts()["open"] == 0


def test_a_worker_that_slept_too_long_changes_nothing(house: House) -> None:
    house.queue()
    slow = house.outbox.lease(house.clock(), SETTINGS.lease_s, [NAME])
    assert slow is not None
    assert house.outbox.lease(house.clock(), SETTINGS.lease_s, [NAME]) is None
    house.clock.now += SETTINGS.lease_s + 1
    house.worker().run_due()
    with pytest.raises(ProtocolError):
        house.outbox.advance(slow, house.clock(), 1, values={"state": State.DEAD.value})
    with pytest.raises(ProtocolError):
        house.outbox.load(slow)
    _check_sent(house)


def test_a_clock_that_was_set_back_holds_no_report_up(house: House) -> None:
    """The pause after a failure, or a dead worker's lease, may lie a month ahead."""
    house.queue()
    month = 30 * 86_400
    house.clock.now += month
    assert house.outbox.lease(house.clock(), SETTINGS.lease_s, [NAME]) is not None
    house.clock.now -= month
    slow = house.outbox.lease(house.clock(), SETTINGS.lease_s, [NAME])
    assert slow is not None
    pause = {"next_attempt_at": house.clock() + month + SETTINGS.max_s}
    house.outbox.advance(slow, house.clock(), SETTINGS.lease_s, values=pause)
    house.outbox.release(slow)
    house.worker().run_due()
    _check_sent(house)


def test_a_worker_overtaken_while_it_opens_takes_its_report_back(house: House) -> None:
    house.queue()
    worker, submit = house.worker(), house.body.open_report

    def overtaken(document: bytes) -> Answer:
        answer = submit(document)
        house.clock.now += SETTINGS.lease_s + 1
        house.body.open_report = submit  # type: ignore[method-assign]
        house.worker().run_due()
        return answer

    house.body.open_report = overtaken  # type: ignore[method-assign]
    worker.run_due()
    assert worker.summary.taken_over == 1
    _check_sent(house)
    assert (len(house.book.retracted), house.book.counts()["open"]) == (1, 0)


def test_a_receipt_that_differs_is_shown_and_nothing_is_sent_again(house: House) -> None:
    house.queue()
    finish = house.body.finish_report

    def other_files(report_number: int) -> Answer:
        return replace(finish(report_number), file_ids=("somebody-elses",))

    house.body.finish_report = other_files  # type: ignore[method-assign]
    house.worker().run_due()
    assert _only(house) == (State.FINISHED, "receipt-differs")
    assert [one.word for one in house.reconcile().discrepancies] == ["receipt-differs"]
    assert len(house.book.finished) == 1


def test_only_the_dead_are_sent_again(house: House) -> None:
    house.queue()
    for key in (KEY, b"x" * 16):
        with pytest.raises(ConfigError):
            house.outbox.requeue(key, NAME)
