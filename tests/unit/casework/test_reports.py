"""A confirmed case is reported in the transaction of its decision; receipts move it on."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from tests.unit.casework.following import FitSource, Office
from tests.unit.casework.house import (
    ABUSE,
    ALICE,
    BOB,
    LEAD,
    OTHER,
    REPORTER,
    House,
    opened,
)
from tests.unit.report.examples import fit_report
from veilmatch.actions.tables import action_message
from veilmatch.casework.after.reports import ReportPolicy
from veilmatch.casework.after.source import Company, CompanySource
from veilmatch.errors import ConfigError, PolicyError
from veilmatch.report.completeness import QUESTIONS, Waiver
from veilmatch.report.model.values import IndustryClassification
from veilmatch.report.viewed import DERIVATIVE_ONLY_TEXT, ViewedPart
from veilmatch.reporting.reconcile import list_reports, reconcile
from veilmatch.reporting.tables import State, outbox_report
from veilmatch.reporting.transport import NAME
from veilmatch.review.decision import (
    Classification,
    Judgement,
    Mark,
    Outcome,
    Reason,
    Scheme,
)
from veilmatch.review.states import CaseState

ACCOUNT = b"a" * 16


@pytest.fixture
def office(house: House, tmp_path: Path) -> Office:
    return Office(house, tmp_path)


def test_a_confirmed_case_is_queued_at_once(office: Office) -> None:
    case_id = office.house.open_case(account=ACCOUNT)
    office.house.decide(ALICE, case_id)
    assert list_reports(office.house.database) == []
    office.house.decide(BOB, case_id)
    (line,) = list_reports(office.house.database)
    assert (line.report_key, line.state) == (case_id, State.QUEUED)
    assert office.kinds() == ["case.confirmed", "asset.take_down", "account.suspend"]


def test_a_rejected_case_is_not(office: Office) -> None:
    case_id = office.house.open_case()
    office.house.decide(ALICE, case_id, Outcome.REJECT)
    office.house.decide(BOB, case_id, Outcome.REJECT)
    assert list_reports(office.house.database) == []
    assert office.kinds() == []
    assert office.advance().closed == 1
    assert office.state(case_id) is CaseState.CLOSED


def test_decision_report_and_actions_are_one_transaction(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = office.house.open_case()
    office.house.decide(ALICE, case_id)

    def fail(*_: object, **__: object) -> None:
        raise ConfigError("the power went")

    monkeypatch.setattr("veilmatch.casework.after.actions.Actions._queue", fail)
    with pytest.raises(ConfigError):
        office.house.decide(BOB, case_id)
    monkeypatch.undo()
    assert office.state(case_id) is CaseState.FIRST_DECIDED
    assert list_reports(office.house.database) == []
    assert office.kinds() == []
    size = office.house.desk.log.verify().size
    assert size == len(office.house.desk.log.read())
    office.house.decide(BOB, case_id)
    assert office.state(case_id) is CaseState.CONFIRMED


def test_receipts_move_a_case_on(office: Office) -> None:
    case_id = office.house.open_case(account=ACCOUNT)
    office.house.confirm(case_id)
    assert office.advance().reported == 0
    office.send()
    done = office.advance()
    assert (done.reported, done.acted) == (1, 0)
    assert done.receipts == 6  # opened, two files with their details, finished
    assert office.state(case_id) is CaseState.REPORTED
    office.deliver()
    assert office.advance().acted == 1
    assert office.advance().receipts == 0
    office.house.now += office.house.policy.appeal_s
    assert office.advance().closed == 1
    found = reconcile(office.house.database, NAME, [case_id])
    assert found.agrees, found.discrepancies
    kinds = [one.record.kind for one in office.house.desk.log.read(subject=case_id)]
    assert kinds.count("report.receipt") == 6
    assert kinds[-3:] == ["case.preserved", "case.acted", "case.closed"]


def test_only_what_all_who_confirmed_call_abuse_is_reported(office: Office) -> None:
    house = office.house
    case_id = house.open_case(opened(1), opened(2), opened(3, picture=1, quality=60))
    for who in (ALICE, BOB):
        house.queue.claim(who, case_id)
        groups = house.look(who, case_id)
        items = house.viewing.read_case(who, case_id).items
        double = next(g for g in groups if sum(item.group == g for item in items) == 2)
        marks = tuple(Mark(g, ABUSE if g == double else OTHER) for g in groups)
        judgement = Judgement(Outcome.CONFIRM, Reason.SHOWS_ABUSE, marks)
        house.decisions.decide(who, case_id, judgement)
    office.send()
    (report,) = office.book.finished.values()
    assert len(report.files) == 2
    with house.database.transaction() as connection:
        body = connection.execute(
            select(action_message.c.body).where(action_message.c.kind == "asset.take_down")
        ).scalar_one()
    for asset, is_taken in ((1, True), (2, False), (3, True)):
        assert (asset.to_bytes(16, "big").hex().encode() in body) is is_taken


@pytest.mark.parametrize("part", [ViewedPart.DERIVATIVE, ViewedPart.ORIGINAL])
def test_viewed_flags_come_from_recorded_views(office: Office, part: ViewedPart) -> None:
    house = office.house
    house.fetch = lambda account, asset_id, part: b"the file"
    case_id = house.open_case(opened(1))
    for who in (ALICE, BOB):
        house.queue.claim(who, case_id)
        (group,) = house.look(who, case_id)
        house.viewing.view_picture(who, case_id, group, part)
        judgement = Judgement(Outcome.CONFIRM, Reason.SHOWS_ABUSE, (Mark(group, ABUSE),))
        house.decisions.decide(who, case_id, judgement)
    office.send()
    (report,) = office.book.finished.values()
    (file,) = report.files.values()
    assert file.details is not None
    assert file.details.file_viewed_by_esp is (part is ViewedPart.ORIGINAL)
    said = DERIVATIVE_ONLY_TEXT in file.details.additional_info
    assert said is (part is ViewedPart.DERIVATIVE)


def test_a_classification_needs_the_agreement_and_both_people(office: Office) -> None:
    house = office.house
    case_id = house.open_case(opened(1), opened(2))
    marks = {ALICE: ("A1", "B2"), BOB: ("A1", "A2")}
    for who, values in marks.items():
        house.queue.claim(who, case_id)
        groups = house.look(who, case_id)
        given = tuple(
            Mark(group, Classification(Scheme.INDUSTRY, value))
            for group, value in zip(groups, values, strict=True)
        )
        house.decisions.decide(who, case_id, Judgement(Outcome.CONFIRM, Reason.SHOWS_ABUSE, given))
    # Without the agreement the rules refuse the scale, and the case waits for a person.
    assert office.reports.list_blocked()[case_id] == "classification-agreement"
    office.policy = ReportPolicy(NAME, has_agreement=True)
    assert office.reports.try_again(REPORTER, case_id)
    office.send()
    (report,) = office.book.finished.values()
    said = [one.details.industry_classification for one in report.files.values() if one.details]
    assert sorted(str(one) for one in said) == sorted([str(IndustryClassification.A1), "None"])


def test_an_unfit_report_waits_with_what_is_missing(office: Office) -> None:
    source = FitSource(is_thin=True)
    office.source = source
    office.house.after = office.reports
    case_id = office.house.open_case()
    office.house.confirm(case_id)
    reason = office.reports.list_blocked()[case_id]
    assert "gap account-name" in reason
    with pytest.raises(PolicyError):
        office.reports.try_again(ALICE, case_id)
    assert not office.reports.try_again(REPORTER, case_id)
    names = [one.removeprefix("gap ") for one in reason.split(", ")]
    waivers = [Waiver(name, "the platform does not know it") for name in names]
    assert office.reports.try_again(REPORTER, case_id, waivers)
    assert office.reports.list_blocked() == {}
    with pytest.raises(ConfigError):
        office.reports.try_again(LEAD, case_id)
    office.send()
    assert office.advance().reported == 1


def test_the_company_alone_describes_a_case_with_named_gaps(house: House, tmp_path: Path) -> None:
    reason = "it is sent on request of the police"
    waivers = tuple(Waiver(one.gap_id, reason) for one in QUESTIONS)
    company = Company(fit_report().reporter, "example-photos", "https://photos.example", waivers)
    office = Office(house, tmp_path, CompanySource(company))
    case_id = house.open_case(opened(1), account=ACCOUNT)
    house.confirm(case_id)
    office.send()
    (report,) = office.book.finished.values()
    person = report.report.person_or_user_reported[0]
    assert person.esp_identifier == ACCOUNT.hex()
    (file,) = report.files.values()
    assert file.details is not None
    assert "reduced copy" in " ".join(file.details.additional_info)


def test_sealed_report_documents_hold_no_plain_text(office: Office) -> None:
    office.house.confirm(office.house.open_case())
    with office.house.database.transaction() as connection:
        row = connection.execute(select(outbox_report)).one()
    assert b"photos.example" not in row.sealed_document
