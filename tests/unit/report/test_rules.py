"""Every rule has an example that passes it and one that it, and only it, finds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.report.examples import CONTEXT, NOW, fit_details, fit_report
from veilmatch.errors import InputError
from veilmatch.report.model.document import FileDetails, FileHash, Report
from veilmatch.report.model.incident import CellPhoneIncident, WebPageIncident
from veilmatch.report.model.people import Email, Person, PersonOrUserReported, Phone
from veilmatch.report.model.values import (
    FileAnnotation,
    FileRelevance,
    IndustryClassification,
    ReportAnnotation,
    SchemaVersion,
)
from veilmatch.report.rules import RULES, RuleContext, find_breaks

Change = Callable[[Report, FileDetails], tuple[Report, FileDetails]]


def report_with(path: str, value: Any) -> Change:
    """Change one field of the report, named by its path of field names and indexes."""

    def change(report: Report, details: FileDetails) -> tuple[Report, FileDetails]:
        return _set(report, path.split("."), value), details

    return change


def file_with(**values: Any) -> Change:
    return lambda report, details: (report, replace(details, **values))


def _set(record: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    head, *rest = path
    if isinstance(record, tuple):
        changed = [*record]
        changed[int(head)] = _set(changed[int(head)], rest, value)
        return tuple(changed)
    assert dataclasses.is_dataclass(record)
    assert not isinstance(record, type)
    return replace(record, **{head: _set(getattr(record, head), rest, value)})


def _nothing(report: Report, details: FileDetails) -> tuple[Report, FileDetails]:
    return report, details


_NAIVE = datetime(2026, 5, 1, 12, 30)  # noqa: DTZ001  that is the point
_EVENT = "person_or_user_reported.0.ip_capture_event.0"
_MD5 = "9e107d9d372bb6826bd81d3542a419d6"

PASSING: dict[str, list[Change]] = {
    "time-zone": [_nothing],
    "time-past": [report_with("incident_summary.incident_date_time", NOW)],
    "incident-place": [_nothing],
    "reporter-reachable": [
        report_with("reporter.reporting_person.last_name", None),
        report_with("reporter.reporting_person.first_name", None),
    ],
    "email-form": [
        report_with("reporter.reporting_person.email.0", Email(value="a.b+c@d.example"))
    ],
    "ip-address": [
        report_with(f"{_EVENT}.ip_address", "2001:db8::1"),
        report_with(f"{_EVENT}.port", 0),
        report_with(f"{_EVENT}.port", 65_535),
    ],
    "text-length": [
        report_with("incident_summary.platform", "x" * 256),
        report_with("incident_summary.escalate_to_high_priority", "x" * 3000),
        report_with("person_or_user_reported.0.esp_identifier", "x" * 255),
        report_with("person_or_user_reported.0.esp_service", "x" * 100),
        report_with("reporter.legal_url", "https://" + "x" * 2075),
        file_with(original_file_name="x" * 2056),
        file_with(original_file_hash=(FileHash(value="a" * 64, hash_type="SHA256"),)),
    ],
    "text-xml": [report_with("incident_summary.platform", "tab\there <&> 東京")],
    "exif-without-file": [
        file_with(file_viewed_by_esp=True, exif_viewed_by_esp=True),
        file_with(file_viewed_by_esp=True, exif_viewed_by_esp=False),
        file_with(file_viewed_by_esp=False, exif_viewed_by_esp=False),
    ],
    "supplemental-plain": [file_with(file_relevance=FileRelevance.SUPPLEMENTAL)],
    "one-person-reported": [_nothing, report_with("person_or_user_reported", ())],
    "meme-or-annotations": [file_with(potential_meme=True, file_annotations=frozenset())],
    "classification-agreement": [_nothing],
    "annotation-version": [
        report_with("incident_summary.report_annotations", frozenset({ReportAnnotation.SPAM}))
    ],
    "hash-form": [file_with(original_file_hash=(FileHash(value="aB" * 20, hash_type="SHA1"),))],
    "url-form": [report_with("internet_details.0", WebPageIncident(url=("http://a.example",)))],
    "country-code": [
        report_with("person_or_user_reported.0.estimated_location.country_code", "A1"),
        report_with(
            "reporter.reporting_person.phone.0", Phone(value="1", country_calling_code="+358")
        ),
    ],
    "coordinates": [
        report_with("internet_details", (CellPhoneIncident(latitude=-90.0, longitude=180.0),))
    ],
    "required-text": [_nothing],
}

FAILING: dict[str, list[Change]] = {
    "time-zone": [
        report_with("incident_summary.incident_date_time", _NAIVE),
        report_with(f"{_EVENT}.date_time", _NAIVE),
        file_with(uploaded_to_esp_timestamp=_NAIVE),
    ],
    "time-past": [
        report_with("incident_summary.incident_date_time", NOW + timedelta(seconds=1)),
        file_with(uploaded_to_esp_timestamp=NOW + timedelta(days=1)),
    ],
    "incident-place": [report_with("internet_details", ())],
    "reporter-reachable": [
        report_with("reporter.reporting_person", Person(first_name="Trust")),
        report_with("reporter.reporting_person.email", ()),
        lambda report, details: (
            _set(
                _set(report, ["reporter", "reporting_person", "first_name"], " "),
                ["reporter", "reporting_person", "last_name"],
                None,
            ),
            details,
        ),
    ],
    "email-form": [
        report_with("person_or_user_reported.0.person.email.0", Email(value="nobody")),
    ],
    "ip-address": [
        report_with(f"{_EVENT}.ip_address", "192.0.2.256"),
        report_with(f"{_EVENT}.port", 65_536),
    ],
    "text-length": [
        report_with("incident_summary.platform", "x" * 257),
        report_with("incident_summary.escalate_to_high_priority", "x" * 3001),
        report_with("incident_summary.incident_date_time_description", "x" * 3001),
        report_with("person_or_user_reported.0.esp_identifier", "x" * 256),
        report_with("person_or_user_reported.0.esp_service", "x" * 101),
        report_with("person_or_user_reported.0.screen_name", "x" * 257),
        report_with("reporter.legal_url", "https://" + "x" * 2076),
        file_with(original_file_name="x" * 2057),
        file_with(location_of_file="https://" + "x" * 2076),
        file_with(original_file_hash=(FileHash(value="a" * 65, hash_type="other"),)),
    ],
    "text-xml": [report_with("incident_summary.platform", "bell\x07")],
    "exif-without-file": [
        file_with(file_viewed_by_esp=False, exif_viewed_by_esp=True),
        file_with(exif_viewed_by_esp=True),
    ],
    "supplemental-plain": [
        file_with(
            file_relevance=FileRelevance.SUPPLEMENTAL,
            potential_meme=True,
            file_annotations=frozenset(),
        ),
        file_with(
            file_relevance=FileRelevance.SUPPLEMENTAL,
            file_annotations=frozenset({FileAnnotation.POTENTIAL_MEME}),
        ),
    ],
    "one-person-reported": [
        report_with("person_or_user_reported", (PersonOrUserReported(), PersonOrUserReported()))
    ],
    "meme-or-annotations": [file_with(potential_meme=False)],
    "classification-agreement": [file_with(industry_classification=IndustryClassification.A1)],
    "annotation-version": [
        report_with(
            "incident_summary.report_annotations", frozenset({ReportAnnotation.INSTRUMENTAL})
        )
    ],
    "hash-form": [
        file_with(original_file_hash=(FileHash(value=_MD5[:-1], hash_type="MD5"),)),
        file_with(original_file_hash=(FileHash(value="xyz", hash_type="other"),)),
    ],
    "url-form": [
        report_with("internet_details.0", WebPageIncident(url=("photos.example",))),
        file_with(location_of_file="ftp://a.example/x"),
    ],
    "country-code": [
        report_with("person_or_user_reported.0.estimated_location.country_code", "Ruritania"),
        report_with(
            "reporter.reporting_person.phone.0", Phone(value="1", country_calling_code="0041")
        ),
    ],
    "coordinates": [report_with("internet_details", (CellPhoneIncident(latitude=90.5),))],
    "required-text": [
        file_with(original_file_hash=(FileHash(value=_MD5, hash_type=" "),)),
    ],
}


def _broken(change: Change, context: RuleContext = CONTEXT) -> set[str]:
    report, details = change(fit_report(), fit_details())
    return {finding.rule_id for finding in find_breaks(report, [details], context)}


def test_every_rule_has_examples_and_a_text() -> None:
    ids = [rule.rule_id for rule in RULES]
    assert len(set(ids)) == len(ids)
    assert set(ids) == set(PASSING) == set(FAILING)
    assert all(rule.text and PASSING[rule.rule_id] and FAILING[rule.rule_id] for rule in RULES)


@pytest.mark.parametrize("rule_id", sorted(PASSING))
def test_passing_examples_break_no_rule(rule_id: str) -> None:
    for change in PASSING[rule_id]:
        assert _broken(change) == set()


@pytest.mark.parametrize("rule_id", sorted(FAILING))
def test_failing_examples_break_their_rule_and_no_other(rule_id: str) -> None:
    for change in FAILING[rule_id]:
        assert _broken(change) == {rule_id}


def test_a_supplemental_file_with_a_classification_breaks_its_rule() -> None:
    change = file_with(
        file_relevance=FileRelevance.SUPPLEMENTAL, industry_classification=IndustryClassification.B2
    )
    member = RuleContext(NOW, has_hash_sharing_agreement=True)
    assert _broken(change, member) == {"supplemental-plain"}


def test_settings_open_what_they_are_for() -> None:
    classified = file_with(industry_classification=IndustryClassification.A1)
    assert _broken(classified, RuleContext(NOW, has_hash_sharing_agreement=True)) == set()
    (newer,) = FAILING["annotation-version"]
    assert _broken(newer, RuleContext(NOW, schema=SchemaVersion.Y2026)) == set()


def test_a_time_far_ahead_is_future_in_every_zone() -> None:
    change = report_with("incident_summary.incident_date_time", _NAIVE.replace(year=2027))
    assert _broken(change) == {"time-zone", "time-past"}


def test_findings_name_places_and_no_values() -> None:
    report, details = report_with(f"{_EVENT}.ip_address", "private-value")(
        fit_report(), fit_details()
    )
    found = find_breaks(report, [details], CONTEXT)
    assert [finding.place for finding in found] == ["IpCaptureEvent/ipAddress"]
    assert "private-value" not in str(found)


def test_a_check_needs_a_time_with_a_zone() -> None:
    with pytest.raises(InputError):
        RuleContext(_NAIVE)
