"""Do the books agree? Confirmed cases, reports, receipts: each exactly once.

Spec: ``spec/70-report.md`` section 12.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import and_, select

from veilmatch.reporting import tables
from veilmatch.reporting.tables import State
from veilmatch.store.database import Database


@dataclass(frozen=True)
class ReportLine:
    """What a list of reports shows: no account, no person, no file."""

    report_key: bytes
    body: str
    state: State
    reason: str
    report_number: int | None
    score: int
    open_count: int
    attempts: int
    queued_at: int
    finished_at: int | None


@dataclass(frozen=True)
class Discrepancy:
    """Where the books do not agree; ``word`` is one of the spec's fixed words."""

    report_key: bytes
    word: str


@dataclass(frozen=True)
class Reconciliation:
    """The counts and every discrepancy."""

    counts: dict[str, int]
    receipt_count: int
    discrepancies: tuple[Discrepancy, ...]

    @property
    def agrees(self) -> bool:
        """Tell whether nothing is out of order."""
        return not self.discrepancies


def list_reports(database: Database, state: State | None = None) -> list[ReportLine]:
    """List reports, oldest first; with ``State.DEAD``, the ones a person must look at."""
    report = tables.outbox_report.c
    query = select(tables.outbox_report).order_by(report.queued_at, report.report_key)
    if state is not None:
        query = query.where(report.state == state.value)
    with database.transaction() as connection:
        rows = connection.execute(query).all()
    return [
        ReportLine(
            row.report_key,
            row.body,
            State(row.state),
            row.reason,
            row.report_number,
            row.score,
            row.open_count,
            row.attempts,
            row.queued_at,
            row.finished_at,
        )
        for row in rows
    ]


def reconcile(database: Database, body: str, confirmed: Iterable[bytes]) -> Reconciliation:
    """Compare the confirmed cases with the outbox, and the outbox with its receipts.

    Args:
        database: With the outbox.
        body: Which reporting body.
        confirmed: The report keys of all confirmed cases.
    """
    lines = {one.report_key: one for one in list_reports(database) if one.body == body}
    expected = set(confirmed)
    found = [Discrepancy(key, "not-queued") for key in sorted(expected - lines.keys())]
    found += [Discrepancy(key, "not-confirmed") for key in sorted(lines.keys() - expected)]
    receipts = _read_finishes(database, body)
    sent = _read_files(database, body)
    for key, line in lines.items():
        finishes = receipts.get(key, [])
        if line.state is not State.FINISHED:
            found += [Discrepancy(key, "receipt-without-report")] * bool(finishes)
            found += [Discrepancy(key, "dead")] * (line.state is State.DEAD)
            continue
        if len(finishes) != 1:
            found.append(Discrepancy(key, "no-receipt"))
        elif line.reason or not _is_matching(line, finishes[0], sent.get(key, [])):
            found.append(Discrepancy(key, "receipt-differs"))
    counts = Counter(line.state.value for line in lines.values())
    return Reconciliation(dict(counts), sum(map(len, receipts.values())), tuple(found))


@dataclass(frozen=True)
class _Finish:
    report_number: int | None
    file_ids: tuple[str, ...]


@dataclass(frozen=True)
class _Sent:
    file_id: str | None
    has_receipt: bool


def _is_matching(line: ReportLine, finish: _Finish, files: list[_Sent]) -> bool:
    if finish.report_number not in (None, line.report_number):
        return False
    if not all(one.file_id and one.has_receipt for one in files):
        return False
    return not finish.file_ids or sorted(finish.file_ids) == sorted(
        one.file_id or "" for one in files
    )


def _read_finishes(database: Database, body: str) -> dict[bytes, list[_Finish]]:
    receipt = tables.outbox_receipt.c
    wanted = and_(receipt.body == body, receipt.step == "finish", receipt.is_effective)
    found: dict[bytes, list[_Finish]] = {}
    with database.transaction() as connection:
        for row in connection.execute(select(tables.outbox_receipt).where(wanted)):
            ids = tuple(row.file_ids.split(",")) if row.file_ids else ()
            found.setdefault(row.report_key, []).append(_Finish(row.report_number, ids))
    return found


def _read_files(database: Database, body: str) -> dict[bytes, list[_Sent]]:
    receipt, file = tables.outbox_receipt.c, tables.outbox_file.c
    acknowledged = (
        select(receipt.report_key, receipt.file_id)
        .where(and_(receipt.body == body, receipt.step == "file", receipt.is_effective))
        .distinct()
    )
    with database.transaction() as connection:
        known = {(row.report_key, row.file_id) for row in connection.execute(acknowledged)}
        rows = connection.execute(
            select(file.report_key, file.file_id).where(file.body == body)
        ).all()
    found: dict[bytes, list[_Sent]] = {}
    for row in rows:
        sent = _Sent(row.file_id, (row.report_key, row.file_id) in known)
        found.setdefault(row.report_key, []).append(sent)
    return found
