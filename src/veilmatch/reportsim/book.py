"""What the simulator remembers: open, finished, retracted and lapsed reports.

An unfinished report is deleted 24 hours after it was opened or one hour after its last
change, whichever is later. All codes are those of the interface.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError
from veilmatch.report.model.document import FileDetails, Report
from veilmatch.report.parse import parse_document, parse_tree
from veilmatch.secret import RandomSource

OPEN_WINDOW_S, CHANGE_WINDOW_S = 24 * 3600, 3600
OK, REFUSED, MALFORMED = 0, 4100, 4110
NO_REPORT, NO_FILE, RETRACTED, FINISHED = 5001, 5002, 5101, 5102


@dataclass(repr=False)
class BookedFile:
    """An uploaded file: its digest, and its details once they came."""

    md5: str
    length: int
    details: FileDetails | None = None


@dataclass(repr=False)
class BookedReport:
    """One report, as the service holds it."""

    number: int
    report: Report
    opened_at: float
    changed_at: float
    files: dict[str, BookedFile] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The result of a call, before it is written as XML."""

    code: int
    report_number: int | None = None
    file_id: str | None = None
    md5: str | None = None
    file_ids: tuple[str, ...] = ()


class Book:
    """All reports of the simulator, in memory.

    Args:
        clock: Seconds; windows follow it.
        random: For numbers and file ids.
    """

    def __init__(self, clock: Callable[[], float], random: RandomSource) -> None:
        self._clock, self._random = clock, random
        self._lock = threading.Lock()
        self._next = int.from_bytes(random(5), "big")
        self.open: dict[int, BookedReport] = {}
        self.finished: dict[int, BookedReport] = {}
        self.retracted: set[int] = set()
        self.lapsed: set[int] = set()

    def sweep(self) -> None:
        """Delete what nobody finished in its window."""
        now = self._clock()
        for number, one in list(self.open.items()):
            if now > max(one.opened_at + OPEN_WINDOW_S, one.changed_at + CHANGE_WINDOW_S):
                self.lapsed.add(number)
                del self.open[number]

    def submit(self, document: bytes) -> Outcome:
        """Open a report."""
        with self._lock:
            self.sweep()
            try:
                parse_tree(document)
            except EncodingError:
                return Outcome(MALFORMED)
            try:
                report = parse_document(Report, document)
            except EncodingError:
                return Outcome(REFUSED)
            self._next += 1
            now = self._clock()
            self.open[self._next] = BookedReport(self._next, report, now, now)
            return Outcome(OK, self._next)

    def upload(self, number: int, content: bytes) -> Outcome:
        """Add a file to an open report; the same bytes twice are two files."""
        with self._lock:
            one = self._find(number)
            if isinstance(one, Outcome):
                return one
            file_id = self._random(16).hex()
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            one.files[file_id] = BookedFile(md5, len(content))
            one.changed_at = self._clock()
            return Outcome(OK, number, file_id, md5)

    def describe(self, document: bytes) -> Outcome:
        """Keep a file's details."""
        with self._lock:
            try:
                details = parse_document(FileDetails, document)
            except EncodingError:
                return Outcome(REFUSED)
            one = self._find(details.report_id)
            if isinstance(one, Outcome):
                return one
            if details.file_id not in one.files:
                return Outcome(NO_FILE, one.number)
            one.files[details.file_id].details = details
            one.changed_at = self._clock()
            return Outcome(OK, one.number)

    def finish(self, number: int) -> Outcome:
        """Close a report for good."""
        with self._lock:
            one = self._find(number)
            if isinstance(one, Outcome):
                return one
            self.finished[number] = self.open.pop(number)
            return Outcome(OK, number, file_ids=tuple(one.files))

    def retract(self, number: int) -> Outcome:
        """Take back an open report."""
        with self._lock:
            one = self._find(number)
            if isinstance(one, Outcome):
                return one
            del self.open[number]
            self.retracted.add(number)
            return Outcome(OK, number)

    def counts(self) -> dict[str, int]:
        """Count reports by state."""
        with self._lock:
            self.sweep()
            return {
                "open": len(self.open),
                "finished": len(self.finished),
                "retracted": len(self.retracted),
                "lapsed": len(self.lapsed),
            }

    def _find(self, number: int) -> BookedReport | Outcome:
        self.sweep()
        if number in self.finished:
            return Outcome(FINISHED, number)
        if number in self.retracted:
            return Outcome(RETRACTED, number)
        return self.open.get(number) or Outcome(NO_REPORT, number)
