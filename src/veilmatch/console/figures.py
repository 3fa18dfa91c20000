"""Decision times and agreement, of everybody together and of the one who looks.

No figure is about another single person: leads look after people by talking to them.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from veilmatch.casework.tables import case_decision, golden_score

WINDOW_S = 30 * 86_400
LEAST_CASES = 5
"""Below so many decided cases no share is shown: it would be about single people."""

_SPANS: tuple[tuple[int, str], ...] = (
    (60, "under 1 min"),
    (180, "1 to 3 min"),
    (600, "3 to 10 min"),
    (1800, "10 to 30 min"),
)
_LONGER = "longer"


@dataclass(frozen=True)
class Figures:
    """What is counted.

    Attributes:
        decided: Decisions of rounds 1 to 3.
        pairs: Cases with a first and a second decision.
        agreed: Of these, with the same outcome.
        median_s: From claim to decision; None if there is none.
        spans: Decisions by how long they took, in words.
        outcomes: First and second decisions by outcome.
        golden: Golden pictures that were marked.
        golden_right: Of these, rightly.
        own_decided: Decisions of the one who looks.
        own_median_s: Theirs; None if there is none.
    """

    decided: int
    pairs: int
    agreed: int
    median_s: float | None
    spans: dict[str, int]
    outcomes: dict[str, int]
    golden: int
    golden_right: int
    own_decided: int
    own_median_s: float | None

    @property
    def agreement(self) -> float | None:
        """The share of agreeing pairs; None below ``LEAST_CASES``."""
        return self.agreed / self.pairs if self.pairs >= LEAST_CASES else None

    @property
    def golden_share(self) -> float | None:
        """The share of golden pictures marked rightly; None below ``LEAST_CASES``."""
        return self.golden_right / self.golden if self.golden >= LEAST_CASES else None


def measure_figures(connection: Connection, operator_id: bytes, now: int) -> Figures:
    """Count the last ``WINDOW_S`` seconds.

    Args:
        connection: A transaction.
        operator_id: Who looks.
        now: Seconds since 1970.
    """
    table, since = case_decision.c, now - WINDOW_S
    rows = connection.execute(
        select(
            table.case_id,
            table.round,
            table.reviewer,
            table.outcome,
            table.claimed_at,
            table.decided_at,
        ).where(table.decided_at > since, table.round <= 3)
    ).all()
    times = [row.decided_at - row.claimed_at for row in rows]
    own = [row.decided_at - row.claimed_at for row in rows if row.reviewer == operator_id]
    by_case: dict[bytes, dict[int, str]] = {}
    outcomes: dict[str, int] = {}
    for row in rows:
        by_case.setdefault(row.case_id, {})[row.round] = row.outcome
        if row.round < 3:
            outcomes[row.outcome] = outcomes.get(row.outcome, 0) + 1
    pairs = [said for said in by_case.values() if 1 in said and 2 in said]
    scores = golden_score.c
    golden = connection.execute(
        select(scores.is_right, func.count()).where(scores.at > since).group_by(scores.is_right)
    ).all()
    by_right = {bool(right): count for right, count in golden}
    return Figures(
        decided=len(rows),
        pairs=len(pairs),
        agreed=sum(said[1] == said[2] for said in pairs),
        median_s=_median(times),
        spans=count_spans(times),
        outcomes=outcomes,
        golden=sum(by_right.values()),
        golden_right=by_right.get(True, 0),
        own_decided=len(own),
        own_median_s=_median(own),
    )


def count_spans(times: Sequence[int]) -> dict[str, int]:
    """Count times, in seconds, by their span in words."""
    found = {words: 0 for _, words in _SPANS} | {_LONGER: 0}
    for one in times:
        found[next((words for limit, words in _SPANS if one < limit), _LONGER)] += 1
    return found


def _median(times: Sequence[int]) -> float | None:
    return statistics.median(times) if times else None
