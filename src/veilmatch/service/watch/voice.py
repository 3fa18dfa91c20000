"""What a program says of itself while it runs: ``/metrics`` on a loopback port, log lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from veilmatch.clock import system_clock
from veilmatch.errors import Error, UnavailableError
from veilmatch.service.watch.events import Events, describe_fault, take_over_logging
from veilmatch.service.watch.metrics import Exposed

Print = Callable[[str], None]
"""Prints one line for a person."""


@contextmanager
def served_metrics(port: int | None, metrics: Exposed, say: Print) -> Iterator[None]:
    """Serve the metrics on a loopback port of their own, where one is set; say where."""
    if port is None:
        yield
        return
    try:
        server = metrics.serve(port)
    except OSError as exc:
        raise UnavailableError(f"cannot listen on port {port} for metrics") from exc
    say(f"metrics on http://127.0.0.1:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class Voice:
    """Tells of faults: as log lines where they are wanted, else as text for a person.

    Args:
        role: ``work`` or ``actions``.
        events: Where log lines go; None where none are wanted.
        warn: Where text for a person goes instead.
    """

    def __init__(self, role: str, events: Events | None, warn: Print) -> None:
        self._role, self._events, self._warn = role, events, warn
        self._is_waiting = False

    def say(self, event: str, **fields: object) -> None:
        """Log an event; a person has the bars and the last line instead."""
        if self._events is not None:
            self._events.say(event, role=self._role, **fields)

    def fault(self, fault: Error) -> None:
        """Tell of one failure that ended nothing else: its class, never its message.

        The place is not told: it would say whether a segment or an account failed.
        """
        name = type(fault).__name__
        if self._events is not None:
            self._events.warn("not processed", role=self._role, kind=name)
        else:
            self._warn(f"not processed: {name}; it is tried again, then held for an operator")

    def waits(self, fault: Error, interval: float) -> None:
        """Tell, once, that database or network are away and are tried again."""
        if self._events is None:
            self._warn(f"{fault}; trying again in {interval:g} s")
        elif not self._is_waiting:
            self._events.warn("store is away", role=self._role, **describe_fault(fault))
        self._is_waiting = True

    def goes_on(self) -> None:
        """Tell, once, that it works again."""
        if self._is_waiting:
            self.say("store is back")
        self._is_waiting = False


def voice_of(role: str, warn: Print, *, is_log: bool) -> Voice:
    """Make a role's voice; with log lines, what libraries log goes the same way."""
    if not is_log:
        return Voice(role, None, warn)
    events = Events(system_clock)
    take_over_logging(events)
    return Voice(role, events, warn)
