"""How well synthetic vouchers hide the number of real matches of an account.

The service sees the sum of synthetic and real matches. With no real match that is the number of
synthetics, whose rate is drawn once for each account from a Gamma distribution. The total
variation distance to the same number plus r is the most by which any test can tell r real
matches from none: 0 hides perfectly, 1 not at all. Spec: ``spec/50-voucher.md`` section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veilmatch.release.calibration import LIBRARIES
from veilmatch.release.manifest import SyntheticSchedule

REALS = (1, 5, 10, 20, 30)
_GRID = 240
_FAR = 8.0  # standard deviations of the rate that are looked at

Law = NDArray[np.float64]


@dataclass(frozen=True)
class Hiding:
    """One size of library.

    Attributes:
        library: Pictures of the account.
        mean: Mean number of synthetic vouchers.
        low: Its 5 % quantile.
        high: Its 95 % quantile.
        distances: For each of ``REALS``, the total variation distance.
    """

    library: int
    mean: float
    low: int
    high: int
    distances: tuple[float, ...]


def count_law(schedule: SyntheticSchedule, library: int) -> Law:
    """Give the probabilities of 0, 1, 2, … synthetics among so many uploads.

    For a given rate the capped part of the uploads is binomial, the rest Poisson with its mean;
    the rate is averaged over a grid of quantiles of its Gamma distribution.
    """
    if schedule.rate <= 0 or schedule.probability_cap <= 0:
        return np.array([1.0])
    rates, weights = _rate_grid(schedule)
    top = int(_mean(schedule, float(rates[-1]), library) * 1.5 + 60)
    total = np.zeros(top + 1)
    for rate, weight in zip(rates, weights, strict=True):
        total += weight * _law_of_rate(schedule, float(rate), library, top)
    return np.asarray(total / total.sum(), np.float64)


def _rate_grid(schedule: SyntheticSchedule) -> tuple[Law, Law]:
    spread = schedule.rate / math.sqrt(schedule.shape)
    edge = schedule.rate + _FAR * spread
    rates: Law = np.asarray((np.arange(_GRID) + 0.5) * (edge / _GRID), np.float64)
    scale = schedule.rate / schedule.shape
    logs = (schedule.shape - 1) * np.log(rates) - rates / scale
    weights: Law = np.asarray(np.exp(logs - logs.max()), np.float64)
    return rates, weights / weights.sum()


def _capped(schedule: SyntheticSchedule, rate: float, library: int) -> int:
    return min(library, int(rate / schedule.probability_cap))


def _mean(schedule: SyntheticSchedule, rate: float, library: int) -> float:
    capped = _capped(schedule, rate, library)
    rest = rate * math.log(library / capped) if capped and library > capped else 0.0
    return capped * schedule.probability_cap + rest


def _law_of_rate(schedule: SyntheticSchedule, rate: float, library: int, top: int) -> Law:
    cap = schedule.probability_cap
    capped = _capped(schedule, rate, library)
    binomial = np.zeros(top + 1)
    for k in range(min(capped, top) + 1):
        chosen = math.lgamma(capped + 1) - math.lgamma(k + 1) - math.lgamma(capped - k + 1)
        binomial[k] = math.exp(chosen + k * math.log(cap) + (capped - k) * math.log1p(-cap))
    rest = _mean(schedule, rate, library) - capped * cap
    if rest <= 0:
        return binomial
    counts = np.arange(top + 1)
    logs = counts * math.log(rest) - rest - np.array([math.lgamma(k + 1) for k in counts])
    return np.convolve(binomial, np.exp(logs))[: top + 1]


def total_variation(law: Law, shift: int) -> float:
    """Give the distance between a number of this law and the same number plus ``shift``."""
    moved = np.concatenate([np.zeros(shift), law])
    still = np.concatenate([law, np.zeros(shift)])
    return float(np.abs(moved - still).sum() / 2)


def hiding_table(schedule: SyntheticSchedule, libraries: Iterable[int] = LIBRARIES) -> list[Hiding]:
    """Tabulate how well the schedule hides, for sizes of libraries."""
    rows = []
    for library in libraries:
        law = count_law(schedule, library)
        reached = np.cumsum(law)
        rows.append(
            Hiding(
                library,
                float(law @ np.arange(len(law))),
                int(np.searchsorted(reached, 0.05)),
                int(np.searchsorted(reached, 0.95)),
                tuple(total_variation(law, real) for real in REALS),
            )
        )
    return rows
