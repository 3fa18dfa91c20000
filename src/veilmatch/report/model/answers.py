"""What the body answers, and what each of its codes means for us."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import ClassVar

from veilmatch.report.model.fields import Record, named


@dataclass(frozen=True, kw_only=True, repr=False)
class ReportResponse(Record):
    """The answer to every call but finish."""

    tag: ClassVar[str] = "reportResponse"
    response_code: int
    response_description: str | None = None
    report_id: int | None = None
    file_id: str | None = None
    file_md5: str | None = field(default=None, metadata=named("hash"))


@dataclass(frozen=True, kw_only=True, repr=False)
class FileIds(Record):
    """The files of a finished report."""

    file_id: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class ReportDoneResponse(Record):
    """The answer to finish: the receipt."""

    tag: ClassVar[str] = "reportDoneResponse"
    response_code: int
    report_id: int | None = None
    files: FileIds | None = None


class Action(enum.Enum):
    """What we do about a code. The reason's word is shown to people and counted."""

    CONTINUE = "continue"
    RETRY = "retry"
    REOPEN = "reopen"
    DONE = "already-finished"
    STOP_REVIEWER = "refused-content"
    STOP_OPERATOR = "refused-access"
    STOP_UNKNOWN = "unknown-code"


_ACTIONS: dict[int, Action] = {
    0: Action.CONTINUE,
    **dict.fromkeys((1000, 1100, 1110, 1111, 1300), Action.RETRY),
    **dict.fromkeys((1001, 1210, 4000, 4100, 4110, 4200), Action.STOP_REVIEWER),
    **dict.fromkeys((2000, 3000, 3100, 3300), Action.STOP_OPERATOR),
    **dict.fromkeys((5001, 5002, 5101), Action.REOPEN),
    5102: Action.DONE,
}


def action_of(code: int) -> Action:
    """Return what to do about a response code; an unknown one stops, for a person to see."""
    return _ACTIONS.get(code, Action.STOP_UNKNOWN)
