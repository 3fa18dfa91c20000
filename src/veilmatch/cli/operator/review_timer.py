"""What ``veilmatch serve`` does by the clock: cases on their way, the log's head, feedback.

Runs in a thread of its own, over connections of its own; leases in the store keep several
processes from doing a step twice. Only the steps that the settings name exist.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from veilmatch.casework.after.progress import advance_cases
from veilmatch.casework.after.timer import ADVANCE, FEEDBACK, HEAD, ReviewTimer, TimedStep
from veilmatch.casework.history import Desk
from veilmatch.casework.measures.publishing import head_name, state_head
from veilmatch.cli.key_files import open_provider_key
from veilmatch.clock import system_clock
from veilmatch.errors import ConfigError
from veilmatch.logstore.state import load_note_signer
from veilmatch.privatelog.log import PrivateLog
from veilmatch.service.app import open_data
from veilmatch.service.setup.configuration import ServeConfiguration
from veilmatch.service.watch.events import Events, describe_fault
from veilmatch.service.watch.metrics import Metrics

REPORT_FILES = "report-files"
_LOOK_S = 5.0


def timed_steps(chosen: ServeConfiguration, desk: Desk) -> list[TimedStep]:
    """Make the steps that the settings name.

    Raises:
        ConfigError: The head's three settings do not stand together, a key or a folder is not
            there, or a reason is malformed.
    """
    steps = []
    if chosen.review_every_s:

        def advance() -> None:
            advance_cases(desk, chosen.data / REPORT_FILES, destroys=chosen.review_destroy)

        steps.append(TimedStep(ADVANCE, chosen.review_every_s, advance))
    if (head := _head_step(chosen, desk)) is not None:
        steps.append(head)
    if (feedback := _feedback_step(chosen, desk)) is not None:
        steps.append(feedback)
    return steps


def _head_step(chosen: ServeConfiguration, desk: Desk) -> TimedStep | None:
    log_key, key, heads = chosen.head_log_key, chosen.head_key, chosen.heads
    if log_key is None and key is None and heads is None:
        return None
    if log_key is None or key is None or heads is None:
        raise ConfigError("a head needs head_log_key, head_key and heads", setting="heads")
    if not chosen.head_every_s:
        return None
    from veilmatch.cli.auditor.log_commands import sign_to_file  # brings the whole log along

    signer, folder = load_note_signer(log_key), Path(heads)
    with open_provider_key(key):  # a key that is missing or locked shows at the start
        folder.mkdir(parents=True, exist_ok=True)

    def sign() -> None:
        log = PrivateLog(desk.database, desk.crypter, desk.clock, signer)
        statement, size = state_head(log)
        sign_to_file(statement, [key], folder / head_name(size))

    return TimedStep(HEAD, chosen.head_every_s, sign)


def _feedback_step(chosen: ServeConfiguration, desk: Desk) -> TimedStep | None:
    lists = chosen.feedback_lists
    reasons = chosen.feedback_reason_ids()
    if lists is None or not chosen.feedback_every_s:
        return None
    if not lists.is_dir():
        raise ConfigError("the folder of the lists is not there", setting="feedback_lists")
    # Loaded only where it is wanted: lists bring their own database.
    from veilmatch.casework.after.feedback import FeedbackSender, FeedbackSettings
    from veilmatch.liststore.list_folder import ListFolder

    settings = FeedbackSettings(reasons, chosen.feedback_jurisdiction)
    sender = FeedbackSender(desk, ListFolder(lists), settings)
    return TimedStep(FEEDBACK, chosen.feedback_every_s, sender.run)


class _Loop:
    """Looks until it is stopped; says a failure once, and once that it is over."""

    def __init__(self, timer: ReviewTimer, metrics: Metrics, events: Events) -> None:
        self._timer, self._metrics, self._events = timer, metrics, events
        self._failing: set[str] = set()

    def look(self, is_stopped: Callable[[], bool]) -> None:
        """Run what is due."""
        summary = self._timer.run_due(is_stopped)
        for step, fault in summary.failed.items():
            self._metrics.timer_failures.labels(step).inc()
            if step not in self._failing:
                self._events.warn("review timer failed", step=step, **describe_fault(fault))
            self._failing.add(step)
        for step in summary.done:
            if step in self._failing:
                self._events.say("review timer works again", step=step)
            self._failing.discard(step)
        for step, done_at in summary.last_done.items():
            self._metrics.timer_done.labels(step).set(done_at)

    def run(self, stopped: threading.Event, every_s: float) -> None:
        """Look, and wait, until stopped."""
        while not stopped.is_set():
            try:
                self.look(stopped.is_set)
            except Exception as exc:  # noqa: BLE001  the service lives on; the next look may do
                self._events.warn("timer failed", timer="review", **describe_fault(exc))
                self._metrics.timer_rounds_failed.labels("review").inc()
            stopped.wait(every_s)


@contextmanager
def review_timer(chosen: ServeConfiguration, metrics: Metrics, events: Events) -> Iterator[None]:
    """Run the steps beside the service; at the end the one that was begun is finished.

    Raises:
        ConfigError: As ``timed_steps``.
    """
    settings = chosen.service_settings()
    database, crypter = open_data(settings.data, settings.database)
    try:
        steps = timed_steps(chosen, Desk(database, crypter, system_clock, chosen.review_policy()))
        if not steps:
            yield
            return
        loop = _Loop(ReviewTimer(database, system_clock, steps), metrics, events)
        stopped = threading.Event()
        every_s = min(_LOOK_S, *(step.every_s for step in steps), _LOOK_S)
        thread = threading.Thread(
            target=loop.run, args=(stopped, every_s), name="review timer", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            # What is not finished by then is taken over when its lease ends.
            thread.join(max(1.0, float(chosen.graceful_s)))
    finally:
        database.close()
