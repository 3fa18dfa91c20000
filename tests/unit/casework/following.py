"""A house that reports and acts: an outbox, a body in memory, webhooks that count as delivered."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert, select, update

from tests.unit.casework.house import BOB, LEAD, START, House
from tests.unit.report.examples import fit_details, fit_report
from tests.unit.reporting.house import BookBody, Doom
from veilmatch.actions.tables import action_delivery, action_endpoint, action_message
from veilmatch.casework.after.appeals import Appeals
from veilmatch.casework.after.preservation import Keeping
from veilmatch.casework.after.progress import Progress, ProgressSummary
from veilmatch.casework.after.reports import ReportPolicy, Reports
from veilmatch.casework.after.source import CaseFacts, Described, ReportSource
from veilmatch.report.completeness import Waiver
from veilmatch.reporting.outbox import Outbox
from veilmatch.reporting.transport import NAME
from veilmatch.reporting.worker import ReportWorker, WorkerSettings
from veilmatch.reportsim.book import Book
from veilmatch.review.decision import AppealOutcome
from veilmatch.review.states import CaseState

SETTINGS = WorkerSettings(lease_s=100, base_s=0, hold_s=50)
PAST = datetime.fromtimestamp(START - 86_400, UTC)


@dataclass
class FitSource:
    """Describes every case fully; ``waivers`` and ``is_thin`` make it less so."""

    is_thin: bool = False
    waivers: tuple[Waiver, ...] = ()
    asked: list[bytes] = field(default_factory=list)

    def describe(self, facts: CaseFacts) -> Described:
        self.asked.append(facts.account)
        report = fit_report(facts.case_id.hex())
        if self.is_thin:
            report = replace(report, person_or_user_reported=())
        details = tuple(fit_details() for _ in facts.files)
        contents = tuple(b"harmless %d" % file.number for file in facts.files)
        return Described(report, details, contents, self.waivers)


class Office:
    """A house with everything that follows a decision."""

    def __init__(self, house: House, folder: Path, source: ReportSource | None = None) -> None:
        self.house = house
        self.source = source or FitSource()
        self.policy = ReportPolicy(NAME)
        self.book = Book(lambda: self.house.now, os.urandom)
        self.body = BookBody(self.book, Doom())
        self.outbox = Outbox(house.database, house.crypter, folder / "files")
        self.folder = folder / "files"
        house.after = self.reports

    @property
    def reports(self) -> Reports:
        return Reports(self.house.desk, self.outbox, self.source, policy=self.policy)

    @property
    def appeals(self) -> Appeals:
        return Appeals(self.house.desk)

    @property
    def keeping(self) -> Keeping:
        return Keeping(self.house.desk, self.erase)

    def erase(self, blob_id: bytes) -> None:
        (self.folder / f"{blob_id.hex()}.sealed").unlink(missing_ok=True)

    def advance(self) -> ProgressSummary:
        return Progress(self.house.desk).run()

    def send(self) -> None:
        """Let the report worker do what is due."""
        ReportWorker(
            self.outbox, {NAME: self.body}, lambda: self.house.now, lambda: 0.0, SETTINGS
        ).run_due()

    def deliver(self) -> None:
        """Pretend that one endpoint acknowledged every webhook."""
        with self.house.database.transaction() as connection:
            known = connection.execute(select(action_endpoint.c.endpoint_id)).scalar()
            if known is None:
                known = b"e" * 16
                connection.execute(
                    insert(action_endpoint).values(
                        endpoint_id=known,
                        url="https://platform.example/hook",
                        scheme="v1",
                        state="active",
                        created_at=0,
                        sealed_secret=b"",
                    )
                )
            message = action_message
            rows = connection.execute(select(message).where(message.c.is_spread.is_(False))).all()
            for row in rows:
                connection.execute(
                    insert(action_delivery).values(
                        number=row.number,
                        endpoint_id=known,
                        account=row.account,
                        state="delivered",
                        next_attempt_at=0,
                    )
                )
            connection.execute(update(message).values(is_spread=True))

    def kinds(self) -> list[str]:
        """Kinds of the queued actions, in order."""
        with self.house.database.transaction() as connection:
            query = select(action_message.c.kind).order_by(action_message.c.number)
            return list(connection.execute(query).scalars())

    def state(self, case_id: bytes) -> CaseState:
        found = {one.case_id: one.state for one in self.house.store.list_cases()}
        return CaseState(found[case_id])

    def reported(self, account: bytes = b"a" * 16) -> bytes:
        """A case that was confirmed, reported and acted on."""
        case_id = self.house.open_case(account=account)
        self.house.confirm(case_id)
        self.send()
        self.deliver()
        self.advance()
        assert self.state(case_id) is CaseState.ACTED
        return case_id

    def decide_appeal(self, case_id: bytes, outcome: AppealOutcome) -> CaseState:
        self.house.queue.claim(LEAD, case_id)
        return self.appeals.decide(LEAD, case_id, outcome, "why")


__all__ = ["BOB", "FitSource", "Office"]
