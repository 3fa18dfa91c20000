"""What a manifest declares of false matches, recomputed from its counts a second time.

A client does the same with the release's rooms; here an outsider does it from the specification.

Spec: ``spec/40-release.md`` section 5; ``spec/80-transparency.md`` rule B-23.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from veilmatch.errors import EncodingError, ParameterError
from veilmatch.transparency.entries.canonical import Fields

_RARE = 0.05  # one corpus in twenty
_SLACK = 1e-6  # two machines' logarithms differ in the last digits
_COUNT_MAX = 2**40
_PLAIN = {
    "pictures": (1, _COUNT_MAX),
    "hits": (0, _COUNT_MAX),
    "groups": (1, _COUNT_MAX),
    "group_hits": (0, _COUNT_MAX),
    "tested": (1, 2**32),
    "probes": (1, 64),
    "library": (1, 10**9),
    "cluster": (1, 10**6),
}
_FRACTIONS = ("effective_bits", "target", "picture_bound", "account_bound")


def verify_calibration(value: object, min_shares: int, probes: int) -> str:
    """Recompute the bounds and refuse a claim that the counts do not support.

    Args:
        value: The manifest's object, fractions as strings.
        min_shares: Of the release.
        probes: Of the release.

    Returns:
        What is declared, one sentence.

    Raises:
        EncodingError, LengthError: Malformed. ParameterError: The counts do not support it.

    Source: spec/40-release.md rules 5.2 to 5.5.
    """
    whole, parts = _take(value)
    pictures, hits = whole["pictures"], whole["hits"]
    groups, group_hits = whole["groups"], whole["group_hits"]
    fits = groups <= pictures and group_hits <= min(groups, hits) and hits <= pictures
    if not fits or (hits == 0) != (group_hits == 0):
        raise ParameterError("the calibration's counts do not fit together")
    least = max(_upper_bound(group_hits, groups), _upper_bound(hits, pictures))
    mean = whole["library"] * parts["picture_bound"] / whole["cluster"]
    account = _poisson_tail(mean, -(-min_shares // whole["cluster"]))
    stated = parts["picture_bound"], parts["account_bound"]
    if stated[0] < least * (1 - _SLACK) or stated[1] < account * (1 - _SLACK):
        raise ParameterError("the calibration states a bound below what its counts support")
    if probes > whole["probes"]:
        raise ParameterError("the release sends more probes than its calibration tried")
    if account > parts["target"]:
        raise ParameterError("the calibration does not support the declared target")
    return (
        f"below {parts['target']:.3g} for {whole['library']} pictures,"
        f" from {hits} hits of {pictures} harmless ones"
    )


def _take(value: object) -> tuple[dict[str, int], dict[str, float]]:
    if not isinstance(value, Mapping):
        raise EncodingError("the calibration is not an object", field="calibration")
    fields = Fields(dict(value), "calibration")
    fields.digest("corpus")
    whole = {}
    for name, (low, high) in _PLAIN.items():
        whole[name] = fields.count(name, high)
        if whole[name] < low:
            raise fields.refuse(name)
    parts = {name: _take_number(fields, name) for name in _FRACTIONS}
    fields.finish()
    shares = (parts["picture_bound"], parts["account_bound"])
    if not 0 < parts["target"] < 1 or not all(0 <= one <= 1 for one in shares):
        raise EncodingError("a share of the calibration is not one", field="calibration")
    return whole, parts


def _take_number(fields: Fields, name: str) -> float:
    found: Any = fields.take(name)
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise fields.refuse(name)
    try:
        number = float(found)
    except (ValueError, OverflowError):
        raise fields.refuse(name) from None
    if not math.isfinite(number):
        raise fields.refuse(name)
    return number


def _upper_bound(events: int, trials: int) -> float:
    """The exact one-sided bound of Clopper and Pearson, by halving."""
    if events == trials:
        return 1.0
    low, high = events / trials, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if _at_most(events, trials, middle) > _RARE:
            low = middle
        else:
            high = middle
    return high


def _at_most(events: int, trials: int, rate: float) -> float:
    """Probability of at most so many events; its terms fall from the last one on."""
    if rate >= 1:
        return 0.0
    logarithm = math.lgamma(trials + 1) - math.lgamma(events + 1)
    logarithm += -math.lgamma(trials - events + 1) + (trials - events) * math.log1p(-rate)
    term, total = math.exp(logarithm + (events * math.log(rate) if events else 0.0)), 0.0
    for left in range(events, -1, -1):
        total += term
        term *= left * (1 - rate) / ((trials - left + 1) * rate)
        if term < total * 1e-17:
            break
    return total


def _poisson_tail(mean: float, least: int) -> float:
    """Probability that a Poisson number is at least ``least``, tiny tails included."""
    if least <= 0 or mean <= 0:
        return float(least <= 0)
    if least <= mean:
        return max(0.0, 1.0 - math.fsum(_poisson(mean, count) for count in range(least)))
    term, total, count = _poisson(mean, least), 0.0, least
    while term > total * 1e-17:
        total += term
        count += 1
        term *= mean / count
    return min(1.0, total)


def _poisson(mean: float, count: int) -> float:
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
