"""The detectable hash function over F_p, and the linear algebra that detects it.

A key is s polynomials of t coefficients; DHF(x) = (x, p_1(x), …, p_s(x)). Outputs at up to
t inputs look random together; more than t of them are found among random columns by linear
algebra alone. Spec: ``spec/10-hazmat.md`` section 5 and ``spec/60-opening.md``;
Bhowmick et al. 2021, sections 3.2 and 4.3.
"""

from __future__ import annotations

import flint
import numpy as np

from veilmatch.errors import DuplicateError, LengthError
from veilmatch.hazmat.backends.interface import FIELD_PRIME, Flags, Words
from veilmatch.hazmat.backends.selection import current

WORD_LEN = 8
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_FOLD = np.uint64(2**64 - FIELD_PRIME)  # 59: 2^64 = 59 modulo p
_PRIME = np.uint64(FIELD_PRIME)


def words_from_wide(data: bytes) -> Words:
    """Reduce 16-byte big-endian integers modulo p; the bias is below 2^-63. ``(n,)``."""
    if len(data) % 16:
        raise LengthError("wide words", len(data) - len(data) % 16, len(data))
    pairs = np.frombuffer(data, dtype=">u8").astype(np.uint64).reshape(-1, 2)
    # high * 2^64 + low = high * 59 + low modulo p
    folded = multiply_mod_p(pairs[:, 0], np.full(len(pairs), _FOLD))
    low = np.where(pairs[:, 1] >= _PRIME, pairs[:, 1] - _PRIME, pairs[:, 1])
    space = _PRIME - folded
    out: Words = np.where(low >= space, low - space, low + folded)
    return out


def evaluate_dhf(coefficients: Words, inputs: Words) -> Words:
    """Evaluate p_1 … p_s at each input. ``(s, t)``, ``(n,)`` to ``(n, s)``."""
    return current().evaluate_dhf(np.ascontiguousarray(coefficients), np.ascontiguousarray(inputs))


def multiply_mod_p(left: Words, right: Words) -> Words:
    """Multiply modulo p, item by item with broadcasting (32-bit limbs, then fold by 59)."""
    a0, a1 = left & _LOW, left >> _HALF
    b0, b1 = right & _LOW, right >> _HALF
    low, mid1, mid2, high = a0 * b0, a1 * b0, a0 * b1, a1 * b1
    mid = (low >> _HALF) + (mid1 & _LOW) + (mid2 & _LOW)
    lo = (low & _LOW) | (mid << _HALF)
    hi = high + (mid1 >> _HALF) + (mid2 >> _HALF) + (mid >> _HALF)
    # hi * 2^64 + lo = hi * 59 + lo modulo p; hi * 59 has at most 70 bits: fold twice.
    f0, f1 = (hi & _LOW) * _FOLD, (hi >> _HALF) * _FOLD
    folded = f0 + (f1 << _HALF)
    carry = (f1 >> _HALF) + (folded < f0)
    total = lo + folded
    carry = carry + (total < lo)
    result = total + carry * _FOLD
    result = np.where(result < total, result + _FOLD, result)
    out: Words = np.where(result >= _PRIME, result - _PRIME, result)
    return out


def powers_mod_p(points: Words, count: int) -> Words:
    """Return x^0 … x^(count-1) for each point, as rows. ``(n,)`` to ``(count, n)``."""
    rows = np.ones((count, len(points)), dtype=np.uint64)
    for i in range(1, count):
        rows[i] = multiply_mod_p(rows[i - 1], points)
    return rows


def _matrix(values: Words) -> flint.nmod_mat:
    rows, columns = values.shape
    return flint.nmod_mat(rows, columns, values.ravel().tolist(), FIELD_PRIME)


def kernel_support(matrix: Words) -> Flags:
    """Say which columns take part in a linear dependence of the columns. ``(m,)``.

    The union of the supports of a basis of the kernel; all False if the kernel is zero.
    """
    columns = matrix.shape[1]
    support = np.zeros(columns, dtype=np.bool_)
    if columns == 0:
        return support
    reduced, rank = _matrix(matrix).rref()
    if rank == columns:
        return support
    entries = np.array([int(v) for v in reduced.entries()], dtype=np.uint64)
    table = entries.reshape(matrix.shape)[:rank]
    pivots = (table != 0).argmax(axis=1)
    free = np.ones(columns, dtype=np.bool_)
    free[pivots] = False
    # Column j without a pivot gives the basis vector e_j - sum_i table[i, j] e_pivot(i).
    support[free] = True
    support[pivots] = (table[:, free] != 0).any(axis=1)
    return support


def vartime_interpolate_words(inputs: Words, outputs: Words) -> Words:
    """Interpolate the s polynomials of degree < t through t points.

    Args:
        inputs: ``uint64 (t,)``, distinct.
        outputs: ``uint64 (t, s)``.

    Returns:
        Coefficients ``uint64 (s, t)``, constant term first.

    Raises:
        DuplicateError: Two inputs are equal.

    Variable time: runs only on matches of an account that has opened.
    """
    count = len(inputs)
    vandermonde = _matrix(np.ascontiguousarray(powers_mod_p(inputs, count).T))
    try:
        solved = vandermonde.solve(_matrix(np.ascontiguousarray(outputs)))
    except ZeroDivisionError as exc:
        raise DuplicateError("two matches have the same input") from exc
    entries = np.array([int(v) for v in solved.entries()], dtype=np.uint64)
    return np.ascontiguousarray(entries.reshape(count, -1).T)
