"""Shamir sharing against Python's integers, and what too few shares give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilmatch.errors import DuplicateError, LengthError, TooFewSharesError
from veilmatch.hazmat.group import GROUP_ORDER, to_batch
from veilmatch.hazmat.sharing import evaluate_polynomial, vartime_interpolate

_SCALAR = st.integers(0, GROUP_ORDER - 1)


def _batch(values: list[int]) -> np.ndarray:
    return to_batch((v.to_bytes(32, "little") for v in values), 32)


@given(st.lists(_SCALAR, min_size=1, max_size=5), st.lists(_SCALAR, min_size=1, max_size=4))
def test_values_are_those_of_python(coefficients: list[int], points: list[int]) -> None:
    wanted = [
        sum(c * pow(x, i, GROUP_ORDER) for i, c in enumerate(coefficients)) % GROUP_ORDER
        for x in points
    ]
    made = evaluate_polynomial(_batch(coefficients), _batch(points))
    assert np.array_equal(made, _batch(wanted))


@given(st.lists(_SCALAR, min_size=4, max_size=4), st.sets(_SCALAR, min_size=4, max_size=7), _SCALAR)
def test_enough_shares_give_the_polynomial_back(
    coefficients: list[int], points: set[int], at: int
) -> None:
    xs = _batch(sorted(points))
    ys = evaluate_polynomial(_batch(coefficients), xs)
    assert vartime_interpolate(xs, ys) == coefficients[0].to_bytes(32, "little")
    wanted = evaluate_polynomial(_batch(coefficients), _batch([at])).tobytes()
    assert vartime_interpolate(xs, ys, at) == wanted


def test_one_share_too_few_fits_every_secret() -> None:
    # For any candidate there is a polynomial through the same three points.
    coefficients, xs = _batch([5, 6, 7, 8]), _batch([1, 2, 3])
    ys = evaluate_polynomial(coefficients, xs)
    for candidate in (0, 5, 77, GROUP_ORDER - 1):
        with_secret = np.concatenate([_batch([0]), xs]), np.concatenate([_batch([candidate]), ys])
        assert vartime_interpolate(*with_secret) == candidate.to_bytes(32, "little")
    assert vartime_interpolate(xs, ys) != (5).to_bytes(32, "little")


def test_no_share_equal_points_and_no_coefficients_are_refused() -> None:
    with pytest.raises(TooFewSharesError):
        vartime_interpolate(_batch([]), _batch([]))
    with pytest.raises(TooFewSharesError):
        vartime_interpolate(_batch([1]), _batch([]))
    with pytest.raises(DuplicateError):
        vartime_interpolate(_batch([1, 1]), _batch([2, 3]))
    with pytest.raises(DuplicateError):
        vartime_interpolate(_batch([1, 1 + GROUP_ORDER]), _batch([2, 3]))
    with pytest.raises(LengthError):
        evaluate_polynomial(_batch([]), _batch([1]))
