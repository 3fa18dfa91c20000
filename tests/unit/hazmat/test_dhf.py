"""Arithmetic over F_p and the kernel, against Python's integers and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.field_rank import rank
from veilmatch.errors import DuplicateError, LengthError
from veilmatch.hazmat.backends.interface import FIELD_PRIME, Words
from veilmatch.hazmat.dhf import (
    evaluate_dhf,
    kernel_support,
    multiply_mod_p,
    powers_mod_p,
    vartime_interpolate_words,
    words_from_wide,
)

_ELEMENT = st.integers(0, FIELD_PRIME - 1) | st.sampled_from(
    [0, 1, FIELD_PRIME - 1, 2**32 - 1, 2**32, 2**63, 2**64 - 60]
)


def _words(*values: int) -> Words:
    return np.array(values, dtype=np.uint64)


@given(st.lists(st.tuples(_ELEMENT, _ELEMENT), min_size=1, max_size=20))
def test_products_are_those_of_python(pairs: list[tuple[int, int]]) -> None:
    left, right = _words(*(a for a, _ in pairs)), _words(*(b for _, b in pairs))
    wanted = [a * b % FIELD_PRIME for a, b in pairs]
    assert multiply_mod_p(left, right).tolist() == wanted


def test_products_at_the_edges_of_the_field() -> None:
    edges = [
        0,
        1,
        2,
        58,
        59,
        60,
        2**32 - 1,
        2**32,
        2**32 + 1,
        2**63,
        FIELD_PRIME - 2,
        FIELD_PRIME - 1,
    ]
    table = multiply_mod_p(_words(*edges)[:, None], _words(*edges)[None, :])
    assert table.tolist() == [[a * b % FIELD_PRIME for b in edges] for a in edges]


def test_products_of_uniform_elements() -> None:
    # Half of these carry out of 64 bits, which examples of a search seldom do.
    rng = np.random.default_rng(5)
    left, right = (rng.integers(0, FIELD_PRIME, 3000, dtype=np.uint64) for _ in range(2))
    wanted = [int(a) * int(b) % FIELD_PRIME for a, b in zip(left, right, strict=True)]
    assert multiply_mod_p(left, right).tolist() == wanted
    assert powers_mod_p(left, 4)[3].tolist() == [pow(int(a), 3, FIELD_PRIME) for a in left]


def test_products_at_every_carry() -> None:
    """Two carries that uniform products meet once in millions, met on purpose."""
    rng = np.random.default_rng(8)
    left, right = [], []
    # A product that is small modulo p: the last fold runs over 2^64.
    for small in range(4000):
        a = int(rng.integers(1, FIELD_PRIME, dtype=np.uint64))
        left.append(a)
        right.append(small * pow(a, -1, FIELD_PRIME) % FIELD_PRIME)
    # An upper half whose fold runs over 2^64 by itself.
    for low in range(1, 59):
        upper = -low * pow(59, -1, 2**32) % 2**32
        high = (upper << 32) + 2**32 - 1
        a = int(rng.integers(2**63, FIELD_PRIME, dtype=np.uint64))
        b = -(-(high << 64) // a)
        if b < FIELD_PRIME:
            left.append(a)
            right.append(b)
    assert len(left) > 4010
    found = multiply_mod_p(_words(*left), _words(*right)).tolist()
    assert found == [a * b % FIELD_PRIME for a, b in zip(left, right, strict=True)]


def test_interpolation_is_the_inverse_of_evaluation() -> None:
    rng = np.random.default_rng(6)
    key = rng.integers(0, FIELD_PRIME, (5, 4), dtype=np.uint64)
    inputs = rng.integers(0, FIELD_PRIME, 4, dtype=np.uint64)
    assert np.array_equal(vartime_interpolate_words(inputs, evaluate_dhf(key, inputs)), key)
    inputs[3] = inputs[0]
    with pytest.raises(DuplicateError):
        vartime_interpolate_words(inputs, evaluate_dhf(key, inputs))


@given(st.lists(_ELEMENT, min_size=1, max_size=5), st.integers(1, 6))
def test_powers(points: list[int], count: int) -> None:
    wanted = [[pow(x, i, FIELD_PRIME) for x in points] for i in range(count)]
    assert powers_mod_p(_words(*points), count).tolist() == wanted


@given(st.lists(st.lists(_ELEMENT, min_size=3, max_size=3), min_size=1, max_size=4), _ELEMENT)
def test_polynomials_are_those_of_python(coefficients: list[list[int]], x: int) -> None:
    outputs = evaluate_dhf(np.array(coefficients, dtype=np.uint64), _words(x, 0))
    wanted = [sum(c * pow(x, i, FIELD_PRIME) for i, c in enumerate(row)) for row in coefficients]
    assert outputs[0].tolist() == [v % FIELD_PRIME for v in wanted]
    assert outputs[1].tolist() == [row[0] for row in coefficients]
    assert evaluate_dhf(np.array(coefficients, dtype=np.uint64), _words()).shape == (
        0,
        len(coefficients),
    )


@given(st.binary(min_size=16, max_size=48).filter(lambda v: len(v) % 16 == 0))
def test_wide_words_are_reduced(data: bytes) -> None:
    wanted = [
        int.from_bytes(data[k : k + 16], "big") % FIELD_PRIME for k in range(0, len(data), 16)
    ]
    assert words_from_wide(data).tolist() == wanted


def test_wide_words_come_in_sixteens() -> None:
    with pytest.raises(LengthError):
        words_from_wide(bytes(17))


def test_the_kernel_of_a_small_matrix_by_hand() -> None:
    # c3 = 2 c1; c2 is on its own; c4 = c1 + c2 would join it.
    joined = np.array([[1, 0, 2, 1], [0, 1, 0, 1]], dtype=np.uint64)
    assert kernel_support(joined[:, :3]).tolist() == [True, False, True]
    assert kernel_support(joined).tolist() == [True, True, True, True]
    assert kernel_support(joined[:, :2]).tolist() == [False, False]


def test_a_zero_column_is_its_own_dependence() -> None:
    matrix = np.array([[0, 1], [0, 1]], dtype=np.uint64)
    assert kernel_support(matrix).tolist() == [True, False]


def test_no_columns_no_support_no_rank() -> None:
    empty = np.zeros((3, 0), dtype=np.uint64)
    assert kernel_support(empty).tolist() == []
    assert rank(empty) == 0


def test_rank() -> None:
    assert rank(np.array([[1, 2], [2, 4]], dtype=np.uint64)) == 1
    assert rank(np.array([[1, 2], [2, 5]], dtype=np.uint64)) == 2


def test_the_support_is_that_of_a_brute_force_search() -> None:
    rng = np.random.default_rng(7)
    for _ in range(40):
        matrix = rng.integers(0, 3, (3, 5)).astype(np.uint64)
        # Column j takes part in a dependence if and only if leaving it out keeps the rank.
        wanted = [rank(np.delete(matrix, j, axis=1)) == rank(matrix) for j in range(5)]
        assert kernel_support(matrix).tolist() == wanted
