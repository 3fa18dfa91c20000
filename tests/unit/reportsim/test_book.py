"""The simulator's book behaves as the service was recorded and documented."""

from __future__ import annotations

import hashlib

import pytest

from tests.unit.report.examples import fit_details, fit_report
from veilmatch.errors import ConfigError, EncodingError
from veilmatch.report.serialize import to_xml
from veilmatch.reportsim.book import Book
from veilmatch.reportsim.faults import PATHS, RANDOM_FAULTS, Fault, FaultPlan
from veilmatch.reportsim.server import parse_form

DAY, HOUR = 24 * 3600, 3600


class Desk:
    """A book with a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self._drawn = 0
        self.book = Book(lambda: self.now, self._random)

    def _random(self, length: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(length, "big")

    def submit(self) -> int:
        number = self.book.submit(to_xml(fit_report())).report_number
        assert number is not None
        return number


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_report_is_opened_filled_and_finished_once(desk: Desk) -> None:
    number = desk.submit()
    sent = desk.book.upload(number, b"bytes")
    assert sent.md5 == hashlib.md5(b"bytes", usedforsecurity=False).hexdigest()
    assert sent.file_id is not None
    assert len(sent.file_id) == 32
    details = fit_details().addressed_to(number, sent.file_id)
    assert desk.book.describe(to_xml(details)).code == 0
    done = desk.book.finish(number)
    assert (done.code, done.file_ids) == (0, (sent.file_id,))
    assert desk.book.finish(number).code == 5102
    assert desk.book.retract(number).code == 5102
    assert desk.book.upload(number, b"late").code == 5102


def test_the_same_bytes_twice_are_two_files(desk: Desk) -> None:
    number = desk.submit()
    desk.book.upload(number, b"x")
    desk.book.upload(number, b"x")
    assert len(desk.book.finish(number).file_ids) == 2


def test_a_retracted_report_is_closed(desk: Desk) -> None:
    number = desk.submit()
    assert desk.book.retract(number).code == 0
    assert desk.book.retract(number).code == 5101
    assert desk.book.finish(number).code == 5101


def test_unknown_reports_and_files(desk: Desk) -> None:
    number = desk.submit()
    for code in (
        desk.book.finish(1).code,
        desk.book.retract(-1).code,
        desk.book.upload(1, b"").code,
        desk.book.describe(to_xml(fit_details().addressed_to(1, "aa"))).code,
    ):
        assert code == 5001
    assert desk.book.describe(to_xml(fit_details().addressed_to(number, "aa"))).code == 5002


@pytest.mark.parametrize(
    ("changed_at", "alive_at", "gone_at"),
    [(None, DAY, DAY + 1), (HOUR, DAY, DAY + 1), (DAY, DAY + HOUR, DAY + HOUR + 1)],
)
def test_windows(desk: Desk, changed_at: int | None, alive_at: int, gone_at: int) -> None:
    alive, gone = desk.submit(), desk.submit()
    if changed_at is not None:
        desk.now = changed_at
        for number in (alive, gone):
            desk.book.upload(number, b"x")
    desk.now = alive_at
    assert desk.book.finish(alive).code == 0
    desk.now = gone_at
    assert desk.book.finish(gone).code == 5001
    assert desk.book.counts() == {"open": 0, "finished": 1, "retracted": 0, "lapsed": 1}
    assert desk.book.finish(alive).code == 5102


def test_broken_and_invalid_reports(desk: Desk) -> None:
    assert desk.book.submit(b"<report>").code == 4110
    assert desk.book.submit(b"<report/>").code == 4100
    assert desk.book.describe(b"<fileDetails><no/></fileDetails>").code == 4100


def test_ordered_faults_come_first_and_once() -> None:
    plan = FaultPlan()
    plan.order("/upload", "cut-after")
    assert plan.next_fault("/submit") is None
    assert plan.next_fault("/upload") is Fault.CUT_AFTER
    assert plan.next_fault("/upload") is None
    for path, fault in (("/nowhere", "slow"), ("/upload", "no-such")):
        with pytest.raises(ConfigError):
            plan.order(path, fault)


def test_random_faults_repeat_with_their_seed_and_are_of_every_kind() -> None:
    drawn = [FaultPlan(0.9, 3), FaultPlan(0.9, 3)]
    runs = [[plan.next_fault(path) for path in PATHS * 60] for plan in drawn]
    assert runs[0] == runs[1]
    assert set(runs[0]) == {None, *RANDOM_FAULTS}
    assert Fault.WRONG_MD5 not in [
        fault for path, fault in zip(PATHS * 60, runs[0], strict=True) if path != "/upload"
    ]
    with pytest.raises(ConfigError):
        FaultPlan(1.0)


def test_forms_keep_every_byte() -> None:
    content = bytes(range(256)) + b"\r\n\n\r--other\r\n"
    body = (
        b'--xyz\r\nContent-Disposition: form-data; name="id"\r\n\r\n7\r\n'
        b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n--xyz--\r\n"
    )
    assert parse_form("multipart/form-data; boundary=xyz", body) == {"id": b"7", "file": content}
    assert parse_form("application/x-www-form-urlencoded", b"id=8") == {"id": b"8"}
    with pytest.raises(EncodingError):
        parse_form("multipart/form-data; boundary=xyz", b"--xyz\r\nno\r\n--xyz--")
