"""A reporting body: whom a report goes to. NCMEC's CyberTipline is one, a package another.

A body answers every call with what it did, or that nobody knows whether it did it; it does
not raise for what the other side says. The worker decides from that, by fixed rules.
Spec: ``spec/70-report.md`` section 7.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from veilmatch.report.model.answers import Action


class Step(enum.Enum):
    """The calls to a body, as receipts name them."""

    OPEN = "open"
    FILE = "file"
    DETAILS = "details"
    FINISH = "finish"
    RETRACT = "retract"


@dataclass(frozen=True, repr=False)
class Answer:
    """What a body answered, or that it did not.

    Args:
        action: What we do about it.
        code: The body's code; -1 if there was no readable answer.
        is_outcome_known: False if the call may or may not have had its effect.
        request_id: The body's name for the request; kept as the receipt.
        report_number: The opened report.
        file_id: The uploaded file.
        file_md5: The digest that the body computed, in hexadecimal.
        file_ids: The files of a finished report; None if the answer did not list them.
        problem: One fixed word for people and counters; empty if all is well.
    """

    action: Action
    code: int = 0
    is_outcome_known: bool = True
    request_id: str = ""
    report_number: int | None = None
    file_id: str | None = None
    file_md5: str | None = None
    file_ids: tuple[str, ...] | None = None
    problem: str = ""

    def __repr__(self) -> str:
        return f"Answer({self.action.value}, code {self.code})"


class ReportingBody(Protocol):
    """Whom reports go to. Every call may be repeated; only ``finish_report`` makes it count."""

    @property
    def name(self) -> str:
        """The body's fixed name in the outbox."""

    def window_ends_at(self, opened_at: int, changed_at: int) -> int | None:
        """Return when an unfinished report lapses (seconds since 1970); None for never."""

    def open_report(self, document: bytes) -> Answer:
        """Open a report. The answer gives its number."""

    def send_file(self, report_number: int, content: bytes) -> Answer:
        """Send a file's bytes. The answer gives its id and its MD5."""

    def describe_file(self, report_number: int, file_id: str, document: bytes) -> Answer:
        """Send what is known about a file."""

    def finish_report(self, report_number: int) -> Answer:
        """Close the report: from now on it counts, and cannot be changed."""

    def retract_report(self, report_number: int) -> Answer:
        """Take an unfinished report back."""
