"""What the benchmark compares: ways to enter a known picture and to look a copy up.

Each subject turns a known picture into the set of keys in the table, and a copy into the set of
keys that a client tries; a copy is found when the sets meet. Peers are written out here in a few
lines, so that the benchmark needs no further package.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashing.picture import picture_from_pixels
from veilmatch.hashing.variants import variant_hashes

Pixels = NDArray[np.uint8]
Keys = frozenset[bytes]


@dataclass(frozen=True)
class Subject:
    """One way to find copies.

    Attributes:
        name: As in reports.
        enter: Keys that a known picture puts into the table; empty below the quality gate.
        look_up: Keys that a client tries for a copy; empty below the quality gate.
        distance: Bits that may differ; 0 for exact equality.
    """

    name: str
    enter: Callable[[Pixels], Keys]
    look_up: Callable[[Pixels], Keys]
    distance: int = 0

    def finds(self, entered: Keys, tried: Keys) -> bool:
        """Say whether a copy is found."""
        if self.distance == 0:
            return not entered.isdisjoint(tried)
        return any(
            (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).bit_count() <= self.distance
            for a in entered
            for b in tried
        )


def _hasher_subject(name: str, algorithm: str, *, variants: int = 1, probes: int = 1) -> Subject:
    hasher = build_hasher(algorithm)

    def enter(pixels: Pixels) -> Keys:
        hashes = variant_hashes(hasher, picture_from_pixels(pixels), variants=variants)
        return frozenset(image_hash.value for image_hash in hashes)

    def look_up(pixels: Pixels) -> Keys:
        result = hasher.hash_picture(picture_from_pixels(pixels), probes)
        return frozenset(probe.value for probe in result.probes) if result.gate else frozenset()

    return Subject(name, enter, look_up)


def _peer_subject(name: str, rule: Callable[[Pixels], bytes]) -> Subject:
    def keys(pixels: Pixels) -> Keys:
        return frozenset((rule(pixels),))

    return Subject(name, keys, keys)


def phash(pixels: Pixels) -> bytes:
    """Hash as the widespread 64-bit pHash does: 32 x 32 grey, 8 x 8 DCT corner, over its median."""
    grey = np.asarray(
        Image.fromarray(pixels).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    ).astype(np.float64)
    cosines = np.array(
        [[math.cos(math.pi * (2 * i + 1) * u / 64) for i in range(32)] for u in range(8)]
    )
    corner = cosines @ grey @ cosines.T
    return np.packbits(corner > np.median(corner)).tobytes()


def dhash(pixels: Pixels) -> bytes:
    """Hash as the widespread 64-bit dHash does: 9 x 8 grey, each pixel against its neighbour."""
    grey = np.asarray(
        Image.fromarray(pixels).convert("L").resize((9, 8), Image.Resampling.LANCZOS)
    ).astype(np.int64)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes()


def build_subjects() -> tuple[Subject, ...]:
    """Give the subjects in the order of the report.

    ``lfh-1e5`` and ``lfh-1e6`` are the defaults for tables up to 1e5 records and above: 8 probes
    of the client against 11 variants, and 16 probes against none.
    """
    pdq = _hasher_subject("pdq", "pdq")
    return (
        _hasher_subject("lfh", "lfh"),
        _hasher_subject("lfh-1e5", "lfh", variants=11, probes=8),
        _hasher_subject("lfh-1e6", "lfh", probes=16),
        pdq,
        Subject("pdq<=31", pdq.enter, pdq.look_up, distance=31),
        _peer_subject("phash", phash),
        _peer_subject("dhash", dhash),
    )
