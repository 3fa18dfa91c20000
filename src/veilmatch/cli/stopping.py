"""Being asked to stop: SIGTERM and Ctrl-C let a command finish or give back what it holds."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Server(Protocol):
    """What can be asked to stop: ``uvicorn.Server``, which may not be installed."""

    should_exit: bool


def stop_at_signal(server: Server) -> None:
    """Let SIGTERM stop a server also before it looks at signals itself, and end in order.

    uvicorn does so once it runs; after it has stopped it hands the signal on, and being asked
    to stop is no failure. Call it before anything says that the server is there.
    """

    def note(_number: int, _frame: FrameType | None) -> None:
        """Ask the server to end."""
        server.should_exit = True

    signal.signal(signal.SIGTERM, note)


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """Set an event at the first signal; a second Ctrl-C interrupts as it always does.

    Outside the main thread no signal arrives, and the event stays as it is.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(_number: int, _frame: FrameType | None) -> None:
        """Set the event; from now on Ctrl-C interrupts."""
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
