"""Periods of reports: a quarter, half a year, a year or a month, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from veilmatch.errors import ConfigError

_FORM = re.compile(r"(\d{4})(?:-(Q[1-4]|H[12]|(?:0[1-9]|1[0-2])))?")


@dataclass(frozen=True)
class Period:
    """From ``from_at`` up to, not with, ``until_at``; seconds since 1970.

    Attributes:
        name: As it was given: 2026, 2026-H1, 2026-Q3 or 2026-07.
    """

    name: str
    from_at: int
    until_at: int

    def holds(self, at: int) -> bool:
        """Tell whether a time lies in it."""
        return self.from_at <= at < self.until_at


def parse_period(text: str) -> Period:
    """Read a period. Raises ConfigError if it has another form."""
    found = _FORM.fullmatch(text)
    year = int(found[1]) if found else 0
    if not found or not 1971 <= year <= 9998:
        raise ConfigError(
            "there is no such period",
            setting="period",
            hint="2026-Q3, 2026-H1, 2026-07 or 2026",
        )
    part = found[2] or ""
    if part.startswith("Q"):
        first, months = 3 * int(part[1]) - 2, 3
    elif part.startswith("H"):
        first, months = 6 * int(part[1]) - 5, 6
    elif part:
        first, months = int(part), 1
    else:
        first, months = 1, 12
    last = first + months
    until = _start(year + (last > 12), last - 12 if last > 12 else last)
    return Period(text, _start(year, first), until)


def _start(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())
