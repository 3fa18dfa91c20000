"""Every gap can be found, answered and waived; a waiver needs a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.report.examples import fit_details, fit_report
from veilmatch.errors import InputError
from veilmatch.report.completeness import QUESTIONS, Waiver, measure_completeness
from veilmatch.report.model.document import FileDetails, Report
from veilmatch.report.model.incident import WebPageIncident
from veilmatch.report.model.people import IpCaptureEvent, Person, PersonOrUserReported

Pair = tuple[Report, tuple[FileDetails, ...]]
_REASON = "the account gave no such data"


def _person(**values: object) -> Pair:
    report = fit_report()
    person = replace(report.person_or_user_reported[0], **values)  # type: ignore[arg-type]
    return replace(report, person_or_user_reported=(person,)), (fit_details(),)


def _file(**values: object) -> Pair:
    return fit_report(), (replace(fit_details(), **values),)  # type: ignore[arg-type]


def _reporter(**values: object) -> Pair:
    report = fit_report()
    reporter = replace(report.reporter, **values)  # type: ignore[arg-type]
    return replace(report, reporter=reporter), (fit_details(),)


def _without_place() -> Pair:
    report = fit_report()
    summary = replace(report.incident_summary, platform=None)
    changed = replace(report, incident_summary=summary, internet_details=(WebPageIncident(),))
    return changed, (fit_details(),)


def _without_time_meaning() -> Pair:
    report = fit_report()
    summary = replace(report.incident_summary, incident_date_time_description=None)
    return replace(report, incident_summary=summary), (fit_details(),)


def _without_phone() -> Pair:
    return _reporter(reporting_person=replace(fit_report().reporter.reporting_person, phone=()))


OPENING: dict[str, Callable[[], Pair]] = {
    "account-name": lambda: _person(esp_identifier=None),
    "account-contact": lambda: _person(person=Person()),
    "account-state": lambda: _person(account_temporarily_disabled=None),
    "address": lambda: _person(ip_capture_event=()),
    "address-time": lambda: _person(ip_capture_event=(IpCaptureEvent(ip_address="192.0.2.1"),)),
    "region": lambda: _person(estimated_location=None),
    "place": _without_place,
    "incident-time": _without_time_meaning,
    "upload-time": lambda: _file(uploaded_to_esp_timestamp=None),
    "files": lambda: (fit_report(), ()),
    "file-name": lambda: _file(original_file_name=None),
    "file-digest": lambda: _file(original_file_hash=()),
    "file-assessed": lambda: _file(file_annotations=frozenset()),
    "file-public": lambda: _file(publicly_available=None),
    "call-back": _without_phone,
    "legal-process": lambda: _reporter(legal_url=None),
}


def test_a_full_report_scores_a_hundred() -> None:
    found = measure_completeness(fit_report(), [fit_details()])
    assert (found.score, found.open_gaps, found.waived) == (100, (), ())


def test_every_question_has_an_example() -> None:
    assert set(OPENING) == {question.gap_id for question in QUESTIONS}
    assert {question.group for question in QUESTIONS} == {"who", "where", "when", "what", "contact"}


@pytest.mark.parametrize("gap_id", sorted(OPENING))
def test_a_gap_is_found_and_may_be_waived_with_a_reason(gap_id: str) -> None:
    report, files = OPENING[gap_id]()
    found = measure_completeness(report, files)
    open_gaps = {gap.gap_id for gap in found.open_gaps}
    # Without any address, its time is missing as well.
    assert open_gaps == ({"address", "address-time"} if gap_id == "address" else {gap_id})
    assert found.score < 100
    waivers = [Waiver(one, _REASON) for one in sorted(open_gaps)]
    waived = measure_completeness(report, files, waivers)
    assert waived.open_gaps == ()
    assert waived.score == found.score
    assert {one.gap_id for one in waived.waived} == open_gaps


def test_a_report_of_nobody_scores_low() -> None:
    report = replace(fit_report(), person_or_user_reported=(PersonOrUserReported(),))
    assert measure_completeness(report, ()).score < 60


@pytest.mark.parametrize(
    "waivers",
    [
        [Waiver("region", "no")],
        [Waiver("region", " " * 40)],
        [Waiver("no-such-gap", _REASON)],
        [Waiver("region", _REASON), Waiver("region", _REASON)],
    ],
)
def test_a_waiver_without_a_real_reason_is_refused(waivers: list[Waiver]) -> None:
    with pytest.raises(InputError):
        measure_completeness(fit_report(), [fit_details()], waivers)


def test_a_waiver_prints_without_its_reason() -> None:
    assert _REASON not in repr(Waiver("region", _REASON))
