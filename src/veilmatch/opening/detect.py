"""Detection: which of m matches lie on common polynomials.

With t = min_shares - 1, each match gives a column: the powers x^0 … x^(t+delta-2) of its
DHF input, then r_k * x^i for every output r_k and 0 <= i < delta. Real columns span only
t + delta - 1 dimensions; up to s*delta synthetic ones are independent of them and of each
other. So the kernel's support is the set of real matches, if there are at least t + delta of
them and at most s*delta synthetic ones.

Beyond that, the kernel exists for dimension reasons alone and its support means nothing;
so nothing is believed before ``is_consistent`` has verified it.
Spec: ``spec/60-opening.md`` sections 1 to 3; Bhowmick et al. 2021, sections 3.2 and 4.3;
the form for delta > 1 and the verification are ours (not yet reviewed outside).
"""

from __future__ import annotations

import numpy as np

from veilmatch.errors import OverloadError, TooFewSharesError
from veilmatch.hazmat.backends.interface import Flags, Words
from veilmatch.hazmat.dhf import kernel_support, multiply_mod_p, powers_mod_p, rank


def expand_columns(inputs: Words, outputs: Words, min_shares: int, delta: int) -> Words:
    """Build the matrix of spec 60 section 1.

    Args:
        inputs: x0 of each match, ``uint64 (m,)``, distinct.
        outputs: ``uint64 (m, s)``.
        min_shares: t + 1.
        delta: From 1.

    Returns:
        ``uint64 (t + delta - 1 + s * delta, m)``.
    """
    powers = powers_mod_p(inputs, min_shares + delta - 2)
    shifted = powers_mod_p(inputs, delta)
    products = [multiply_mod_p(outputs.T, shifted[i][None, :]) for i in range(delta)]
    return np.concatenate([powers, *products], axis=0)


def is_consistent(inputs: Words, outputs: Words, min_shares: int) -> bool:
    """Verify a detected set: enough members, all on common polynomials of degree <= t - 1.

    At least ``min_shares`` columns whose expansion for delta = 1 has rank exactly t. A set
    with a random column in it passes with probability about 2^-64 per output polynomial.
    """
    if len(inputs) < min_shares:
        return False
    return rank(expand_columns(inputs, outputs, min_shares, 1)) == min_shares - 1


def detect(inputs: Words, outputs: Words, min_shares: int, delta_max: int) -> Flags:
    """Find the real matches, for delta = 1 … ``delta_max``, and verify them.

    Args:
        inputs: ``uint64 (m,)``, distinct.
        outputs: ``uint64 (m, s)``.
        min_shares: Smallest number of real matches that opens.
        delta_max: Attempts.

    Returns:
        ``bool (m,)``: the real matches, verified.

    Raises:
        TooFewSharesError: Fewer than ``min_shares`` real matches.
        OverloadError: More synthetic matches than detection can remove; nothing is known.
    """
    if len(inputs) < min_shares:
        raise TooFewSharesError(len(inputs), min_shares)
    for delta in range(1, delta_max + 1):
        found = kernel_support(expand_columns(inputs, outputs, min_shares, delta))
        if not found.any():
            # No dependence: at most t + delta - 1 real ones, and a larger delta needs more.
            if delta == 1:
                raise TooFewSharesError(0, min_shares)
            break
        if is_consistent(inputs[found], outputs[found], min_shares):
            return found
    raise OverloadError("more synthetic matches than detection can remove")
