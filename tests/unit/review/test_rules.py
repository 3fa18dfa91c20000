"""Judgements, exposure, groups, figures, settings: the rules of review, each on its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.casework.house import jpeg
from veilmatch.errors import ConfigError, InputError, PolicyError
from veilmatch.review.decision import (
    NOTE_LEN_MAX,
    Classification,
    Decision,
    Judgement,
    Mark,
    Outcome,
    Reason,
    Scheme,
    abusive_groups,
    agreed_marks,
    reasons_for,
    settle,
    values_of,
)
from veilmatch.review.exposure import (
    Exposure,
    ExposurePolicy,
    measure_exposure,
    require_exposure_left,
)
from veilmatch.review.groups import group_near_duplicates, hash_derivative
from veilmatch.review.preservation import Preservation, require_destroyable
from veilmatch.review.quality import measure_agreement, measure_times
from veilmatch.review.settings import Preferences, ReviewPolicy, parse_preferences

ABUSE = Classification(Scheme.PLAIN, "abuse")
OTHER = Classification(Scheme.PLAIN, "other")
YES, NO, ASK = Outcome.CONFIRM, Outcome.REJECT, Outcome.ESCALATE


def _decision(who: int, outcome: Outcome, *marks: Mark) -> Decision:
    given = marks or ((Mark(1, ABUSE),) if outcome is YES else ())
    return Decision(bytes([who]), Judgement(outcome, reasons_for(outcome)[0], given))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(YES, YES, YES), (NO, NO, NO), (YES, NO, ASK), (NO, ASK, ASK), (ASK, ASK, ASK)],
)
def test_two_decisions_come_to_one(first: Outcome, second: Outcome, expected: Outcome) -> None:
    assert settle(_decision(1, first), _decision(2, second)) is expected
    assert settle(_decision(1, second), _decision(2, first)) is expected
    with pytest.raises(PolicyError):
        settle(_decision(1, first), _decision(1, second))


def test_a_judgement_fits_together() -> None:
    for outcome in Outcome:
        for reason in set(Reason) - set(reasons_for(outcome)):
            with pytest.raises(InputError, match="does not fit"):
                Judgement(outcome, reason, (Mark(1, ABUSE),))
    with pytest.raises(InputError, match="twice"):
        Judgement(NO, Reason.NOT_ABUSE, (Mark(1, OTHER), Mark(1, OTHER)))
    with pytest.raises(InputError, match="at least one picture"):
        Judgement(YES, Reason.SHOWS_ABUSE, (Mark(1, OTHER),))
    with pytest.raises(InputError, match="characters"):
        Judgement(NO, Reason.NOT_ABUSE, (), "x" * (NOTE_LEN_MAX + 1))
    assert "secret words" not in repr(Judgement(NO, Reason.NOT_ABUSE, (), "secret words"))


@pytest.mark.parametrize("scheme", Scheme)
def test_a_value_belongs_to_its_scheme(scheme: Scheme) -> None:
    for value in values_of(scheme):
        Classification(scheme, value)
    for value in ("", "7", "a1"):
        with pytest.raises(InputError):
            Classification(scheme, value)


def test_only_marks_on_which_all_agree_count() -> None:
    one = _decision(1, YES, Mark(1, ABUSE), Mark(2, ABUSE), Mark(3, OTHER))
    two = _decision(2, YES, Mark(1, ABUSE), Mark(2, OTHER))
    no = _decision(3, NO, Mark(1, OTHER))
    assert agreed_marks([one, two]) == {1: ABUSE, 3: OTHER}
    assert abusive_groups([one, two]) == {1}
    assert abusive_groups([one, two, no]) == {1}  # who does not confirm reports nothing


POLICY = ExposurePolicy(budget=10, window_s=1000, spell_s=100, break_s=50)


@given(st.lists(st.tuples(st.integers(-2000, 0), st.sampled_from([0, 1, 4]))))
def test_the_budget_is_what_the_window_holds(views: list[tuple[int, int]]) -> None:
    now = 10_000
    state = measure_exposure([Exposure(now + at, weight) for at, weight in views], now, POLICY)
    used = sum(weight for at, weight in views if at > -1000)
    assert (state.used, state.left) == (used, max(0, 10 - used))
    if state.break_until is None:
        for weight in (0, 1, 4):
            if weight <= state.left:
                require_exposure_left(state, weight)
            else:
                with pytest.raises(PolicyError, match="budget"):
                    require_exposure_left(state, weight)


@pytest.mark.parametrize(
    ("times", "now", "until"),
    [
        ([], 0, None),
        ([0, 40, 80], 90, None),  # a spell of 80
        ([0, 40, 80, 120], 121, 170),
        ([0, 40, 80, 120], 170, None),  # the break is over
        ([0, 49, 98, 147], 150, 197),
        ([0, 60, 120, 180], 181, None),  # each pause was a break
    ],
)
def test_a_break_follows_a_spell(times: list[int], now: int, until: int | None) -> None:
    views = [Exposure(1000 + at, 1) for at in times]
    state = measure_exposure(views, 1000 + now, POLICY)
    assert state.break_until == (None if until is None else 1000 + until)
    if until is not None:
        with pytest.raises(PolicyError, match="break"):
            require_exposure_left(state, 0)


@given(st.lists(st.binary(min_size=32, max_size=32) | st.none(), max_size=12), st.integers(0, 40))
def test_groups_are_what_is_connected(hashes: list[bytes | None], bound: int) -> None:
    groups = group_near_duplicates(hashes, bound)
    assert len(groups) == len(hashes)
    for number, group in enumerate(groups):
        assert groups[group] == group <= number
    for one, first in enumerate(hashes):
        for other, second in enumerate(hashes):
            if first is not None and second is not None:
                distance = (int.from_bytes(first) ^ int.from_bytes(second)).bit_count()
                assert groups[one] == groups[other] or distance > bound
            elif one != other:
                assert groups[one] != groups[other]


def test_a_chain_of_near_ones_is_one_group() -> None:
    hashes = [np.packbits(np.arange(256) < 20 * k).tobytes() for k in range(5)]
    assert group_near_duplicates(hashes, 31) == [0] * 5
    assert group_near_duplicates(hashes, 19) == list(range(5))


def test_derivatives_group_by_what_they_show() -> None:
    hashes = [hash_derivative(one) for one in (jpeg(1), jpeg(2), jpeg(1, 50), b"no picture")]
    assert group_near_duplicates(hashes) == [0, 1, 0, 3]


def test_figures() -> None:
    nothing = measure_agreement([])
    assert (nothing.share, nothing.kappa) == (None, None)
    assert measure_agreement([(YES, YES)] * 3).kappa is None  # chance says the same
    mixed = measure_agreement([(YES, YES), (NO, NO), (YES, NO), (NO, YES)])
    assert (mixed.share, mixed.kappa) == (0.5, 0.0)
    assert measure_agreement([(YES, YES), (NO, NO)]).kappa == 1.0
    assert measure_times([]).median_s is None
    times = measure_times([5, 1, 2, 3, 4, 100, 7, 8, 9, 10])
    assert (times.median_s, times.ninetieth_s) == (5, 10)


@pytest.mark.parametrize(
    "values",
    [
        {"blur_px": 41},
        {"blur_px": True},
        {"is_grey": 1},
        {"reveal_steps": 0},
        {"tile_px": 100},
        {"colour": 1},
        {"blur_px": "1"},
    ],
)
def test_preferences_are_read_strictly(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        parse_preferences(values)


@given(
    st.builds(
        Preferences,
        st.integers(0, 40),
        st.booleans(),
        st.integers(1, 4),
        st.sampled_from([64, 96, 128, 160, 256]),
    )
)
def test_preferences_come_back(one: Preferences) -> None:
    assert parse_preferences(one.to_json()) == one
    assert one.protected_by(one) == one


@pytest.mark.parametrize(
    "values", [{"claim_s": 1}, {"golden_per_case": 6}, {"golden_per_case": -1}, {"appeal_s": -1}]
)
def test_a_policy_is_checked(values: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        ReviewPolicy(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["budget", "window_s", "spell_s", "break_s"])
def test_an_exposure_policy_is_checked(name: str) -> None:
    with pytest.raises(ConfigError):
        ExposurePolicy(**{name: 0})


def test_destruction_waits_for_term_and_hold() -> None:
    require_destroyable(None, 0)
    require_destroyable(Preservation(0, 100), 100)
    for kept, now in ((Preservation(0, 100), 99), (Preservation(0, 100, True), 200)):
        with pytest.raises(PolicyError):
            require_destroyable(kept, now)
