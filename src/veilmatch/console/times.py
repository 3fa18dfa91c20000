"""Decision times by their span, for the plot; the other figures come from casework."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from veilmatch.casework.tables import case_decision

_SPANS: tuple[tuple[int, str], ...] = (
    (60, "under 1 min"),
    (180, "1 to 3 min"),
    (600, "3 to 10 min"),
    (1800, "10 to 30 min"),
)
_LONGER = "longer"


def read_times(connection: Connection, since_at: int) -> list[int]:
    """Read the seconds from claim to decision of every decision since a time."""
    row = case_decision.c
    query = select(row.claimed_at, row.decided_at).where(row.decided_at >= since_at)
    return [one.decided_at - one.claimed_at for one in connection.execute(query)]


def count_spans(times: Sequence[int]) -> dict[str, int]:
    """Count times, in seconds, by their span in words."""
    found = {words: 0 for _, words in _SPANS} | {_LONGER: 0}
    for one in times:
        found[next((words for limit, words in _SPANS if one < limit), _LONGER)] += 1
    return found
