"""Threshold sharing: Shamir over the scalar field of ristretto255.

A polynomial of degree d shares its constant term; any d + 1 distinct points give it back,
d points say nothing. Veilmatch uses d = ``min_shares - 1`` (t in the published protocol).
Spec: ``spec/10-hazmat.md`` section 4.
"""

from __future__ import annotations

import numpy as np

from veilmatch.errors import DuplicateError, LengthError, TooFewSharesError
from veilmatch.hazmat.backends.interface import SCALAR_LEN, Bytes
from veilmatch.hazmat.backends.selection import current
from veilmatch.hazmat.group import GROUP_ORDER


def evaluate_polynomial(coefficients: Bytes, points: Bytes) -> Bytes:
    """Evaluate A at many points. ``(d + 1, 32)`` constant first, ``(n, 32)`` to ``(n, 32)``.

    Secret: the coefficients; constant time.
    """
    if coefficients.ndim != 2 or coefficients.shape[1] != SCALAR_LEN or not len(coefficients):
        raise LengthError("coefficients", SCALAR_LEN, coefficients.shape[-1])
    return current().evaluate_polynomial(
        np.ascontiguousarray(coefficients), np.ascontiguousarray(points)
    )


def _to_ints(batch: Bytes) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in batch]


def vartime_interpolate(xs: Bytes, ys: Bytes, at: int = 0) -> bytes:
    """Interpolate the polynomial of lowest degree through the points, at ``at``.

    Args:
        xs: ``bytes (n, 32)``, distinct modulo q.
        ys: ``bytes (n, 32)``.
        at: Where to evaluate; 0 gives the shared secret.

    Returns:
        32 bytes little-endian.

    Raises:
        TooFewSharesError: No points at all.
        DuplicateError: Two points share their x.

    Not checked: that the points lie on a polynomial of the expected degree.
    Variable time: runs only where opening is allowed and the points are known.
    """
    if not len(xs) or len(xs) != len(ys):
        raise TooFewSharesError(min(len(xs), len(ys)), 1)
    x, y = _to_ints(xs), _to_ints(ys)
    q = GROUP_ORDER
    if len({v % q for v in x}) != len(x):
        raise DuplicateError("two shares have the same point")
    total = 0
    for i, (xi, yi) in enumerate(zip(x, y, strict=True)):
        numerator, denominator = 1, 1
        for j, xj in enumerate(x):
            if j != i:
                numerator = numerator * (at - xj) % q
                denominator = denominator * (xi - xj) % q
        total = (total + yi * numerator * pow(denominator, -1, q)) % q
    return total.to_bytes(SCALAR_LEN, "little")
