"""Tell an operator that vouchers wait too long, from the running service: metrics and log lines.

Nothing here depends on a match: it counts what was taken and not yet looked at.
Spec: ``spec/55-ingest.md`` section 3.
"""

from __future__ import annotations

from collections.abc import Callable

from veilmatch.intakestore.limits import RetentionLimits
from veilmatch.intakestore.retention import Collector, read_backlog
from veilmatch.service.watch.events import Events
from veilmatch.service.watch.metrics import Metrics
from veilmatch.store.database import Database


class BacklogWatch:
    """Looks at what waits, and collects what waited too long.

    Args:
        database: The store's database.
        collector: Removes what may not be kept.
        limits: When waiting is an alarm.
        clock: Gives seconds since 1970.
        metrics: Where it is shown.
        events: Where it is said; once when the alarm begins, once when it is over.
    """

    def __init__(
        self,
        database: Database,
        collector: Collector,
        limits: RetentionLimits,
        clock: Callable[[], int],
        metrics: Metrics,
        events: Events,
    ) -> None:
        self._database, self._collector, self._limits = database, collector, limits
        self._clock, self._metrics, self._events = clock, metrics, events
        self._is_alarm = False
        self._held = 0

    def look(self) -> None:
        """Read what waits; show it, and say it where it changed. Raises StoreError."""
        waiting = read_backlog(self._database, self._clock())
        is_alarm = waiting.oldest_age_s > self._limits.alarm_age_s
        self._metrics.show_backlog(waiting, is_alarm=is_alarm)
        if is_alarm and not self._is_alarm:
            self._events.warn(
                "retention alarm",
                age_s=waiting.oldest_age_s,
                segments=waiting.segments,
                vouchers=waiting.vouchers,
            )
        elif self._is_alarm and not is_alarm:
            self._events.say("retention alarm over")
        if waiting.held > self._held:
            self._events.warn("segments held", segments=waiting.held)
        self._is_alarm, self._held = is_alarm, waiting.held

    def look_at_clock(self) -> None:
        """Note the time at the start, so that a jump soon after it is seen. Raises StoreError."""
        self._collector.look_at_clock()

    def collect(self) -> None:
        """Collect once, count what was destroyed unmatched, and look. Raises StoreError."""
        expired = self._collector.run().expired_vouchers
        if expired:
            self._metrics.expired_vouchers.inc(expired)
            self._events.warn("vouchers expired", vouchers=expired)
        self.look()
