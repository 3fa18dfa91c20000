"""Bounds of an account's risk."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilmatch.errors import ConfigError
from veilmatch.hashbench.calibration import (
    CLUSTERS,
    Quarantine,
    account_bound,
    open_probe_shares,
    picture_rate_bound,
    poisson_tail,
    quarantine,
    risk_table,
    smallest_min_shares,
)


@given(st.floats(0.001, 50), st.integers(0, 60))
def test_tails_add_up(mean: float, least: int) -> None:
    slow = 1 - math.fsum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(least))
    assert poisson_tail(mean, least) == pytest.approx(slow, abs=1e-12)


def test_tiny_tails_keep_their_digits() -> None:
    # 0.1 ** 31 e ** -0.1 / 31!, and what follows it
    first = 0.1**31 * math.exp(-0.1) / math.factorial(31)
    assert poisson_tail(0.1, 31) == pytest.approx(first * (1 + 0.1 / 32), rel=1e-4)
    assert poisson_tail(0.0, 1) == 0.0
    assert poisson_tail(3.0, 0) == 1.0


def test_no_hit_still_has_a_bound_that_grows_with_the_release() -> None:
    assert picture_rate_bound(0, 3000, tested=100, released=100) == pytest.approx(0.001, rel=0.01)
    assert picture_rate_bound(0, 3000, tested=100, released=1000) == pytest.approx(0.01, rel=0.01)
    assert picture_rate_bound(0, 3000, tested=1000, released=10) == pytest.approx(0.001, rel=0.01)
    assert picture_rate_bound(2, 1, tested=1, released=1) == 1.0


@given(
    st.sampled_from([1e-7, 1e-6, 1e-5, 1e-4]),
    st.sampled_from([1000, 100_000]),
    st.sampled_from(CLUSTERS),
)
def test_the_smallest_number_is_the_smallest(rate: float, library: int, cluster: int) -> None:
    shares = smallest_min_shares(rate, library, cluster)
    assert account_bound(rate, library, shares, cluster) <= 1e-12
    assert shares == 1 or account_bound(rate, library, shares - 1, cluster) > 1e-12


def test_clusters_cost_shares() -> None:
    table = risk_table(1e-6, [10_000, 100_000], 31)
    assert len(table) == 2 * len(CLUSTERS)
    needed = [risk.needed for risk in table if risk.library == 100_000]
    assert needed == sorted(needed)
    assert table[0].account_bound < 1e-60
    assert all(risk.account_bound >= 0 for risk in table)


def test_a_hopeless_rate_is_refused() -> None:
    with pytest.raises(ConfigError):
        smallest_min_shares(0.5, 1_000_000, 1)
    for wrong in ((-1, 1, 1, 1), (0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0)):
        with pytest.raises(ConfigError):
            picture_rate_bound(wrong[0], wrong[1], tested=wrong[2], released=wrong[3])
    with pytest.raises(ConfigError):
        account_bound(1.5, 1, 1, 1)


def test_open_probes_are_counted_among_found_copies_only() -> None:
    assert open_probe_shares([0, 1, 1, 2, 0, 4]) == {1: 0.5, 2: 0.25, 4: 0.25}
    assert open_probe_shares([0]) == {}


def keys(*numbers: int) -> frozenset[bytes]:
    return frozenset(bytes([number]) for number in numbers)


def test_records_that_harmless_pictures_meet_are_held_back() -> None:
    records = [keys(1, 2), keys(3), keys(), keys(2, 4)]
    benign = [keys(9), keys(2, 8), keys(), keys(1, 2)]
    assert quarantine(records, benign) == [
        Quarantine(0, "benign", (1, 3)),
        Quarantine(2, "below_gate"),
        Quarantine(3, "benign", (1, 3)),
    ]
    assert quarantine(records, benign, most_hits=2) == [Quarantine(2, "below_gate")]


@given(
    st.lists(st.sets(st.integers(0, 6)), max_size=6),
    st.lists(st.sets(st.integers(0, 6)), max_size=6),
    st.integers(0, 2),
)
def test_quarantine_equals_the_double_loop(
    known: list[set[int]], harmless: list[set[int]], most: int
) -> None:
    slow = [
        (number, tuple(k for k, tried in enumerate(harmless) if tried & record))
        for number, record in enumerate(known)
        if record and sum(bool(tried & record) for tried in harmless) > most
    ]
    found = quarantine([keys(*r) for r in known], [keys(*h) for h in harmless], most_hits=most)
    assert [(q.record, q.benign) for q in found if q.reason == "benign"] == slow
