"""Counts pictures that share a hash although they are different, and bounds how often they do."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veilmatch.hashbench.sets import BenchPicture
from veilmatch.pictures.generate import generate_picture

SIZE = (192, 144)
SEED = 20_261_122
"""The seed of the published run. The number of bits and the gate were chosen with other painted
pictures in view (seed 99), so that these are held out."""
_KINDS: tuple[str | None, ...] = (None, None, None, None, None, "page", "page", "chart", "chart")
_SAMPLE = 3000


def procedural_picture(index: int) -> BenchPicture:
    """Paint the picture of this number: five scenes in nine, two pages, two charts."""
    kind = _KINDS[index % len(_KINDS)]
    pixels = generate_picture(SEED, index, kind, SIZE)
    return BenchPicture(f"{kind or 'scene'}/{index}", pixels)


@dataclass(frozen=True)
class FalseMatches:
    """What one subject did on one set of different pictures.

    Attributes:
        subject: Name of the subject.
        kind: Which pictures.
        pictures: How many of them passed the quality gate.
        pairs: Pairs that were compared.
        matches: Pairs with the same key, by name.
        pair_bound: Exact upper 95 % bound of the rate per pair.
        effective_bits: Independent bits that would spread distances as seen; 0 if not measured.
        nearest: Smallest distance among the first pictures, in bits; 0 if not measured.
    """

    subject: str
    kind: str
    pictures: int
    pairs: int
    matches: tuple[tuple[str, str], ...]
    pair_bound: float
    effective_bits: float
    nearest: int


def equal_pairs(keys: Sequence[tuple[str, bytes]]) -> list[tuple[str, str]]:
    """List pairs of names that share a key, in order of the names' appearance."""
    by_key: dict[bytes, list[str]] = defaultdict(list)
    for name, key in keys:
        by_key[key].append(name)
    return [
        (first, second)
        for names in by_key.values()
        for number, first in enumerate(names)
        for second in names[number + 1 :]
    ]


def probed_pairs(
    keys: Sequence[tuple[str, bytes]], probes: Sequence[tuple[str, frozenset[bytes]]]
) -> list[tuple[str, str]]:
    """List ordered pairs (known, tried) in which another picture's probes hit a known key."""
    table: dict[bytes, list[str]] = defaultdict(list)
    for name, key in keys:
        table[key].append(name)
    return [
        (known, name)
        for name, tried in probes
        for probe in sorted(tried)
        for known in table.get(probe, ())
        if known != name
    ]


def study_keys(subject: str, kind: str, keys: Sequence[tuple[str, bytes]]) -> FalseMatches:
    """Count equal keys among (name, key) of different pictures; see ``FalseMatches``."""
    matches = equal_pairs(keys)
    pairs = len(keys) * (len(keys) - 1) // 2
    bits, nearest = distance_spread([key for _, key in keys[:_SAMPLE]])
    return FalseMatches(
        subject,
        kind,
        len(keys),
        pairs,
        tuple(matches),
        rate_bound(len(matches), pairs),
        bits,
        nearest,
    )


def study_probed(
    subject: str,
    kind: str,
    entries: Sequence[tuple[str, bytes]],
    tried: Sequence[tuple[str, frozenset[bytes]]],
) -> FalseMatches:
    """Count ordered pairs (known, tried) of different pictures that meet through probes.

    Args:
        subject: Name for the report.
        kind: Which pictures, for the report.
        entries: (name of the known picture, key in the table), several for each picture.
        tried: (name of the picture, keys that a client tries).
    """
    known = {name for name, _ in entries}
    pairs = sum(len(known) - (name in known) for name, _ in tried)
    matches = tuple(dict.fromkeys(probed_pairs(entries, tried)))
    return FalseMatches(
        subject, kind, len(tried), pairs, matches, rate_bound(len(matches), pairs), 0.0, 0
    )


def distances(keys: Sequence[bytes]) -> NDArray[np.int64]:
    """Give the Hamming distances of all pairs, in no particular order."""
    bits = np.unpackbits(np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1), axis=1)
    ones = bits.astype(np.float32)
    apart = ones @ (1 - ones).T
    upper = np.triu_indices(len(keys), 1)
    return (apart + apart.T)[upper].astype(np.int64)


def distance_spread(keys: Sequence[bytes]) -> tuple[float, int]:
    """Give effective bits p(1-p)/variance of the distance as a share, and the smallest distance."""
    if len(keys) < 3:
        return 0.0, 0
    width = len(keys[0]) * 8
    apart = distances(keys)
    share = float(apart.mean()) / width
    variance = float(apart.var()) / width**2
    return (share * (1 - share) / variance if variance else math.inf), int(apart.min())


def rate_bound(events: int, trials: int, confidence: float = 0.95) -> float:
    """Give the exact upper bound of a rate: Poisson, by bisection. Never a point estimate.

    Args:
        events: How many were seen.
        trials: Out of how many; 0 gives 1.0.
        confidence: One-sided.
    """
    if trials == 0:
        return 1.0
    low, high = 0.0, events + 10.0 * math.sqrt(events + 1.0) + 20.0
    for _ in range(200):
        middle = (low + high) / 2
        term = total = math.exp(-middle)
        for k in range(1, events + 1):
            term *= middle / k
            total += term
        if total > 1 - confidence:
            low = middle
        else:
            high = middle
    return min(1.0, high / trials)
