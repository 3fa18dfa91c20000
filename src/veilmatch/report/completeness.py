"""How complete a report is: named gaps that must be answered or waived with a reason.

A thin report cannot be routed to anybody. A gap is a question that the police would ask
(who, where, when, what); a report with an open gap is not sent.
Spec: ``spec/70-report.md`` section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from veilmatch.errors import InputError
from veilmatch.report.model.document import FileDetails, Report
from veilmatch.report.model.fields import walk
from veilmatch.report.model.people import IpCaptureEvent, PersonOrUserReported
from veilmatch.report.model.values import FileRelevance

MIN_REASON_LEN = 10

Files = Sequence[FileDetails]


@dataclass(frozen=True)
class Question:
    """One thing the police would ask; ``is_answered`` looks whether the report says it."""

    gap_id: str
    group: str
    text: str
    weight: int
    is_answered: Callable[[Report, Files], bool]


@dataclass(frozen=True, repr=False)
class Waiver:
    """Why a gap stays open: the words of the person who sends the report."""

    gap_id: str
    reason: str

    def __repr__(self) -> str:
        return f"Waiver({self.gap_id})"


@dataclass(frozen=True)
class Completeness:
    """The score in percent, the gaps nobody answered, and the gaps somebody waived."""

    score: int
    open_gaps: tuple[Question, ...]
    waived: tuple[Waiver, ...]


def _person(report: Report) -> PersonOrUserReported:
    found = report.person_or_user_reported
    return found[0] if found else PersonOrUserReported()


def _has_account_name(report: Report, _: Files) -> bool:
    person = _person(report)
    return bool(person.esp_identifier or person.screen_name)


def _has_contact(report: Report, _: Files) -> bool:
    person = _person(report).person
    return person is not None and bool(person.email or person.phone)


def _addresses(report: Report, files: Files) -> list[IpCaptureEvent]:
    found = list(_person(report).ip_capture_event)
    return found + [one.ip_capture_event for one in files if one.ip_capture_event]


def _has_dated_address(report: Report, files: Files) -> bool:
    found = _addresses(report, files)
    return bool(found) and all(event.date_time is not None for event in found)


def _has_region(report: Report, _: Files) -> bool:
    person = _person(report)
    location = person.estimated_location
    postal = person.person.address if person.person else ()
    return bool(postal) or (
        location is not None and bool(location.city or location.region or location.country_code)
    )


def _has_place(report: Report, _: Files) -> bool:
    return any(True for one in report.internet_details for _value in walk(one)) or bool(
        report.incident_summary.platform
    )


def _has_account_state(report: Report, _: Files) -> bool:
    person = _person(report)
    return bool(person.account_temporarily_disabled or person.account_permanently_disabled)


def _has_officer_contact(report: Report, _: Files) -> bool:
    people = (report.reporter.contact_person, report.reporter.reporting_person)
    return any(person is not None and person.phone for person in people)


def _each_file(answered: Callable[[FileDetails], object]) -> Callable[[Report, Files], bool]:
    def check(_: Report, files: Files) -> bool:
        return all(answered(one) for one in files)

    return check


def _is_assessed(one: FileDetails) -> object:
    return (
        one.file_relevance is FileRelevance.SUPPLEMENTAL
        or one.industry_classification
        or one.file_annotations
        or one.potential_meme is not None
        or one.additional_info
    )


QUESTIONS: tuple[Question, ...] = (
    Question("account-name", "who", "Which account is it?", 3, _has_account_name),
    Question("account-contact", "who", "Which e-mail or telephone has it?", 2, _has_contact),
    Question("account-state", "who", "Was the account disabled, and when?", 1, _has_account_state),
    Question("address", "where", "From which IP address?", 3, lambda r, f: bool(_addresses(r, f))),
    Question("address-time", "where", "When was each address used?", 3, _has_dated_address),
    Question("region", "where", "In which region is the person?", 1, _has_region),
    Question("place", "where", "On which service or page?", 2, _has_place),
    Question(
        "incident-time",
        "when",
        "What does the time of the incident mean?",
        1,
        lambda r, _: bool(r.incident_summary.incident_date_time_description),
    ),
    Question(
        "upload-time",
        "when",
        "When was each file uploaded?",
        2,
        _each_file(lambda one: one.uploaded_to_esp_timestamp),
    ),
    Question("files", "what", "Which files are reported?", 3, lambda _, f: bool(f)),
    Question(
        "file-name",
        "what",
        "What did the user call each file?",
        1,
        _each_file(lambda one: one.original_file_name),
    ),
    Question(
        "file-digest",
        "what",
        "What is the digest of each file as uploaded?",
        2,
        _each_file(lambda one: one.original_file_hash),
    ),
    Question("file-assessed", "what", "What does each file show?", 2, _each_file(_is_assessed)),
    Question(
        "file-public",
        "what",
        "Was each file public?",
        1,
        _each_file(lambda one: one.publicly_available is not None),
    ),
    Question("call-back", "contact", "Whom can an officer call?", 1, _has_officer_contact),
    Question(
        "legal-process",
        "contact",
        "How is legal process served?",
        1,
        lambda r, _: bool(r.reporter.company_template or r.reporter.legal_url),
    ),
)


def measure_completeness(
    report: Report, files: Files, waivers: Sequence[Waiver] = ()
) -> Completeness:
    """Score a report and list its gaps. A waived gap is answered, but earns no score.

    Raises:
        InputError: A waiver names no question, comes twice, or gives no real reason.
    """
    known = {question.gap_id for question in QUESTIONS}
    reasons = {waiver.gap_id: waiver for waiver in waivers}
    if len(reasons) != len(waivers) or not reasons.keys() <= known:
        raise InputError("a waiver names no gap, or a gap twice")
    if any(len(waiver.reason.strip()) < MIN_REASON_LEN for waiver in waivers):
        raise InputError(
            "a waiver gives no reason", hint=f"write at least {MIN_REASON_LEN} characters"
        )
    gaps = [question for question in QUESTIONS if not question.is_answered(report, files)]
    total = sum(question.weight for question in QUESTIONS)
    missing = sum(question.weight for question in gaps)
    return Completeness(
        score=100 * (total - missing) // total,
        open_gaps=tuple(gap for gap in gaps if gap.gap_id not in reasons),
        waived=tuple(reasons[gap.gap_id] for gap in gaps if gap.gap_id in reasons),
    )
