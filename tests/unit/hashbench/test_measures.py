"""The benchmark's arithmetic: intervals, bounds, pairs, distances."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilmatch.hashbench.falsematch import (
    distance_spread,
    distances,
    equal_pairs,
    probed_pairs,
    procedural_picture,
    rate_bound,
    study_keys,
    study_probed,
)
from veilmatch.hashbench.run import Outcome, summarise, wilson


def test_no_event_is_bounded_by_three_in_so_many() -> None:
    assert rate_bound(0, 1000) == pytest.approx(-math.log(0.05) / 1000)
    assert rate_bound(0, 0) == 1.0
    assert rate_bound(5, 3) == 1.0


@given(st.integers(0, 30), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_bound_is_the_rate_at_which_so_few_are_rare(events: int, confidence: float) -> None:
    mean = rate_bound(events, 10**6, confidence) * 10**6
    few = sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(events + 1))
    assert few == pytest.approx(1 - confidence, rel=1e-6)
    assert mean > events


@given(st.lists(st.binary(min_size=1, max_size=1), max_size=30))
def test_equal_pairs_are_those_that_a_double_loop_finds(keys: list[bytes]) -> None:
    named = [(str(number), key) for number, key in enumerate(keys)]
    slow = {(a[0], b[0]) for a, b in itertools.combinations(named, 2) if a[1] == b[1]}
    fast = equal_pairs(named)
    assert set(fast) == slow
    assert len(fast) == len(slow)


@given(st.lists(st.integers(0, 9), max_size=8), st.lists(st.sets(st.integers(0, 9)), max_size=8))
def test_probed_pairs_are_those_that_a_double_loop_finds(
    known: list[int], tried: list[set[int]]
) -> None:
    entries = [(str(number), bytes([key])) for number, key in enumerate(known)]
    probes = [
        (str(number), frozenset(bytes([k]) for k in keys)) for number, keys in enumerate(tried)
    ]
    slow = {
        (name, other)
        for name, key in entries
        for other, keys in probes
        if name != other and key in keys
    }
    assert set(probed_pairs(entries, probes)) == slow
    study = study_probed("x", "y", entries, probes)
    assert set(study.matches) == slow
    assert study.pairs == sum(1 for name, _ in entries for other, _ in probes if name != other)


@given(st.lists(st.binary(min_size=4, max_size=4), min_size=2, max_size=12))
def test_distances_count_bits(keys: list[bytes]) -> None:
    slow = sorted(
        (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).bit_count()
        for a, b in itertools.combinations(keys, 2)
    )
    assert sorted(distances(keys).tolist()) == slow


def test_independent_bits_count_as_such() -> None:
    random = np.random.default_rng(5)
    free = [random.bytes(8) for _ in range(600)]
    assert distance_spread(free)[0] == pytest.approx(64, rel=0.05)
    halves = [random.bytes(4) * 2 for _ in range(600)]
    assert distance_spread(halves)[0] == pytest.approx(32, rel=0.05)
    assert distance_spread(free[:2]) == (0.0, 0)


def test_a_study_names_the_pairs_it_found() -> None:
    study = study_keys("lfh", "scene", [("a", b"1"), ("b", b"2"), ("c", b"1")])
    assert study.matches == (("a", "c"),)
    assert (study.pictures, study.pairs) == (3, 3)


def test_procedural_pictures_are_of_all_kinds() -> None:
    kinds = [procedural_picture(index).source.split("/")[0] for index in range(9)]
    assert kinds.count("scene") == 5
    assert {"page", "chart"} < set(kinds)


def outcome(picture: int, *, found: bool, everyday: bool = True) -> Outcome:
    return Outcome("lfh", picture, "jpeg90", "codec", everyday, found)


def test_recall_sums_by_group_and_everyday() -> None:
    outcomes = [
        outcome(0, found=True),
        outcome(0, found=False),
        outcome(1, found=True),
        outcome(1, found=True, everyday=False),
    ]
    by_group = {recall.group: recall for recall in summarise(outcomes)}
    assert (by_group["codec"].found, by_group["codec"].copies) == (3, 4)
    assert by_group["everyday"].percent == pytest.approx(200 / 3)
    assert by_group["codec"].low_percent <= 75 <= by_group["codec"].high_percent


def test_certain_groups_still_have_an_interval() -> None:
    recall = summarise([outcome(number, found=True) for number in range(20)])[0]
    assert recall.percent == 100
    assert 80 < recall.low_percent < 90
    low, high = wilson(10, 20)
    assert low == pytest.approx(29.93, abs=0.01)
    assert high == pytest.approx(70.07, abs=0.01)
