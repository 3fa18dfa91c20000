"""Log lines: one JSON object each, and only events and fields that are listed here.

A field's value must be of the kind listed for it: a bounded number, or a word of a fixed
set. Anything else is dropped and counted, so that a hash, a key, a name or an address
cannot reach a log by mistake.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TextIO

import structlog

Check = Callable[[object], bool]

ROUTES = frozenset(
    {
        "/v1/vouchers",
        "/v1/releases",
        "/v1/accounts",
        "/admin/v1",
        "/review",
        "/appeal",
        "/numbers",
        "/transparency",
        "/healthz",
        "/readyz",
        "other",
    }
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "other"})
TIMERS = frozenset({"seal", "upload", "delays", "collect", "release", "upkeep", "review"})
ROLES = frozenset({"work", "actions"})
TIMED_STEPS = frozenset({"advance", "head", "feedback"})
LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})
_PLACE = re.compile(r"[a-z_0-9]{1,40}\.py:[0-9]{1,5}")
_CLASS = re.compile(r"[A-Z][A-Za-z]{1,39}(?:Error|Exception|Interrupt|Exit|Warning|Timeout)?")
_MAX_NUMBER = 1 << 40


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_NUMBER


def _one_of(words: frozenset[str]) -> Check:
    return lambda value: isinstance(value, str) and value in words


def _matches(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


_REQUEST = {"route": _one_of(ROUTES), "method": _one_of(METHODS), "status": _number}
_FAULT = {"kind": _matches(_CLASS), "place": _matches(_PLACE)}
_ROLE = {"role": _one_of(ROLES)}
EVENTS: Mapping[str, Mapping[str, Check]] = {
    "service started": {"port": _number},
    "service stopped": {},
    "request": _REQUEST,
    "request refused": _REQUEST,
    "server message": {"level": _one_of(LEVELS)} | _FAULT,
    "timer failed": {"timer": _one_of(TIMERS)} | _FAULT,
    "timer works again": {"timer": _one_of(TIMERS)},
    "review timer failed": {"step": _one_of(TIMED_STEPS)} | _FAULT,
    "review timer works again": {"step": _one_of(TIMED_STEPS)},
    "retention alarm": {"age_s": _number, "segments": _number, "vouchers": _number},
    "retention alarm over": {},
    "segments held": {"segments": _number},
    "vouchers expired": {"vouchers": _number},
    "started": _ROLE,
    "stopped": _ROLE,
    "segments processed": {"segments": _number, "vouchers": _number} | _ROLE,
    "actions delivered": {"messages": _number} | _ROLE,
    "not processed": {"kind": _matches(_CLASS)} | _ROLE,
    "store is away": _FAULT | _ROLE,
    "store is back": _ROLE,
    "dropped": {"fields": _number},
}
"""Every event that may be logged, and what its fields may hold."""
_KEPT = ("event", "at", "level")


def allow_listed(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Keep what is listed; anything else is counted in the field ``dropped``."""
    name = event.get("event")
    fields = EVENTS.get(name) if isinstance(name, str) else None
    if fields is None:
        return {"event": "dropped", "level": event.get("level"), "fields": len(event)}
    kept = {
        key: value
        for key, value in event.items()
        if key in _KEPT or (key in fields and fields[key](value))
    }
    if len(kept) < len(event):
        kept["dropped"] = len(event) - len(kept)
    return kept


class Events:
    """Writes log lines.

    Args:
        clock: Gives seconds since 1970, for the field ``at``.
        stream: Where lines go; standard error where none is given.
    """

    def __init__(self, clock: Callable[[], int], stream: TextIO | None = None) -> None:
        def stamp(
            _logger: object, _method: str, event: MutableMapping[str, Any]
        ) -> MutableMapping[str, Any]:
            return dict(event) | {"at": clock()}

        self._logger = structlog.wrap_logger(
            structlog.PrintLogger(stream or sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                stamp,
                allow_listed,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
            wrapper_class=structlog.BoundLogger,
            cache_logger_on_first_use=True,
        )

    def say(self, event: str, **fields: object) -> None:
        """Log something that is as it should be."""
        self._logger.info(event, **fields)

    def warn(self, event: str, **fields: object) -> None:
        """Log something that a person should look at."""
        self._logger.warning(event, **fields)


def describe_fault(error: BaseException) -> dict[str, str]:
    """Describe an error by its class and its place: never by its message."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    return {"kind": type(error).__name__, "place": place}


class ListedHandler(logging.Handler):
    """Takes what libraries log; passes on level, class and place, never the message.

    Args:
        events: Where it goes.
    """

    def __init__(self, events: Events) -> None:
        super().__init__()
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record."""
        fields: dict[str, str] = {"level": record.levelname.lower()}
        if record.exc_info and record.exc_info[1] is not None:
            fields |= describe_fault(record.exc_info[1])
        else:
            fields["place"] = f"{record.filename}:{record.lineno}"
        self._events.warn("server message", **{f"{k}": v for k, v in fields.items()})


def take_over_logging(events: Events) -> None:
    """Send everything that libraries log at warning or above through the list."""
    root = logging.getLogger()
    root.handlers = [ListedHandler(events)]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
