"""Bounds of an account's risk, and what a release may declare."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator import ALGORITHM, NOW, SMALL, House
from veilmatch.errors import ConfigError, EncodingError, ParameterError
from veilmatch.hashlist.hash_list import parse_hash_list
from veilmatch.numbers import intervals
from veilmatch.release.calibration import (
    CLUSTERS,
    MAX_HITS,
    Calibration,
    Claim,
    Counts,
    account_bound,
    calibrate,
    clopper_pearson,
    parse_calibration,
    poisson_tail,
    risk_table,
    round_up,
    smallest_min_shares,
)
from veilmatch.release.manifest import parse_manifest
from veilmatch.release.publish import ReleaseRequest, build_release

HOUSE = House(known=5, seed=b"calibration")
CLEAN = Counts(pictures=30_000, hits=0, groups=30_000, group_hits=0)


def made(
    counts: Counts = CLEAN,
    claim: Claim = Claim(1e-4, 1000, 1),
    *,
    min_shares: int = 4,
    tested: int = 5,
    probes: int = 8,
) -> Calibration:
    return calibrate(
        bytes(32),
        counts,
        tested=tested,
        probes=probes,
        effective_bits=66.04,
        claim=claim,
        min_shares=min_shares,
    )


def test_no_event_is_three_in_so_many() -> None:
    assert clopper_pearson(0, 1000) == pytest.approx(3 / 1000, rel=0.01)
    assert clopper_pearson(0, 1) == pytest.approx(0.95)
    assert clopper_pearson(3, 3) == 1.0
    for events, trials, confidence in ((-1, 3, 0.95), (4, 3, 0.95), (0, 0, 0.95), (0, 3, 1.0)):
        with pytest.raises(ConfigError):
            clopper_pearson(events, trials, confidence)


@given(st.integers(0, 12), st.integers(1, 40), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_bound_is_the_rate_at_which_so_few_are_rare(
    events: int, more: int, confidence: float
) -> None:
    trials = events + more
    rate = Fraction(clopper_pearson(events, trials, confidence))
    few = sum(
        math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(events + 1)
    )
    assert float(few) == pytest.approx(1 - confidence, rel=1e-9)
    assert rate > Fraction(events, trials)


@given(st.integers(0, 400), st.integers(1, 10**6))
def test_two_ways_of_computing_the_bound_agree(events: int, more: int) -> None:
    # The public numbers' two-sided interval at 90 % has the same upper end.
    trials = events + more
    assert clopper_pearson(events, trials) == pytest.approx(
        intervals.clopper_pearson(events, trials, 0.9)[1], rel=1e-6
    )


def test_large_counts_stay_exact() -> None:
    # Far out the binomial and the Poisson bound agree: 4.7439 for no more than one event.
    assert clopper_pearson(1, 10**7) * 10**7 == pytest.approx(4.7439, abs=1e-3)
    assert 0.5 < clopper_pearson(500_000, 10**6) < 0.501


@pytest.mark.parametrize("hits", [2**39, MAX_HITS + 1])
def test_counts_that_would_keep_a_client_busy_are_refused_at_once(hits: int) -> None:
    """Found by fuzzing: the exact bound of so many took for ever, and every client repeats it."""
    counts = Counts(2**40, hits, 2**40, hits)
    started = time.process_time()
    with pytest.raises(ConfigError, match="so many hits"):
        counts.picture_bound()
    assert time.process_time() - started < 1


def test_where_the_first_term_is_too_small_for_a_number_so_are_all_others() -> None:
    started = time.process_time()
    assert 0.25 < clopper_pearson(MAX_HITS, 4 * MAX_HITS) < 0.251
    assert time.process_time() - started < 5


def test_series_of_pictures_are_not_independent_trials() -> None:
    alone = Counts(1000, 0, 1000, 0).picture_bound()
    series = Counts(1000, 0, 100, 0).picture_bound()
    assert series == pytest.approx(10 * alone, rel=0.05)
    # A hit group of many pictures counts by its pictures as well.
    assert Counts(1000, 90, 900, 1).picture_bound() > 0.09


@pytest.mark.parametrize(
    "counts",
    [
        Counts(0, 0, 0, 0),
        Counts(10, 0, 11, 0),
        Counts(10, 11, 10, 5),
        Counts(10, 1, 10, 2),
        Counts(10, 3, 10, 0),
    ],
)
def test_counts_that_do_not_fit_are_refused(counts: Counts) -> None:
    with pytest.raises(ConfigError):
        counts.picture_bound()


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


@given(st.integers(1, 60), st.floats(1e-4, 0.02), st.integers(100, 2000))
def test_the_poisson_tail_is_no_less_than_the_binomial_one(
    least: int, rate: float, library: int
) -> None:
    if least < library * rate + 1:
        return
    exact = math.fsum(
        math.exp(
            math.lgamma(library + 1)
            - math.lgamma(k + 1)
            - math.lgamma(library - k + 1)
            + k * math.log(rate)
            + (library - k) * math.log1p(-rate)
        )
        for k in range(least, min(library, least + 300) + 1)
    )
    assert account_bound(rate, library, least, 1) >= exact * (1 - 1e-9)


@given(
    st.sampled_from([1e-7, 1e-6, 1e-5]),
    st.sampled_from([1000, 100_000]),
    st.sampled_from(CLUSTERS),
)
def test_the_smallest_number_is_the_smallest(rate: float, library: int, cluster: int) -> None:
    shares = smallest_min_shares(rate, Claim(1e-12, library, cluster))
    assert account_bound(rate, library, shares, cluster) <= 1e-12
    assert shares == 2 or account_bound(rate, library, shares - 1, cluster) > 1e-12


def test_clusters_cost_shares() -> None:
    table = risk_table(1e-6, 31, libraries=[10_000, 100_000])
    assert len(table) == 2 * len(CLUSTERS)
    needed = [risk.needed for risk in table if risk.library == 100_000]
    assert needed == sorted(needed)
    assert table[0].account_bound < 1e-60
    assert risk_table(0.5, 31, libraries=[10**6])[0].needed == 0


def test_a_hopeless_rate_is_refused() -> None:
    with pytest.raises(ConfigError):
        smallest_min_shares(0.5, Claim(1e-12, 1_000_000, 1))
    with pytest.raises(ConfigError):
        account_bound(1.5, 1, 1, 1)


@given(st.floats(1e-30, 1.0))
def test_rounding_never_goes_below(value: float) -> None:
    assert value <= round_up(value) <= value * 1.02
    assert len(f"{round_up(value):.17g}") < 25


def test_a_calibration_survives_being_written() -> None:
    calibration = made()
    assert parse_calibration(calibration.to_json()) == calibration
    assert calibration.effective_bits == 66.0
    calibration.verify(4, 8)
    calibration.verify(31, 1)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"target": 0.0}, "target"),
        ({"target": 1.0}, "target"),
        ({"pictures": 0}, "pictures"),
        ({"hits": -1}, "hits"),
        ({"library": 10**10}, "library"),
        ({"picture_bound": 1.5}, "picture_bound"),
        ({"more": 1}, "more"),
    ],
)
def test_malformed_calibrations_are_refused(change: dict[str, Any], error: str) -> None:
    with pytest.raises(EncodingError) as refused:
        parse_calibration({**made().to_json(), **change})
    assert refused.value.field == error


def test_claims_that_the_counts_do_not_support_are_refused() -> None:
    good = made()
    with pytest.raises(ParameterError, match="below what its counts"):
        replace(good, picture_bound=good.picture_bound / 2).verify(4, 8)
    with pytest.raises(ParameterError, match="below what its counts"):
        replace(good, account_bound=good.account_bound / 2).verify(4, 8)
    with pytest.raises(ParameterError, match="more probes"):
        good.verify(4, 9)
    with pytest.raises(ParameterError, match="do not fit"):
        replace(good, counts=Counts(10, 11, 10, 1)).verify(4, 8)
    with pytest.raises(ParameterError, match="declared target") as refused:
        made(claim=Claim(1e-12, 1000, 1)).verify(4, 8)
    needed = smallest_min_shares(good.picture_bound, Claim(1e-12, 1000, 1))
    assert f"--min-shares {needed} would do" in refused.value.hint
    made(claim=Claim(1e-12, 1000, 1), min_shares=needed).verify(needed, 8)
    with pytest.raises(ParameterError) as hopeless:
        made(Counts(30, 30, 30, 30), Claim(1e-12, 10_000, 1)).verify(4, 8)
    assert "larger corpus" in hopeless.value.hint


def test_impossible_claims_are_not_made() -> None:
    for claim in (Claim(0.0), Claim(1.0), Claim(library=0), Claim(cluster=0)):
        with pytest.raises(ConfigError):
            made(claim=claim)


def request(calibration: Calibration | None) -> ReleaseRequest:
    parameters = replace(SMALL, probes=1)
    return ReleaseRequest(1, NOW, 3600, ALGORITHM, parameters, calibration=calibration)


def test_a_release_carries_what_its_calibration_supports() -> None:
    lists = [parse_hash_list(data) for data in HOUSE.signed_lists()]
    plain = build_release(lists, request(None)).manifest
    assert b'"calibration":null' in plain.to_bytes()
    assert parse_manifest(plain.to_bytes()).calibration is None
    calibration = made()
    manifest = build_release(lists, request(calibration)).manifest
    assert parse_manifest(manifest.to_bytes()) == manifest
    assert manifest.calibration == calibration


def test_a_release_beyond_its_calibration_is_not_built() -> None:
    lists = [parse_hash_list(data) for data in HOUSE.signed_lists()]
    with pytest.raises(ParameterError, match="declared target"):
        build_release(lists, request(made(claim=Claim(1e-12, 1000, 1))))
    with pytest.raises(ConfigError, match="fewer hashes"):
        build_release(lists, request(made(tested=4)))
