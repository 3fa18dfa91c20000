"""Figures of review: agreement, time taken, golden pictures. Pure computation.

Spec: ``spec/65-review.md`` section 6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from veilmatch.review.decision import Outcome


@dataclass(frozen=True)
class Agreement:
    """How two rounds of decisions agree.

    Attributes:
        count: Pairs of decisions.
        agreed: Pairs that say the same.
        kappa: Cohen's kappa: 1 always, 0 as often as by chance; None if it is not defined.
    """

    count: int
    agreed: int
    kappa: float | None

    @property
    def share(self) -> float | None:
        """The share of pairs that agree; None without a pair."""
        return self.agreed / self.count if self.count else None


def measure_agreement(pairs: Sequence[tuple[Outcome, Outcome]]) -> Agreement:
    """Measure how first and second decisions agree.

    Source: spec/65-review.md rule G-3; Cohen (1960), equation 1.
    """
    count = len(pairs)
    agreed = sum(first is second for first, second in pairs)
    if not count:
        return Agreement(0, 0, None)
    firsts, seconds = Counter(first for first, _ in pairs), Counter(second for _, second in pairs)
    chance = sum(firsts[one] * seconds[one] for one in Outcome) / count**2
    kappa = None if chance == 1 else (agreed / count - chance) / (1 - chance)
    return Agreement(count, agreed, kappa)


@dataclass(frozen=True)
class Times:
    """Seconds from claim to decision; None without a decision."""

    count: int
    median_s: int | None
    ninetieth_s: int | None


def measure_times(seconds: Sequence[int]) -> Times:
    """Measure decision times: the nearest-rank median and 90th percentile."""
    ordered = sorted(seconds)
    if not ordered:
        return Times(0, None, None)
    return Times(len(ordered), _rank(ordered, 50), _rank(ordered, 90))


def _rank(ordered: Sequence[int], percent: int) -> int:
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


@dataclass(frozen=True)
class GoldenScore:
    """Golden pictures that were decided on, and how many of them rightly."""

    count: int
    right: int
