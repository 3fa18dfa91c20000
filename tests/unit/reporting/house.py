"""An outbox on a temporary disk, a body in memory, a clock, and a way to die anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.unit.report.examples import CONTEXT, fit_draft
from veilmatch.report.body import Answer
from veilmatch.report.check import check_report
from veilmatch.report.model.answers import Action, action_of
from veilmatch.reporting.outbox import Outbox
from veilmatch.reporting.reconcile import Reconciliation, list_reports, reconcile
from veilmatch.reporting.transport import NAME, OPEN_WINDOW_S
from veilmatch.reporting.worker import ReportWorker, WorkerSettings
from veilmatch.reportsim.book import CHANGE_WINDOW_S, Book, Outcome
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database

KEY = b"k" * 16
CONTENTS = (b"harmless picture one", b"harmless picture two")
SETTINGS = WorkerSettings(lease_s=100, base_s=0, hold_s=50)


class Killed(BaseException):
    """The process died here."""


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: int = 1_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Doom:
    """Counts the moments at which a process can die, and lets it die at one of them."""

    at: int = -1
    count: int = 0

    def moment(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise Killed


@dataclass
class BookBody:
    """A reporting body straight on the simulator's book, with answers to order."""

    book: Book
    doom: Doom
    answers: dict[str, list[Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return NAME

    def window_ends_at(self, opened_at: int, changed_at: int) -> int | None:
        return max(opened_at + OPEN_WINDOW_S, changed_at + CHANGE_WINDOW_S)

    def open_report(self, document: bytes) -> Answer:
        return self._call("open", lambda: self.book.submit(document))

    def send_file(self, report_number: int, content: bytes) -> Answer:
        return self._call("file", lambda: self.book.upload(report_number, content))

    def describe_file(self, report_number: int, file_id: str, document: bytes) -> Answer:
        return self._call("details", lambda: self.book.describe(document))

    def finish_report(self, report_number: int) -> Answer:
        return self._call("finish", lambda: self.book.finish(report_number))

    def retract_report(self, report_number: int) -> Answer:
        return self._call("retract", lambda: self.book.retract(report_number))

    def _call(self, step: str, work: Callable[[], Outcome]) -> Answer:
        self.calls.append(step)
        self.doom.moment()
        ordered = self.answers.get(step)
        if ordered:
            answer = ordered.pop(0)
            if isinstance(answer, Answer):
                return answer
            work()
            return Answer(Action.RETRY, -1, is_outcome_known=False, problem="no-answer")
        outcome = work()
        self.doom.moment()
        action = action_of(outcome.code)
        return Answer(
            action,
            outcome.code,
            request_id=f"request-{len(self.calls)}",
            report_number=outcome.report_number,
            file_id=outcome.file_id,
            file_md5=outcome.md5,
            file_ids=outcome.file_ids if step == "finish" and outcome.code == 0 else None,
            problem="" if action is Action.CONTINUE else action.value,
        )


class DoomedOutbox(Outbox):
    """An outbox whose process may die before and after every durable write."""

    doom: Doom | None = None

    def advance(self, *arguments: Any, **values: Any) -> None:
        if self.doom:
            self.doom.moment()
        super().advance(*arguments, **values)
        if self.doom:
            self.doom.moment()


class House:
    """Everything around one worker."""

    def __init__(self, folder: Path, settings: WorkerSettings = SETTINGS) -> None:
        self.clock, self.settings = Clock(), settings
        self._drawn = 0
        self.book = Book(self.clock, self._random)
        self.body = BookBody(self.book, Doom())
        self.database = Database(folder / "store.sqlite")
        crypter = Crypter([SecretBytes(b"c" * 32)])
        self.outbox = DoomedOutbox(self.database, crypter, folder / "files")

    def _random(self, length: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(length, "big")

    def queue(self, key: bytes = KEY, contents: tuple[bytes, ...] = CONTENTS) -> bool:
        checked = check_report(fit_draft(key.hex(), len(contents)), CONTEXT)
        return self.outbox.add(key, NAME, checked, contents, self.clock())

    def worker(self) -> ReportWorker:
        return ReportWorker(self.outbox, {NAME: self.body}, self.clock, lambda: 0.0, self.settings)

    def doom(self, at: int) -> Doom:
        doom = Doom(at)
        self.body.doom = self.outbox.doom = doom
        return doom

    def run_and_die(self, at: int) -> bool:
        """Run a worker that dies at a moment; True if it died."""
        self.doom(at)
        try:
            self.worker().run_due()
        except Killed:
            return True
        else:
            return False
        finally:
            self.doom(-1)
            self.clock.now += self.settings.lease_s + 1

    def reconcile(self) -> Reconciliation:
        keys = {line.report_key for line in list_reports(self.database)}
        return reconcile(self.database, NAME, keys)
