"""Everyday near-copies of a picture, to measure how many of a match's slots open.

A synthetic voucher must open as many slots as a real match does. Providers measure that on
their own pictures: each is changed a little, as copies are, hashed, and the probes that their
list holds are counted. Source: spec/20-hashing.md, section 7.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veilmatch.errors import ImageError
from veilmatch.hashing.hasher import Hasher
from veilmatch.hashing.picture import Picture, picture_from_pixels

COPY_NAMES = ("same", "re-encoded", "half size", "brighter", "cropped")
"""The kinds of near-copies, in the order of ``near_copies``."""

_QUALITY = 70
_BRIGHTER = 105  # per cent
_CROP = 6  # per mille off each side

Histogram = tuple[int, ...]
"""Entry m - 1 counts the copies that open m slots."""


def _reencode(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=_QUALITY)
    with Image.open(out) as again:
        return np.asarray(again.convert("RGB"))


def _halve(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    small = Image.fromarray(pixels).resize(
        (max(1, width // 2), max(1, height // 2)), Image.Resampling.LANCZOS
    )
    return np.asarray(small)


def _brighten(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    lit = pixels.astype(np.int32) * _BRIGHTER // 100
    brighter: NDArray[np.uint8] = np.minimum(lit, 255).astype(np.uint8)
    return brighter


def _crop(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    down, across = (max(1, side * _CROP // 1000) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[down:-down, across:-across])


def near_copies(picture: Picture) -> list[Picture]:
    """Make one copy of each kind of ``COPY_NAMES``; those too small to hash are left out."""
    made = [picture]
    for change in (_reencode, _halve, _brighten, _crop):
        try:
            made.append(picture_from_pixels(change(picture.pixels)))
        except ImageError:
            continue
    return made


def count_open_slots(
    hasher: Hasher, picture: Picture, listed: Collection[bytes], probes: Sequence[int]
) -> list[tuple[int, int]]:
    """Count, for each near-copy that would match, how many of its slots would open.

    Args:
        hasher: The algorithm.
        picture: A known picture.
        listed: The hash values that the provider's list holds.
        probes: The numbers of probes C to count for.

    Returns:
        (C, open slots) for each copy and each C with at least one open slot. Probes come in
        order, so the first C of the longest list are the probes of a voucher with C.
    """
    counts = []
    for copy in near_copies(picture):
        result = hasher.hash_picture(copy, max(probes))
        if not result.gate:
            continue
        hits = [probe.value in listed for probe in result.probes]
        counts += [(c, sum(hits[:c])) for c in probes if any(hits[:c])]
    return counts


def build_histogram(counts: Collection[int], probes: int) -> Histogram:
    """Turn counts into weights for the manifest; trailing zeros are left out."""
    weights = [0] * (2 * probes)
    for count in counts:
        weights[count - 1] += 1
    while weights and not weights[-1]:
        weights.pop()
    return tuple(weights)
