"""Metrics of the programs beside the service: ``work`` and ``actions deliver``.

Nothing here may tell of a match below the threshold. So no time of a segment is shown (one
with matches takes a little longer), no share is counted, and the operator's queue is none of
it: whether an account is in it may depend on its matches.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import Counter, Gauge
from sqlalchemy import func, select

from veilmatch.actions.tables import action_delivery, action_message
from veilmatch.intakestore.retention import read_backlog
from veilmatch.service.watch.metrics import Exposed, show_waiting, waiting_gauges
from veilmatch.store.database import Database


class WorkMetrics(Exposed):
    """What one worker did, and what waits in the whole store."""

    def __init__(self) -> None:
        super().__init__()
        names = {
            "segments": "Segments that this worker finished.",
            "vouchers": "Vouchers in them.",
            "lost": "Leases that another worker took over.",
            "failures": "Segments and accounts that could not be processed; they are tried again.",
        }
        self._done = {
            name: Counter(f"veilmatch_work_{name}", words, registry=self.registry)
            for name, words in names.items()
        }
        self._looked = Gauge(
            "veilmatch_work_looked_timestamp_seconds",
            "When this worker last looked at what is due, seconds since 1970.",
            registry=self.registry,
        )
        self._waiting = waiting_gauges(self.registry)

    def count(self, *, segments: int, vouchers: int, lost: int, failures: int) -> None:
        """Count what one look did."""
        given = {"segments": segments, "vouchers": vouchers, "lost": lost, "failures": failures}
        for name, number in given.items():
            self._done[name].inc(number)

    def look(self, database: Database, clock: Callable[[], int]) -> None:
        """Show what waits. Raises StoreError."""
        now = clock()
        show_waiting(self._waiting, read_backlog(database, now))
        self._looked.set(now)


class ActionMetrics(Exposed):
    """What one deliverer did, and what waits in the whole store."""

    def __init__(self) -> None:
        super().__init__()
        self.delivered = Counter(
            "veilmatch_actions_delivered",
            "Messages that an address took from this process.",
            registry=self.registry,
        )
        self._states = Gauge(
            "veilmatch_actions",
            "Deliveries in the store, by state; the dead wait for a person.",
            ["state"],
            registry=self.registry,
        )
        self._oldest = Gauge(
            "veilmatch_actions_oldest_waiting_seconds",
            "Age of the oldest delivery that waits; 0 if none does.",
            registry=self.registry,
        )

    def look(self, database: Database, clock: Callable[[], int]) -> None:
        """Show what waits. Raises StoreError."""
        done, message = action_delivery.c, action_message.c
        query = (
            select(done.state, func.count(), func.min(message.queued_at))
            .join_from(action_delivery, action_message)
            .group_by(done.state)
        )
        with database.transaction() as connection:
            found = {state: (n, oldest) for state, n, oldest in connection.execute(query)}
        for state in ("waiting", "delivered", "dead"):
            self._states.labels(state).set(found.get(state, (0, 0))[0])
        waits_since = found["waiting"][1] if "waiting" in found else clock()
        self._oldest.set(max(0, clock() - waits_since))
