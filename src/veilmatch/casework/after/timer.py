"""Runs what casework does by the clock, whichever process is there: each step once, by a lease.

A step is leased by a token and an expiry on its row, as segments are. Whoever gets the lease
runs it; a process that is killed leaves the lease to its expiry, and another one takes the
step over. Steps are harmless to run twice. Spec: ``spec/65-review.md`` section 7.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import and_, select, update

from veilmatch.casework.tables import review_timer
from veilmatch.errors import Error, StoreError
from veilmatch.store.database import Database
from veilmatch.store.statements import insert, is_past

ADVANCE, HEAD, FEEDBACK = "advance", "head", "feedback"
LEASE_S = 600
_RETRY_S, _RETRY_MAX_S = 30, 3600
_TOKEN_LEN = 16


@dataclass(frozen=True)
class TimedStep:
    """What is done by the clock.

    Attributes:
        name: ``advance``, ``head`` or ``feedback``; one row in the store for each.
        every_s: Seconds from one end to the next beginning, over all processes together.
        run: Does it; may be cut off at any moment and run again.
    """

    name: str
    every_s: int
    run: Callable[[], object]


@dataclass
class TimerSummary:
    """What one look did.

    Attributes:
        done: Steps that were run to their end.
        failed: Steps that failed, with their errors; they are tried again.
        last_done: When each step was last done by any process, seconds since 1970.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, Error] = field(default_factory=dict)
    last_done: dict[str, int] = field(default_factory=dict)


class ReviewTimer:
    """Runs the steps that are due; any number of processes may look.

    Args:
        database: The store's database.
        clock: Gives seconds since 1970.
        steps: What is to be done.
    """

    def __init__(
        self, database: Database, clock: Callable[[], int], steps: Sequence[TimedStep]
    ) -> None:
        self._database, self._clock, self._steps = database, clock, tuple(steps)

    def run_due(self, is_stopped: Callable[[], bool] = lambda: False) -> TimerSummary:
        """Run every step that is due and that nobody else is at.

        Args:
            is_stopped: Asked before each step; a process that is to end begins none.

        Raises:
            StoreError: The database cannot be reached.
        """
        summary = TimerSummary()
        for step in self._steps:
            if is_stopped():
                break
            token = self._lease(step)
            if token is None:
                continue
            try:
                step.run()
            except Error as exc:
                self._put_off(step, token)
                summary.failed[step.name] = exc
            except BaseException:
                self._put_off(step, token)
                raise
            else:
                self._finish(step, token)
                summary.done.append(step.name)
        summary.last_done = self._read_done()
        return summary

    def _lease(self, step: TimedStep) -> bytes | None:
        row, now = review_timer.c, self._clock()
        token = secrets.token_bytes(_TOKEN_LEN)
        with self._database.transaction() as connection:
            connection.execute(
                insert(connection, review_timer).values(step=step.name).on_conflict_do_nothing()
            )
            # One conditional change: of two processes that try at once, one sees no row.
            taken = connection.execute(
                update(review_timer)
                .where(
                    and_(
                        row.step == step.name,
                        is_past(row.due_at, now, max(step.every_s, _RETRY_MAX_S)),
                        is_past(row.lease_expires_at, now, LEASE_S),
                    )
                )
                .values(lease_token=token, lease_expires_at=now + LEASE_S)
            )
            return token if taken.rowcount else None

    def _finish(self, step: TimedStep, token: bytes) -> None:
        now = self._clock()
        self._end(token, due_at=now + step.every_s, done_at=now, failures=0)

    def _put_off(self, step: TimedStep, token: bytes) -> None:
        """Try again soon, then less and less often, at the latest after the step's own time."""
        row = review_timer.c
        try:
            with self._database.transaction() as connection:
                failures: int = connection.execute(
                    select(row.failures).where(row.step == step.name)
                ).scalar_one()
            wait = min(_RETRY_S << min(failures, 10), max(step.every_s, _RETRY_S), _RETRY_MAX_S)
            self._end(token, due_at=self._clock() + wait, failures=failures + 1)
        except StoreError:
            return  # the lease ends by itself

    def _end(self, token: bytes, **values: int) -> None:
        """End a lease; one that was lost meanwhile is another process's to end."""
        with self._database.transaction() as connection:
            connection.execute(
                update(review_timer)
                .where(review_timer.c.lease_token == token)
                .values(lease_token=None, lease_expires_at=0, **values)
            )

    def _read_done(self) -> dict[str, int]:
        row = review_timer.c
        with self._database.transaction() as connection:
            found = connection.execute(select(row.step, row.done_at).where(row.done_at > 0))
            return {one.step: one.done_at for one in found}
