"""Exact intervals for a share of successes (Clopper and Pearson, 1934).

Pure and without a numerical library: the incomplete beta function by its continued fraction.
"""

from __future__ import annotations

import math

from veilmatch.errors import InputError

_TINY = 1e-300
_EPSILON = 1e-14
_STEPS_MAX = 100_000


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Compute the interval that holds the true share at least this often, whatever it is.

    Args:
        successes: 0 to ``trials``.
        trials: 0 or more; without any trial everything is possible.
        confidence: Between 0 and 1.

    Returns:
        (low, high), within [0, 1].

    Raises:
        InputError: A number is out of range.

    Source: Clopper and Pearson, Biometrika 26 (1934); spec/65-review.md rule N-3.
    """
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise InputError("successes lie between 0 and the trials, confidence between 0 and 1")
    if not trials:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if not successes else _quantile(tail, successes, trials - successes + 1)
    high = 1.0 if successes == trials else _quantile(1 - tail, successes + 1, trials - successes)
    return low, high


def _quantile(target: float, a: float, b: float) -> float:
    """Find where the regularised incomplete beta function reaches ``target``."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if incomplete_beta(a, b, middle) < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Compute the regularised incomplete beta function I_x(a, b), for a, b > 0, 0 <= x <= 1.

    Source: DLMF 8.17.22, evaluated by Lentz's method.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return front / a * _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, _STEPS_MAX):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            d = 1 + step * d
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = 1 + step / c
            c = c if abs(c) > _TINY else _TINY
            value *= d * c
        if abs(d * c - 1) < _EPSILON:
            break
    return value
