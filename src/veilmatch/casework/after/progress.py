"""Moves confirmed cases on: receipts into the log, reported, acted, appealed, closed.

Runs after the report worker and the deliverer, any number of times; each step is done once.
Spec: ``spec/65-review.md`` section 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, not_, or_, select, update

from veilmatch.actions.tables import action_delivery, action_message
from veilmatch.casework.after.preservation import Keeping, begin_preservation, sweep_files
from veilmatch.casework.history import NOBODY, Desk, hold_case, move
from veilmatch.casework.tables import (
    case_action,
    case_appeal,
    case_event,
    case_receipt,
    case_report,
    review_case,
)
from veilmatch.errors import ProtocolError
from veilmatch.intakestore.clock_watch import ClockWatch
from veilmatch.privatelog.log import LogEntry
from veilmatch.report.body import Step
from veilmatch.reporting.tables import State, outbox_receipt, outbox_report
from veilmatch.review.case import Acted, Confirmed, Reinstated, Rejected, Reported, Upheld
from veilmatch.review.states import CaseState
from veilmatch.transparency.entries.canonical import JsonObject

_PAGE = 200
_Step = Callable[[Connection, bytes], bool]


def describe_receipt(row: Row[Any]) -> JsonObject:
    """Say what the log's entry of a receipt says; the export for auditors must say the same."""
    return {
        "body": row.body,
        "step": row.step,
        "effective": bool(row.is_effective),
        "code": row.code,
        "request": row.request_id,
        "report": 0 if row.report_number is None else row.report_number,
        "file": row.file_id or "",
        "at": row.received_at,
    }


@dataclass
class ProgressSummary:
    """What a run did."""

    receipts: int = 0
    reported: int = 0
    acted: int = 0
    appealed: int = 0
    closed: int = 0
    destroyed: int = 0
    swept: int = 0
    is_held: bool = False  # the clock jumped: nothing was closed or destroyed for its age


class Progress:
    """Moves cases on, each in a transaction of its own.

    Args:
        desk: Where the cases are.
        believes_ages: Close what users had long enough to object to; not after a clock jumped.
    """

    def __init__(self, desk: Desk, *, believes_ages: bool = True) -> None:
        self._desk, self._believes_ages = desk, believes_ages

    def run(self) -> ProgressSummary:
        """Do everything that is due now."""
        done = ProgressSummary()
        while count := self._log_receipts():
            done.receipts += count
        done.reported = self._each(self._finished_reports(), self._report)
        done.appealed = self._each(self._waiting_appeals(), self._appeal)
        done.acted = self._each(self._delivered(), self._act)
        done.closed = self._each(self._closable(), self._close)
        return done

    def _each(self, case_ids: list[bytes], step: _Step) -> int:
        count = 0
        for case_id in case_ids:
            try:
                with self._desk.database.transaction() as connection:
                    count += step(connection, case_id)
            except ProtocolError:
                continue  # somebody else has moved it
        return count

    def _log_receipts(self) -> int:
        """Write the receipts of cases, in their order, into the log."""
        receipt = outbox_receipt.c
        logged = exists().where(case_receipt.c.receipt_id == receipt.receipt_id)
        ours = exists().where(case_report.c.case_id == receipt.report_key)
        query = (
            select(outbox_receipt)
            .where(and_(ours, not_(logged)))
            .order_by(receipt.receipt_id)
            .limit(_PAGE)
        )
        desk = self._desk
        with desk.database.transaction() as connection:
            # The tip is held first: of two that run at once, the second sees the first's work.
            desk.log.hold(connection)
            rows = connection.execute(query).all()
            for row in rows:
                detail = describe_receipt(row)
                entry = LogEntry("report.receipt", NOBODY, row.report_key, detail)
                place = desk.log.append(connection, entry)
                connection.execute(
                    case_receipt.insert().values(receipt_id=row.receipt_id, log_place=place)
                )
        return len(rows)

    def _read(self, query: object) -> list[bytes]:
        with self._desk.database.transaction() as connection:
            return list(connection.execute(query).scalars())  # type: ignore[call-overload]

    def _finished_reports(self) -> list[bytes]:
        case, report = review_case.c, outbox_report.c
        done = exists().where(
            and_(report.report_key == case.case_id, report.state == State.FINISHED.value)
        )
        return self._read(
            select(case.case_id).where(and_(case.state == CaseState.CONFIRMED.value, done))
        )

    def _report(self, connection: Connection, case_id: bytes) -> bool:
        desk = self._desk
        loaded = hold_case(connection, desk, case_id)
        if not isinstance(loaded.case, Confirmed):
            return False
        report, receipt = outbox_report.c, outbox_receipt.c
        row = connection.execute(
            select(outbox_report).where(
                and_(report.report_key == case_id, report.state == State.FINISHED.value)
            )
        ).first()
        finish = and_(
            receipt.report_key == case_id,
            receipt.step == Step.FINISH.value,
            receipt.is_effective,
        )
        found = connection.execute(
            select(case_receipt.c.log_place)
            .join_from(
                outbox_receipt, case_receipt, receipt.receipt_id == case_receipt.c.receipt_id
            )
            .where(finish)
        ).scalar()
        if row is None or found is None:
            return False
        detail: JsonObject = {"body": row.body, "receipt": found}
        move(connection, desk, loaded, loaded.case.report(), NOBODY, detail)
        connection.execute(
            update(case_report)
            .where(case_report.c.case_id == case_id)
            .values(state="finished", changed_at=desk.clock())
        )
        begin_preservation(connection, desk, case_id, row.finished_at)
        return True

    def _waiting_appeals(self) -> list[bytes]:
        case, appeal = review_case.c, case_appeal.c
        ready = case.state.in_((CaseState.REPORTED.value, CaseState.ACTED.value))
        waits = exists().where(and_(appeal.case_id == case.case_id, appeal.state == "waiting"))
        return self._read(select(case.case_id).where(and_(ready, waits)))

    def _appeal(self, connection: Connection, case_id: bytes) -> bool:
        loaded = hold_case(connection, self._desk, case_id)
        if not isinstance(loaded.case, Reported | Acted):
            return False
        appeal = case_appeal.c
        taken = connection.execute(
            update(case_appeal)
            .where(and_(appeal.case_id == case_id, appeal.state == "waiting"))
            .values(state="open")
        )
        if not taken.rowcount:
            return False
        move(connection, self._desk, loaded, loaded.case.appeal(), NOBODY)
        return True

    def _delivered(self) -> list[bytes]:
        case, action = review_case.c, case_action.c
        message, delivery = action_message.c, action_delivery.c
        same = message.message_id == action.message_id
        open_delivery = exists().where(
            and_(delivery.number == message.number, delivery.state != "delivered")
        )
        any_delivery = exists().where(delivery.number == message.number)
        pending = exists().where(
            and_(
                action.case_id == case.case_id,
                same,
                or_(not_(message.is_spread), open_delivery, not_(any_delivery)),
            )
        )
        has_any = exists().where(action.case_id == case.case_id)
        return self._read(
            select(case.case_id).where(
                and_(case.state == CaseState.REPORTED.value, has_any, not_(pending))
            )
        )

    def _act(self, connection: Connection, case_id: bytes) -> bool:
        loaded = hold_case(connection, self._desk, case_id)
        if not isinstance(loaded.case, Reported):
            return False
        move(connection, self._desk, loaded, loaded.case.act(), NOBODY)
        return True

    def _closable(self) -> list[bytes]:
        case, event = review_case.c, case_event.c
        ended = case.state.in_([one.state.value for one in (Rejected, Upheld, Reinstated)])
        reached = and_(event.case_id == case.case_id, event.number == case.event_number)
        overdue = exists().where(
            and_(reached, event.at <= self._desk.clock() - self._desk.policy.appeal_s)
        )
        acted = and_(case.state == CaseState.ACTED.value, overdue)
        closable = or_(ended, acted) if self._believes_ages else ended
        return self._read(select(case.case_id).where(closable))

    def _close(self, connection: Connection, case_id: bytes) -> bool:
        loaded = hold_case(connection, self._desk, case_id)
        if not isinstance(loaded.case, Rejected | Upheld | Reinstated | Acted):
            return False
        move(connection, self._desk, loaded, loaded.case.close(), NOBODY)
        return True


def advance_cases(
    desk: Desk, files: Path, *, destroys: bool, is_clock_right: bool = False
) -> ProgressSummary:
    """Move cases on, destroy what is due where that is wanted, sweep what no report names.

    After the clock jumped nothing is closed, destroyed or swept for its age, for a day.

    Args:
        desk: Where the cases are.
        files: Folder of the outbox's sealed files.
        destroys: Destroy closed cases whose term is over.
        is_clock_right: A person says so: ages are believed whatever the clock did.

    Source: spec/65-review.md rule K-5.
    """

    def erase(blob_id: bytes) -> None:
        """Delete the sealed bytes of one file of a report."""
        (files / f"{blob_id.hex()}.sealed").unlink(missing_ok=True)

    believes_ages = ClockWatch(desk.database, desk.clock).may_destroy() or is_clock_right
    done = Progress(desk, believes_ages=believes_ages).run()
    done.is_held = not believes_ages
    if not believes_ages:
        return done
    if destroys:
        done.destroyed = Keeping(desk, erase).destroy_due()
    done.swept = sweep_files(desk, files)
    return done
