"""What the service does by the clock: a step that fails is counted, told, and tried again.

Nothing a step raises ends its timer: a timer that dies in silence would leave segments
unsealed and retention undone until somebody restarts the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from veilmatch.service.watch.events import Events, describe_fault
from veilmatch.service.watch.metrics import Metrics


async def repeat(
    name: str, step: Callable[[], object], every_s: float, metrics: Metrics, events: Events
) -> None:
    """Do a step again and again, in a thread; ends only by being cancelled.

    Args:
        name: One of ``events.TIMERS``.
        step: What is done.
        every_s: Pause before each time, in seconds.
        metrics: Where failures are counted.
        events: Where it is said; once when it begins to fail, once when it works again.
    """
    failures, works = metrics.timer_rounds_failed.labels(name), True
    while True:
        await asyncio.sleep(every_s)
        try:
            await asyncio.to_thread(step)
        except Exception as exc:  # noqa: BLE001  whatever it was, the next round may do
            failures.inc()
            if works:
                events.warn("timer failed", timer=name, **describe_fault(exc))
            works = False
        else:
            if not works:
                events.say("timer works again", timer=name)
            works = True
