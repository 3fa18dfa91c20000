"""The second body: an archive per report, through the same worker and the same outbox."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.report.examples import CONTEXT, fit_draft
from tests.unit.report.test_archive import RECIPIENT, RECIPIENT_KEY, SIGNER
from tests.unit.reporting.house import CONTENTS, KEY, House, Killed
from veilmatch.errors import StoreError
from veilmatch.report.archive import open_package
from veilmatch.report.body import ReportingBody, Step
from veilmatch.report.check import check_report
from veilmatch.report.model.answers import Action
from veilmatch.report.model.document import FileDetails, Report
from veilmatch.report.parse import parse_document
from veilmatch.reporting.package import NAME, PackageBody
from veilmatch.reporting.reconcile import reconcile
from veilmatch.reporting.worker import ReportWorker


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    checked = check_report(fit_draft("package", 2), CONTEXT)
    assert house.outbox.add(KEY, NAME, checked, CONTENTS, 1)
    yield house
    house.database.close()


def _worker(house: House, body: ReportingBody) -> ReportWorker:
    return ReportWorker(house.outbox, {NAME: body}, house.clock, lambda: 0.0, house.settings)


def _check_package(house: House, folder: Path) -> None:
    (path,) = folder.glob("*.vmp")
    package = open_package(path.read_bytes(), RECIPIENT, SIGNER.public_key)
    by_kind = {step: [p for p in package.parts if p.kind is step] for step in Step}
    assert sorted(part.content for part in by_kind[Step.FILE]) == sorted(CONTENTS)
    report = parse_document(Report, by_kind[Step.OPEN][0].content)
    assert report.additional_info == "package"
    for part in by_kind[Step.DETAILS]:
        details = parse_document(FileDetails, part.content)
        assert (details.report_id, details.file_id) == (package.number, part.file_id)
        assert details.file_viewed_by_esp is False
    assert {p.file_id for p in by_kind[Step.DETAILS]} == {p.file_id for p in by_kind[Step.FILE]}
    assert reconcile(house.database, NAME, {KEY}).agrees


def test_a_report_becomes_one_package(house: House, tmp_path: Path) -> None:
    body = PackageBody(tmp_path / "out", SIGNER, RECIPIENT_KEY)
    assert _worker(house, body).run_due().finished == 1
    _check_package(house, tmp_path / "out")
    assert list((tmp_path / "out" / ".staging").iterdir()) == []


def test_nothing_unsealed_touches_the_disk(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = PackageBody(tmp_path / "out", SIGNER, RECIPIENT_KEY)
    monkeypatch.setattr(body, "finish_report", lambda _: (_ for _ in ()).throw(Killed()))
    with pytest.raises(Killed):
        _worker(house, body).run_due()
    staged = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(staged) == 5
    for private in (*CONTENTS, b"acct-000123", b"<report>"):
        assert all(private not in data for data in staged)


def test_dying_at_any_moment_gives_one_package(tmp_path: Path) -> None:
    for at in itertools.count(1, 3):
        folder = tmp_path / str(at)
        folder.mkdir()
        house = House(folder)
        checked = check_report(fit_draft("package", 2), CONTEXT)
        house.outbox.add(KEY, NAME, checked, CONTENTS, 1)
        body = PackageBody(folder / "out", SIGNER, RECIPIENT_KEY)
        house.doom(at)
        try:
            _worker(house, body).run_due()
            died = False
        except Killed:
            died = True
        house.doom(-1)
        house.clock.now += house.settings.lease_s + 1
        _worker(house, body).run_due()
        _check_package(house, folder / "out")
        house.database.close()
        if not died:
            break
    assert at > 15


def test_a_finished_package_takes_nothing_more(tmp_path: Path) -> None:
    body = PackageBody(tmp_path, SIGNER, RECIPIENT_KEY)
    number = body.open_report(b"<report/>").report_number
    assert number is not None
    assert body.finish_report(number).action is Action.CONTINUE
    before = body.package_path(number).read_bytes()
    assert body.finish_report(number).action is Action.DONE
    assert body.retract_report(number).action is Action.DONE
    assert body.send_file(number, b"x").action is Action.DONE
    assert body.describe_file(number, "aa", b"x").action is Action.DONE
    assert body.package_path(number).read_bytes() == before


def test_a_retracted_package_is_gone(tmp_path: Path) -> None:
    body = PackageBody(tmp_path, SIGNER, RECIPIENT_KEY)
    number = body.open_report(b"<report/>").report_number
    assert number is not None
    assert body.retract_report(number).action is Action.CONTINUE
    for answer in (body.retract_report(number), body.finish_report(number)):
        assert answer.action is Action.REOPEN
    assert list(tmp_path.glob("*.vmp")) == []


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError):
        PackageBody(tmp_path / "file", SIGNER, RECIPIENT_KEY).open_report(b"<report/>")
