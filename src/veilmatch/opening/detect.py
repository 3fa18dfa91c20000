"""Detection: which of m matches lie on common polynomials.

With t = min_shares - 1, each match gives a column: the powers x^0 … x^(t+delta-2) of its
DHF input, then r_k * x^i for every output r_k and 0 <= i < delta. Real columns span only
t + delta - 1 dimensions; up to s*delta synthetic ones are independent of them and of each
other. So the kernel's support is the set of real matches, if there are at least t + delta of
them and at most s*delta synthetic ones. delta = 1 is the published algorithm.

Beyond that, the kernel exists for dimension reasons alone and its support means nothing;
so nothing is believed before ``is_consistent`` has verified it.
Spec: ``spec/60-opening.md`` sections 1 to 3; Bhowmick et al. 2021, sections 3.2 and 4.3;
the form for delta > 1 and the verification are ours (not yet reviewed outside).
"""

from __future__ import annotations

import numpy as np

from veilmatch.errors import OverloadError, TooFewSharesError
from veilmatch.hazmat.backends.interface import Flags, Words
from veilmatch.hazmat.dhf import (
    evaluate_dhf,
    kernel_support,
    multiply_mod_p,
    powers_mod_p,
    vartime_interpolate_words,
)


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

    t members fix the polynomials; every other one must lie on all s of them. A set with a
    random column in it passes with probability about 2^-64 per polynomial.
    """
    if len(inputs) < min_shares:
        return False
    count = min_shares - 1
    key = vartime_interpolate_words(inputs[:count], outputs[:count])
    return bool((evaluate_dhf(key, inputs[count:]) == outputs[count:]).all())


def useful_deltas(match_count: int, width: int, min_shares: int, delta_max: int) -> list[int]:
    """Return the one or two values of delta that can find anything among m matches.

    Let d0 be the smallest delta whose matrix has at least m rows. Success at delta needs
    d >= t + delta real and rho <= s*delta synthetic matches, m = d + rho in all. Success at
    a larger delta than d0 implies success at d0; success at a smaller one implies success
    at d0 too, except at d0 - 1 with exactly d = t + d0 - 1 and rho = s * (d0 - 1).
    (Spec 60 section 2 has the two lines of arithmetic.) If even ``delta_max`` has fewer rows
    than m, success at any smaller delta implies success there.
    """
    t = min_shares - 1
    smallest = max(1, -(-(match_count - t + 1) // (width + 1)))
    if smallest > delta_max:
        return [delta_max]
    return [smallest] if smallest == 1 else [smallest - 1, smallest]


def detect(inputs: Words, outputs: Words, min_shares: int, delta_max: int) -> Flags:
    """Find the real matches and verify them.

    Args:
        inputs: ``uint64 (m,)``, distinct.
        outputs: ``uint64 (m, s)``.
        min_shares: Smallest number of real matches that opens.
        delta_max: Largest delta.

    Returns:
        ``bool (m,)``: the real matches, verified.

    Raises:
        TooFewSharesError: Fewer real matches than opening among so many synthetic ones needs.
        OverloadError: More matches than detection can tell apart; nothing is known.
    """
    count, width = outputs.shape
    if count < min_shares:
        raise TooFewSharesError(count, min_shares)
    for delta in useful_deltas(count, width, min_shares, delta_max):
        found = kernel_support(expand_columns(inputs, outputs, min_shares, delta))
        if found.any() and is_consistent(inputs[found], outputs[found], min_shares):
            return found
    if count > min_shares - 1 + delta_max - 1 + width * delta_max:
        raise OverloadError("more synthetic matches than detection can remove")
    raise TooFewSharesError(0, min_shares)


def detect_on_known(inputs: Words, outputs: Words, known: Flags, min_shares: int) -> Flags:
    """Find the real matches of an account that has opened before, in time linear in them.

    t of the matches that are known to be real fix the polynomials; every match that lies on
    all of them is real. No kernel is computed, so an account with many synthetic matches, or
    a match that arrives after the first detection, costs one evaluation.

    Args:
        inputs: ``uint64 (m,)``, distinct.
        outputs: ``uint64 (m, s)``.
        known: ``bool (m,)``: matches that a detection found and verified before.
        min_shares: t + 1.

    Returns:
        ``bool (m,)``: the real matches; at least ``min_shares`` of them on the same
        polynomials, which is the verification of spec 60 section 3.

    Raises:
        TooFewSharesError: Fewer than t are known, or fewer than ``min_shares`` agree.
    """
    base = np.flatnonzero(known)[: min_shares - 1]
    if len(base) < min_shares - 1:
        raise TooFewSharesError(len(base), min_shares)
    key = vartime_interpolate_words(inputs[base], outputs[base])
    found: Flags = np.asarray((evaluate_dhf(key, inputs) == outputs).all(axis=1))
    if found.sum() < min_shares:
        raise TooFewSharesError(int(found.sum()), min_shares)
    return found
