"""Detection by hand, at its limits, beyond them, and the verification after it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pytest

from tests.field_rank import rank
from veilmatch.errors import OverloadError, TooFewSharesError
from veilmatch.hazmat.backends.interface import FIELD_PRIME, Flags, Words
from veilmatch.hazmat.dhf import evaluate_dhf, kernel_support
from veilmatch.opening.detect import (
    detect,
    detect_on_known,
    expand_columns,
    is_consistent,
    useful_deltas,
)

MIN_SHARES, WIDTH = 4, 3  # t = 3, s = 3
T = MIN_SHARES - 1


def _words(values: object) -> Words:
    return np.array(values, dtype=np.uint64)


def _columns(real: int, synthetic: int, seed: int = 1) -> tuple[Words, Words, Flags]:
    """Real columns on random polynomials, random ones, shuffled."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Words:
        return rng.integers(0, FIELD_PRIME, shape, dtype=np.uint64)

    inputs = draw(real + synthetic)
    outputs = draw(real + synthetic, WIDTH)
    outputs[:real] = evaluate_dhf(draw(WIDTH, T), inputs[:real])
    order = rng.permutation(real + synthetic)
    return inputs[order], outputs[order], np.asarray((np.arange(real + synthetic) < real)[order])


def test_a_tiny_example_by_hand() -> None:
    """t = 2, s = 2: p1 = 3 + 5x, p2 = 7 + 2x at x = 1, 2, 3; two columns from elsewhere."""
    inputs = _words([1, 9, 2, 8, 3])
    outputs = _words([[8, 9], [1, 1], [13, 11], [2, 6], [18, 13]])
    matrix = expand_columns(inputs, outputs, 3, 1)
    assert matrix.tolist() == [
        [1, 1, 1, 1, 1],
        [1, 9, 2, 8, 3],
        [8, 1, 13, 2, 18],
        [9, 1, 11, 6, 13],
    ]
    # Rank 4; the kernel is (1, 0, -2, 0, 1): real columns only.
    assert rank(matrix) == 4
    assert kernel_support(matrix).tolist() == [True, False, True, False, True]
    assert detect(inputs, outputs, 3, 1).tolist() == [True, False, True, False, True]
    assert is_consistent(inputs[::2], outputs[::2], 3)
    assert not is_consistent(inputs[:3], outputs[:3], 3)


def test_the_matrix_for_delta_2() -> None:
    matrix = expand_columns(_words([2, 3]), _words([[5], [7]]), 3, 2)
    # x^0, x^1, x^2, then r and r*x.
    assert matrix.tolist() == [[1, 1], [2, 3], [4, 9], [5, 7], [10, 21]]


@pytest.mark.parametrize("delta", [1, 2, 3])
def test_the_matrix_has_the_shape_of_the_spec(delta: int) -> None:
    inputs, outputs, _ = _columns(5, 2)
    assert expand_columns(inputs, outputs, MIN_SHARES, delta).shape == (
        T + delta - 1 + WIDTH * delta,
        7,
    )


@pytest.mark.parametrize("delta", [1, 2, 3])
@pytest.mark.parametrize("spare", [0, 1])
def test_real_ones_are_found_up_to_the_limit_of_each_delta(delta: int, spare: int) -> None:
    real = T + delta + spare
    for synthetic in (0, 1, WIDTH * delta - 1, WIDTH * delta):
        inputs, outputs, wanted = _columns(real, synthetic, seed=delta)
        assert np.array_equal(detect(inputs, outputs, MIN_SHARES, 3), wanted)


def test_a_later_delta_is_needed_and_allowed_or_not() -> None:
    inputs, outputs, wanted = _columns(T + 2, 2 * WIDTH)
    assert np.array_equal(detect(inputs, outputs, MIN_SHARES, 2), wanted)
    with pytest.raises(OverloadError):
        detect(inputs, outputs, MIN_SHARES, 1)


@pytest.mark.parametrize("synthetic", [1, WIDTH])
def test_one_real_too_few_is_too_few(synthetic: int) -> None:
    inputs, outputs, _ = _columns(T, synthetic)
    with pytest.raises(TooFewSharesError):
        detect(inputs, outputs, MIN_SHARES, 8)


def test_fewer_columns_than_shares_are_too_few() -> None:
    inputs, outputs, _ = _columns(T, 0)
    with pytest.raises(TooFewSharesError):
        detect(inputs, outputs, MIN_SHARES, 8)


@pytest.mark.parametrize(("real", "synthetic"), [(6, 10), (3, 40), (9, 10)])
def test_beyond_the_limit_nothing_is_found(real: int, synthetic: int) -> None:
    inputs, outputs, _ = _columns(real, synthetic)
    with pytest.raises(OverloadError):
        detect(inputs, outputs, MIN_SHARES, 3)


@pytest.mark.parametrize(("real", "synthetic"), [(4, 4), (5, 7), (0, 7)])
def test_many_synthetic_ones_need_more_real_ones(real: int, synthetic: int) -> None:
    """Not an overload: detection can tell that they are too few, and says so."""
    inputs, outputs, _ = _columns(real, synthetic)
    with pytest.raises(TooFewSharesError):
        detect(inputs, outputs, MIN_SHARES, 3)


def test_no_other_delta_could_find_more() -> None:
    """Against every delta, over all small numbers of real and synthetic matches."""
    for width, t, delta_max in itertools.product((3, 4, 7), (1, 2, 5), (1, 2, 3, 8)):
        for real, synthetic in itertools.product(range(40), range(40)):
            if real + synthetic <= t:
                continue
            tried = useful_deltas(real + synthetic, width, t + 1, delta_max)
            assert _succeeds(real, synthetic, t, width, tried) == _succeeds(
                real, synthetic, t, width, range(1, delta_max + 1)
            )


def _succeeds(real: int, synthetic: int, t: int, width: int, deltas: Iterable[int]) -> bool:
    return any(real >= t + delta and synthetic <= width * delta for delta in deltas)


def test_known_matches_find_the_others_without_a_kernel() -> None:
    inputs, outputs, wanted = _columns(9, 40)
    known = wanted & (np.cumsum(wanted) <= MIN_SHARES)
    assert np.array_equal(detect_on_known(inputs, outputs, known, MIN_SHARES), wanted)
    with pytest.raises(TooFewSharesError):
        detect_on_known(inputs, outputs, np.zeros_like(known), MIN_SHARES)
    with pytest.raises(TooFewSharesError):
        detect_on_known(inputs, outputs, ~wanted, MIN_SHARES)


def test_the_kernel_that_holds_all_columns_is_not_believed() -> None:
    """Beyond s*delta synthetic ones the published test names every column: the trap."""
    inputs, outputs, wanted = _columns(4, WIDTH + 1)
    trap = kernel_support(expand_columns(inputs, outputs, MIN_SHARES, 1))
    assert trap.all()
    assert not wanted.all()
    assert not is_consistent(inputs[trap], outputs[trap], MIN_SHARES)
    with pytest.raises(TooFewSharesError):
        detect(inputs, outputs, MIN_SHARES, 3)


def test_synthetic_ones_alone_make_a_kernel_and_no_opening() -> None:
    inputs, outputs, _ = _columns(0, T + WIDTH + 1)
    assert kernel_support(expand_columns(inputs, outputs, MIN_SHARES, 1)).all()
    with pytest.raises(TooFewSharesError):
        detect(inputs, outputs, MIN_SHARES, 8)


def test_a_consistent_set_has_enough_members_on_common_polynomials() -> None:
    inputs, outputs, _ = _columns(6, 0)
    assert is_consistent(inputs, outputs, MIN_SHARES)
    assert is_consistent(inputs[:4], outputs[:4], MIN_SHARES)
    assert not is_consistent(inputs[:3], outputs[:3], MIN_SHARES)
    for k in range(WIDTH):
        wrong = outputs.copy()
        wrong[2, k] ^= np.uint64(1)
        assert not is_consistent(inputs, wrong, MIN_SHARES)


def test_polynomials_of_lower_degree_are_polynomials_too() -> None:
    inputs, outputs, _ = _columns(5, 0)
    outputs[:] = 7
    assert is_consistent(inputs, outputs, MIN_SHARES)


def test_two_accounts_mixed_do_not_open_each_other() -> None:
    first, second = _columns(4, 0, seed=1), _columns(4, 0, seed=2)
    inputs = np.concatenate([first[0], second[0]])
    outputs = np.concatenate([first[1], second[1]])
    with pytest.raises(TooFewSharesError):
        detect(inputs, outputs, MIN_SHARES, 8)
