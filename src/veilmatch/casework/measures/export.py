"""Reads what auditors get: the log's records and heads, and what every table says of them.

Spec: ``spec/65-review.md`` section 11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from veilmatch.casework import tables
from veilmatch.casework.after.progress import describe_receipt
from veilmatch.casework.history import NOBODY, Desk
from veilmatch.numbers.export import Export, ExportedCase, ExportedRow
from veilmatch.privatelog.tables import private_entry
from veilmatch.reporting.tables import outbox_receipt
from veilmatch.transparency.entries.canonical import JsonObject
from veilmatch.transparency.records.record import derive_actor_tag, hash_record


def read_export(desk: Desk) -> Export:
    """Read everything an auditor gets, as it stands; it is verified by who reads it, not here."""
    heads = tuple(desk.log.heads())
    with desk.database.transaction() as connection:
        # Held, nobody appends: records and rows are of one moment on every database.
        desk.log.hold(connection)
        records = connection.execute(
            select(private_entry.c.record).order_by(private_entry.c.place)
        ).scalars()
        data = tuple(records)
        rows = tuple(_rows(connection))
        case = tables.review_case.c
        cases = tuple(
            ExportedCase(row.case_id, row.state, row.event_number)
            for row in connection.execute(select(tables.review_case).order_by(case.case_id))
        )
        reports = connection.execute(
            select(tables.public_numbers.c.report).order_by(tables.public_numbers.c.log_place)
        ).scalars()
        return Export(data, heads, rows, cases, tuple(reports))


def _rows(connection: Connection) -> Iterator[ExportedRow]:
    for row in _all(connection, tables.case_event):
        detail: JsonObject = {"number": row.number, "from": row.from_state, "at": row.at}
        yield _row("case_event", row, f"case.{row.to_state}", row.case_id, row.actor, detail)
    for row in _all(connection, tables.case_view):
        detail = {"number": row.number, "part": row.part, "at": row.at}
        yield _row("case_view", row, "case.viewed", row.case_id, row.reviewer, detail)
    yield from _decisions(connection)
    for row in _all(connection, tables.case_report):
        detail = {"body": row.body}
        if row.state == "blocked":
            detail["reason"] = row.reason
        kind = "report.blocked" if row.state == "blocked" else "report.queued"
        yield _row("case_report", row, kind, row.case_id, NOBODY, detail)
    yield from _receipts(connection)
    for row in _all(connection, tables.case_action):
        detail = {"action": row.kind, "message": row.message_id.hex()}
        yield _row("case_action", row, "action.queued", row.case_id, NOBODY, detail)
    for row in _all(connection, tables.case_appeal):
        detail = {"channel": row.channel, "at": row.received_at}
        if row.text_body is not None:
            detail["text"] = hash_record(row.text_body).hex()
        yield _row("case_appeal", row, "appeal.received", row.case_id, NOBODY, detail)
    for row in _all(connection, tables.case_preservation):
        detail = {"from": row.from_at, "until": row.until_at, "manifest": row.manifest_digest.hex()}
        if row.manifest_body is not None:
            detail["manifest"] = hash_record(row.manifest_body).hex()
        yield _row("case_preservation", row, "case.preserved", row.case_id, NOBODY, detail)
    for row in _all(connection, tables.public_numbers):
        detail = {"period": row.period, "report": hash_record(row.report).hex()}
        yield _row("public_numbers", row, "numbers.published", b"", NOBODY, detail)


def _decisions(connection: Connection) -> Iterator[ExportedRow]:
    event = tables.case_event
    states = {row.log_place: row.to_state for row in _all(connection, event)}
    for row in _all(connection, tables.case_decision):
        detail: JsonObject = {
            "round": row.round,
            "outcome": row.outcome,
            "reason": row.reason,
            "claimed_at": row.claimed_at,
            "decided_at": row.decided_at,
        }
        if row.judgement_body is not None:
            detail["judgement"] = hash_record(row.judgement_body).hex()
        kind = f"case.{states.get(row.log_place, 'none')}"
        yield _row("case_decision", row, kind, row.case_id, row.reviewer, detail)


def _receipts(connection: Connection) -> Iterator[ExportedRow]:
    receipt, logged = outbox_receipt, tables.case_receipt
    query = (
        select(receipt, logged.c.log_place)
        .join_from(receipt, logged, receipt.c.receipt_id == logged.c.receipt_id)
        .order_by(logged.c.log_place)
    )
    for row in connection.execute(query):
        detail = describe_receipt(row)
        yield _row("case_receipt", row, "report.receipt", row.report_key, NOBODY, detail)


def _all(connection: Connection, table: Any) -> list[Row[Any]]:
    return list(connection.execute(select(table).order_by(table.c.log_place)).all())


def _row(
    table: str, row: Row[Any], kind: str, subject: bytes, actor: bytes, detail: JsonObject
) -> ExportedRow:
    tag = derive_actor_tag(subject, actor)
    return ExportedRow(table, row.log_place, kind, subject, tag, detail)
