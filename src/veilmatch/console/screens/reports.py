"""Reports: what is to be written, what stands between a report and sending it, receipts.

Here, and only here, an account's pseudonym is shown: to the reporting desk, of a confirmed
case, and the look is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import and_, select
from starlette.exceptions import HTTPException
from starlette.responses import Response

from veilmatch.access.roles import Role
from veilmatch.casework.after.reports import read_facts
from veilmatch.casework.after.source import CaseFacts
from veilmatch.casework.history import hold_case
from veilmatch.casework.tables import case_preservation, case_report, review_item
from veilmatch.casework.viewing import read_view_events
from veilmatch.console.forms.report_form import FIELDS, FILE_FIELDS, FormSource
from veilmatch.console.guard import Door, Visit, redirect
from veilmatch.console.screens.queue import name_of, parse_case_id
from veilmatch.console.templating import show
from veilmatch.errors import InputError
from veilmatch.privatelog.log import LogEntry
from veilmatch.report.check import Draft, DraftFile, Review, review_draft
from veilmatch.report.completeness import QUESTIONS
from veilmatch.report.rules import RuleContext
from veilmatch.report.serialize import to_xml
from veilmatch.report.viewed import ViewedPart, ViewEvent, derive_viewed
from veilmatch.reporting.reconcile import ReportLine, list_reports
from veilmatch.reporting.tables import State, outbox_receipt
from veilmatch.review.decision import abusive_groups

REPORTS = "/review/reports"
WRITERS = frozenset({Role.REPORTER})
READERS = frozenset({Role.REPORTER, Role.LEAD, Role.AUDITOR})
_STEP_UP_S, _STEP_UP_TO_SEND_S = 300, 1800
_NOTICES = {"queued": "The report is queued. The worker sends it.", "again": "It is sent again."}
_ADVICE = {
    "refused-content": "The body does not accept it: compare it with the body's schema.",
    "refused-access": "Ask the operator about the credentials.",
    "unknown-code": "The body answered something new: ask the operator.",
    "file-unreadable": "A sealed file is gone or was changed: ask the operator.",
    "finished-elsewhere": "The body says that it was finished, and not by us: ask the operator.",
}


@dataclass(frozen=True)
class Line:
    """A report in a list."""

    case_id: str
    name: str
    body: str
    state: str
    reason: str
    advice: str
    score: int
    queued_at: int
    finished_at: int | None
    report_number: int | None

    @property
    def is_finished(self) -> bool:
        """It has arrived."""
        return self.state == State.FINISHED.value


@dataclass(frozen=True)
class _Subject:
    """A confirmed case as its report sees it: the pictures that people called abuse."""

    facts: CaseFacts
    numbers: tuple[int, ...]
    titles: dict[int, int]
    views: tuple[ViewEvent, ...]


def _line(one: ReportLine) -> Line:
    return Line(
        one.report_key.hex(),
        name_of(one.report_key),
        one.body,
        one.state.value,
        one.reason,
        _ADVICE.get(one.reason, "Try again; if it stops again, ask the operator."),
        one.score,
        one.queued_at,
        one.finished_at,
        one.report_number,
    )


def reports_page(visit: Visit) -> Response:
    """Show what is to be written, what is stuck, what is on its way."""
    database = visit.services.desk.database
    lines = [_line(one) for one in list_reports(database)]
    row = case_report.c
    blocked = select(row.case_id, row.changed_at).where(row.state == "blocked")
    with database.transaction() as connection:
        due = connection.execute(blocked.order_by(row.changed_at)).all()
    return show(
        visit,
        "reports.html",
        due=[(one.case_id.hex(), name_of(one.case_id), one.changed_at) for one in due],
        dead=[one for one in lines if one.state == State.DEAD.value],
        lines=[one for one in lines if one.state != State.DEAD.value],
        may_report=Role.REPORTER in visit.person.roles,
        has_passkeys=visit.services.passkeys is not None,
        notice=_NOTICES.get(visit.query.get("done", ""), ""),
    )


def _read_subject(visit: Visit) -> _Subject:
    case_id, desk = parse_case_id(visit), visit.services.desk
    row, item = case_report.c, review_item.c
    with desk.database.transaction() as connection:
        blocked = and_(row.case_id == case_id, row.state == "blocked")
        if connection.execute(select(row.case_id).where(blocked)).first() is None:
            raise HTTPException(404)
        groups = sorted(abusive_groups(hold_case(connection, desk, case_id).decisions))
        chosen = and_(item.case_id == case_id, item.group_number.in_(groups))
        rows = connection.execute(select(item.number, item.group_number).where(chosen)).all()
        views = read_view_events(connection, case_id)
    by_number = {one.number: groups.index(one.group_number) + 1 for one in rows}
    facts = read_facts(desk, case_id)
    numbers = tuple(file.number for file in facts.files if file.number in by_number)
    return _Subject(facts, numbers, by_number, views)


def _preview(visit: Visit, subject: _Subject) -> tuple[Review, list[str]]:
    """Check the form as it would be sent. Returns what was found, and the documents.

    Raises:
        InputError: A time is malformed, or a waiver gives no reason.
    """
    services = visit.services
    source = FormSource(visit.form, services.require_profile(), subject.numbers)
    described = source.describe(subject.facts)
    now = datetime.fromtimestamp(services.clock(), UTC)
    policy = services.report_policy
    files = [
        DraftFile(file.file_key, details)
        for file, details in zip(subject.facts.files, described.details, strict=True)
        if file.number in subject.titles
    ]
    draft = Draft(described.report, tuple(files), subject.views, described.waivers)
    context = RuleContext(now, has_hash_sharing_agreement=policy.has_agreement)
    review = review_draft(draft, context, schema=policy.schema, policy=policy.unseen)
    writable = all(finding.rule_id != "text-xml" for finding in review.findings)
    documents = [described.report] + [
        derive_viewed(one.details, one.file_key, subject.views, now, policy.unseen) for one in files
    ]
    return review, [to_xml(one).decode() for one in documents] if writable else []


def _show_form(visit: Visit, subject: _Subject, refusal: str = "", status: int = 200) -> Response:
    try:
        review, documents = _preview(visit, subject)
    except InputError as exc:
        visit.form = {}  # what cannot be read is shown again as nothing, and named above
        refusal, status = refusal or str(exc), 422
        review, documents = _preview(visit, subject)
    completeness = review.completeness
    opened = {gap.gap_id for gap in completeness.open_gaps}
    waived = {waiver.gap_id for waiver in completeness.waived}
    derivative = ViewedPart.DERIVATIVE
    seen = {one.file_key for one in subject.views if one.part is derivative}
    return show(
        visit,
        "report.html",
        status=status,
        case_id=subject.facts.case_id.hex(),
        name=name_of(subject.facts.case_id),
        account=visit.services.viewing.read_account(visit.person, subject.facts.case_id).hex(),
        fields=FIELDS,
        file_fields=FILE_FIELDS,
        files=[
            (
                subject.titles[number],
                "its reduced copy was seen" if str(number) in seen else "stands for its group",
            )
            for number in subject.numbers
        ],
        questions=QUESTIONS,
        open=opened,
        waived=waived,
        answered={question.gap_id for question in QUESTIONS} - opened - waived,
        findings=review.findings,
        score=completeness.score,
        is_fit=review.is_fit,
        documents=documents,
        form=visit.form,
        body=visit.services.settings.body,
        refusal=refusal,
    )


def report_page(visit: Visit) -> Response:
    """Show the form of a confirmed case's report, with what is missing."""
    return _show_form(visit, _read_subject(visit))


def write_report(visit: Visit) -> Response:
    """Check the form again, or queue the report if nothing stands against it."""
    subject = _read_subject(visit)
    if visit.form.get("do") != "send":
        return _show_form(visit, subject)
    services = visit.services
    source = FormSource(visit.form, services.require_profile(), subject.numbers)
    try:
        is_queued = services.reports(source).try_again(visit.person, subject.facts.case_id)
    except InputError as exc:
        return _show_form(visit, subject, str(exc), 422)
    if not is_queued:
        words = "A rule is broken or a gap is open; each is named below."
        return _show_form(visit, subject, words, 422)
    return redirect(f"{REPORTS}?done=queued")


def send_again(visit: Visit) -> Response:
    """Send a report again that had stopped, once its cause is mended."""
    case_id, services = parse_case_id(visit), visit.services
    body = visit.form.get("body", "")
    services.outbox.requeue(case_id, body)
    with services.desk.database.transaction() as connection:
        entry = LogEntry("report.requeued", visit.person.operator_id, case_id, {"body": body[:64]})
        services.desk.log.append(connection, entry)
    return redirect(f"{REPORTS}?done=again")


def receipt_page(visit: Visit) -> Response:
    """Show every call to the body for one report, and what it answered."""
    case_id, database = parse_case_id(visit), visit.services.desk.database
    lines = [one for one in list_reports(database) if one.report_key == case_id]
    if not lines:
        raise HTTPException(404)
    receipt, kept = outbox_receipt.c, case_preservation.c
    query = select(outbox_receipt).where(receipt.report_key == case_id)
    with database.transaction() as connection:
        receipts = connection.execute(query.order_by(receipt.receipt_id)).all()
        until = connection.execute(select(kept.until_at).where(kept.case_id == case_id)).scalar()
    return show(
        visit,
        "receipt.html",
        name=name_of(case_id),
        line=_line(lines[0]),
        receipts=receipts,
        preserved_until=until,
    )


_REPORT = REPORTS + "/{case_id}"
DOORS = [
    Door("GET", REPORTS, reports_page, READERS),
    Door("GET", _REPORT, report_page, WRITERS, step_up_s=_STEP_UP_S),
    Door("POST", _REPORT, write_report, WRITERS, step_up_s=_STEP_UP_TO_SEND_S),
    Door("POST", _REPORT + "/again", send_again, WRITERS, step_up_s=_STEP_UP_TO_SEND_S),
    Door("GET", _REPORT + "/receipt", receipt_page, READERS),
]
