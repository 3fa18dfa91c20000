"""The worker: takes each queued report to its end, one durable step after the other.

The order at every call is: write what is about to be done, do it, write what came of it. So
a killed worker leaves a state from which the next one goes on without losing or doubling:

* an opened report whose number was not written lapses by itself, unfinished;
* a file that may have been sent twice would stand in the report twice, so the open report is
  taken back and opened afresh;
* finish is sent only for the number in the row, and that number is given up only when the
  body has said that it cannot be finished any more; finishing twice is answered as such.

Spec: ``spec/70-report.md`` section 10.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from veilmatch.errors import ConfigError, ProtocolError, StoreError
from veilmatch.report.body import Answer, ReportingBody, Step
from veilmatch.report.model.answers import Action
from veilmatch.report.model.document import FileDetails
from veilmatch.report.parse import parse_document
from veilmatch.report.serialize import to_xml
from veilmatch.reporting.outbox import Job, JobFile, Lease, Outbox
from veilmatch.reporting.tables import FileState, State

_GONE: dict[str, object] = {
    "report_number": None,
    "opened_at": 0,
    "changed_at": 0,
    "is_finish_sent": False,
}


@dataclass(frozen=True)
class WorkerSettings:
    """Times of the worker, in seconds.

    Args:
        lease_s: How long a silent worker keeps a report from the others; longer than an upload.
        base_s: First wait after a failure; doubles up to ``max_s``.
        max_s: Longest wait.
        hold_s: Wait after refused access, which only an operator can mend.
        margin_s: So long before its window ends, an open report is replaced.
        max_attempts: Failures in a row until a person must look.
        max_opens: Openings until a person must look.
    """

    lease_s: int = 900
    base_s: int = 15
    max_s: int = 1800
    hold_s: int = 3600
    margin_s: int = 600
    max_attempts: int = 400
    max_opens: int = 60


@dataclass
class WorkerSummary:
    """What a run did."""

    steps: int = 0
    finished: int = 0
    dead: int = 0
    taken_over: int = 0


class ReportWorker:
    """Sends what is due.

    Args:
        outbox: Where reports are.
        bodies: By name, whom they go to.
        clock: Seconds since 1970.
        jitter: Gives a number in [0, 1), so that retries do not come all at once.
        settings: Times and limits.
    """

    def __init__(
        self,
        outbox: Outbox,
        bodies: Mapping[str, ReportingBody],
        clock: Callable[[], int],
        jitter: Callable[[], float],
        settings: WorkerSettings | None = None,
    ) -> None:
        self._outbox, self._bodies = outbox, dict(bodies)
        self._clock, self._jitter = clock, jitter
        self._settings = settings or WorkerSettings()
        self.summary = WorkerSummary()

    def run_due(self) -> WorkerSummary:
        """Work until nothing is due any more."""
        while self.run_one():
            pass
        return self.summary

    def run_one(self) -> bool:
        """Take one due report as far as it goes. Returns False if none is due."""
        settings = self._settings
        lease = self._outbox.lease(
            self._clock(),
            settings.lease_s,
            sorted(self._bodies),
            max(settings.max_s, settings.hold_s),
        )
        if lease is None:
            return False
        try:
            while self._step(lease):
                self.summary.steps += 1
        except ProtocolError:
            self.summary.taken_over += 1
        else:
            self._outbox.release(lease)
        return True

    # Each step returns True if the next one may follow at once.
    def _step(self, lease: Lease) -> bool:
        job = self._outbox.load(lease)
        body = self._bodies[lease.body]
        match job.state:
            case State.QUEUED:
                return self._open(lease, job, body)
            case State.OPEN:
                return self._fill(lease, job, body)
            case State.FINISHING:
                return self._finish(lease, job, body)
            case State.REPLACING:
                return self._take_back(lease, job, body, State.QUEUED)
            case State.WITHDRAWING:
                return self._take_back(lease, job, body, State.DEAD)
            case _:
                return False

    def _open(self, lease: Lease, job: Job, body: ReportingBody) -> bool:
        if job.open_count >= self._settings.max_opens:
            return self._die(lease, "too-many-openings")
        self._write(lease, values={"open_count": job.open_count + 1})
        answer = body.open_report(job.document)
        if answer.action is not Action.CONTINUE or answer.report_number is None:
            return self._failed(lease, job, Step.OPEN, answer)
        now = self._clock()
        try:
            self._write(
                lease,
                values={
                    "state": State.OPEN.value,
                    "report_number": answer.report_number,
                    "opened_at": now,
                    "changed_at": now,
                    "attempts": 0,
                    "reason": "",
                },
                reset_files=True,
                receipt=(Step.OPEN, answer, True),
            )
        except ProtocolError:
            # Somebody else has this report now and opens one of their own.
            body.retract_report(answer.report_number)
            raise
        return True

    def _fill(self, lease: Lease, job: Job, body: ReportingBody) -> bool:
        ends_at = body.window_ends_at(job.opened_at, job.changed_at)
        if ends_at is not None and self._clock() > ends_at - self._settings.margin_s:
            return self._replace(lease, "window")
        for file in job.files:
            if file.state is FileState.SENDING:
                return self._replace(lease, "unknown-upload")
            if file.state is FileState.WAITING:
                return self._send(lease, job, file, body)
            if file.state is FileState.SENT:
                return self._describe(lease, job, file, body)
        self._write(lease, values={"state": State.FINISHING.value, "is_finish_sent": True})
        return True

    def _send(self, lease: Lease, job: Job, file: JobFile, body: ReportingBody) -> bool:
        try:
            content = self._outbox.read_content(file)
        except (StoreError, ConfigError):
            withdrawn = {"state": State.WITHDRAWING.value, "reason": "file-unreadable"}
            self._write(lease, values=withdrawn)
            return True
        self._write(lease, file=(file.position, {"state": FileState.SENDING.value}))
        answer = body.send_file(_number(job), content)
        if answer.action is Action.RETRY:
            if not answer.is_outcome_known:
                return self._replace(lease, "unknown-upload", answer)
            self._write(lease, file=(file.position, {"state": FileState.WAITING.value}))
            return self._failed(lease, job, Step.FILE, answer)
        if answer.action is not Action.CONTINUE:
            return self._failed(lease, job, Step.FILE, answer)
        if not answer.file_id or not hmac.compare_digest(
            (answer.file_md5 or "").lower().encode(), file.md5.encode()
        ):
            return self._replace(lease, "changed-upload", answer)
        self._write(
            lease,
            values={"changed_at": self._clock(), "attempts": 0},
            file=(file.position, {"state": FileState.SENT.value, "file_id": answer.file_id}),
            receipt=(Step.FILE, answer, True),
        )
        return True

    def _describe(self, lease: Lease, job: Job, file: JobFile, body: ReportingBody) -> bool:
        number, file_id = _number(job), file.file_id or ""
        details = parse_document(FileDetails, file.details).addressed_to(number, file_id)
        answer = body.describe_file(number, file_id, to_xml(details))
        if answer.action is not Action.CONTINUE:
            return self._failed(lease, job, Step.DETAILS, answer)
        self._write(
            lease,
            values={"changed_at": self._clock(), "attempts": 0},
            file=(file.position, {"state": FileState.DESCRIBED.value}),
            receipt=(Step.DETAILS, answer, True),
        )
        return True

    def _finish(self, lease: Lease, job: Job, body: ReportingBody) -> bool:
        answer = body.finish_report(_number(job))
        if answer.action in (Action.CONTINUE, Action.DONE):
            return self._finished(lease, job, answer)
        return self._failed(lease, job, Step.FINISH, answer)

    def _finished(self, lease: Lease, job: Job, answer: Answer) -> bool:
        ours = sorted(file.file_id or "" for file in job.files)
        # "Already finished" lists no files; then the receipts of the files stand alone.
        is_listed = answer.action is Action.CONTINUE and answer.file_ids is not None
        differs = is_listed and sorted(answer.file_ids or ()) != ours
        differs = differs or answer.report_number not in (None, job.report_number)
        self._write(
            lease,
            values={
                "state": State.FINISHED.value,
                "finished_at": self._clock(),
                "reason": "receipt-differs" if differs else "",
            },
            receipt=(Step.FINISH, answer, True),
        )
        self.summary.finished += 1
        return False

    def _take_back(self, lease: Lease, job: Job, body: ReportingBody, then: State) -> bool:
        if job.report_number is None:
            return self._taken_back(lease, job, then, None)
        answer = body.retract_report(job.report_number)
        if answer.action in (Action.CONTINUE, Action.REOPEN):
            return self._taken_back(lease, job, then, answer)
        if answer.action is Action.DONE and job.is_finish_sent:
            return self._finished(lease, job, answer)
        if answer.action is Action.DONE:
            return self._die(lease, "finished-elsewhere", Step.RETRACT, answer)
        if answer.action is Action.RETRY or then is State.QUEUED:
            return self._failed(lease, job, Step.RETRACT, answer)
        return self._die(lease, None, Step.RETRACT, answer)

    def _taken_back(self, lease: Lease, job: Job, then: State, answer: Answer | None) -> bool:
        values: dict[str, object] = {"state": then.value, **_GONE}
        if then is State.QUEUED:
            values["next_attempt_at"] = self._clock() + self._wait_s(job.open_count - 1)
        self._write(
            lease,
            values=values,
            reset_files=True,
            receipt=None if answer is None else (Step.RETRACT, answer, True),
        )
        self.summary.dead += then is State.DEAD
        return False

    # -- what may go wrong --------------------------------------------------------------

    def _failed(self, lease: Lease, job: Job, step: Step, answer: Answer) -> bool:
        if answer.action is Action.STOP_OPERATOR:
            return self._wait(lease, job, step, answer, self._jittered(self._settings.hold_s))
        if answer.action is Action.REOPEN and job.report_number is not None:
            # The body does not have this number any more: it cannot be finished.
            self._write(
                lease,
                values={
                    "state": State.QUEUED.value,
                    "reason": "lapsed",
                    "next_attempt_at": self._clock() + self._wait_s(job.open_count - 1),
                    **_GONE,
                },
                reset_files=True,
                receipt=(step, answer, False),
            )
            return False
        if answer.action is Action.RETRY or (
            step is Step.OPEN and answer.action is Action.CONTINUE
        ):
            if job.attempts + 1 < self._settings.max_attempts:
                return self._wait(lease, job, step, answer, self._wait_s(job.attempts))
            return self._give_up(lease, job, "too-many-attempts", step, answer)
        return self._give_up(lease, job, answer.problem or answer.action.value, step, answer)

    def _wait(self, lease: Lease, job: Job, step: Step, answer: Answer, wait_s: int) -> bool:
        self._write(
            lease,
            values={
                "attempts": job.attempts + 1,
                "next_attempt_at": self._clock() + wait_s,
                "reason": answer.problem,
            },
            receipt=(step, answer, False),
        )
        return False

    def _wait_s(self, failures: int) -> int:
        doubled = self._settings.base_s << min(max(failures, 0), 12)
        return self._jittered(min(self._settings.max_s, doubled))

    def _jittered(self, wait_s: int) -> int:
        return int(wait_s * (1 + self._jitter()) / 2)

    def _give_up(self, lease: Lease, job: Job, reason: str, step: Step, answer: Answer) -> bool:
        if job.report_number is None or job.state in (State.WITHDRAWING, State.REPLACING):
            return self._die(lease, reason, step, answer)
        if job.attempts + 1 >= self._settings.max_attempts:
            return self._die(lease, reason, step, answer)
        self._write(
            lease,
            values={"state": State.WITHDRAWING.value, "reason": reason},
            receipt=(step, answer, False),
        )
        return True

    def _die(
        self,
        lease: Lease,
        reason: str | None,
        step: Step | None = None,
        answer: Answer | None = None,
    ) -> bool:
        values: dict[str, object] = {"state": State.DEAD.value}
        if reason is not None:
            values["reason"] = reason
        receipt = (step, answer, False) if step is not None and answer is not None else None
        self._write(lease, values=values, receipt=receipt)
        self.summary.dead += 1
        return False

    def _replace(self, lease: Lease, reason: str, answer: Answer | None = None) -> bool:
        self._write(
            lease,
            values={"state": State.REPLACING.value, "reason": reason},
            receipt=None if answer is None else (Step.FILE, answer, False),
        )
        return True

    def _write(
        self,
        lease: Lease,
        *,
        values: Mapping[str, object] | None = None,
        file: tuple[int, Mapping[str, object]] | None = None,
        reset_files: bool = False,
        receipt: tuple[Step, Answer, bool] | None = None,
    ) -> None:
        self._outbox.advance(
            lease,
            self._clock(),
            self._settings.lease_s,
            values=values,
            file=file,
            reset_files=reset_files,
            receipt=receipt,
        )


def _number(job: Job) -> int:
    if job.report_number is None:
        raise ProtocolError("an open report has no number")
    return job.report_number
