"""Times are whole seconds since 1970, UTC: their units, and the one clock of this machine.

Rooms take a clock as an argument; only commands and servers hand them this one.
"""

from __future__ import annotations

import time

HOUR_S = 3600
"""Seconds of an hour."""
DAY_S = 24 * HOUR_S
"""Seconds of a day; a day is counted in UTC, as the number of whole days since 1970."""


def system_clock() -> int:
    """Return the time of this machine: whole seconds since 1970, UTC."""
    return int(time.time())
