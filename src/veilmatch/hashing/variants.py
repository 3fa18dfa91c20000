"""Variants of a known picture that a builder enters beside it, so that more copies are found.

Every variant is one more row in a table for every known picture; who builds small tables can
afford them. The mirrored copy is always the first, since no hash here survives mirroring.

Source: spec/20-hashing.md, section 6.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from veilmatch.errors import ConfigError
from veilmatch.hashing.hasher import Hasher, ImageHash
from veilmatch.hashing.picture import Picture, picture_from_pixels

Pixels = NDArray[np.uint8]
_Rule = Callable[[Pixels], Pixels]


def _mirror(pixels: Pixels) -> Pixels:
    return pixels[:, ::-1]


def _crop(left: int, top: int, right: int, bottom: int) -> _Rule:
    """Cut per mille of width and height off each side, rounded down."""

    def rule(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        return pixels[
            height * top // 1000 : height - height * bottom // 1000,
            width * left // 1000 : width - width * right // 1000,
        ]

    return rule


def _curve(levels: list[int]) -> _Rule:
    table = np.clip(levels, 0, 255).astype(np.uint8)
    return lambda pixels: table[pixels]


_LEVELS = range(256)
_VARIANTS: dict[str, _Rule] = {
    "original": lambda pixels: pixels,
    "mirror": _mirror,
    "crop4": _crop(4, 4, 4, 4),
    "crop8": _crop(8, 8, 8, 8),
    "crop12": _crop(12, 12, 12, 12),
    "brighter": _curve([level * 112 // 100 for level in _LEVELS]),
    "contrast": _curve([128 + (level - 128) * 115 // 100 for level in _LEVELS]),
    "lighter": _curve([round(255 * (level / 255) ** 0.85) for level in _LEVELS]),
    "darker": _curve([round(255 * (level / 255) ** 1.18) for level in _LEVELS]),
    "crop_upper_left": _crop(12, 12, 0, 0),
    "crop_lower_right": _crop(0, 0, 12, 12),
}

VARIANT_NAMES: tuple[str, ...] = tuple(_VARIANTS)
"""All variants in the order in which a builder takes them; the first is the picture itself."""


def build_variants(picture: Picture, count: int) -> list[Picture]:
    """Make the first ``count`` variants of a picture, the picture itself first.

    Raises:
        ConfigError: ``count`` is not 1 to 11.
        ImageError: A cropped variant would be too small to hash.
    """
    if not 1 <= count <= len(_VARIANTS):
        raise ConfigError("the number of variants must lie between 1 and 11", setting="variants")
    rules = list(_VARIANTS.values())[1:count]
    return [picture, *(picture_from_pixels(rule(picture.pixels)) for rule in rules)]


def variant_hashes(
    hasher: Hasher, picture: Picture, *, variants: int = 1, probes: int = 1
) -> tuple[ImageHash, ...]:
    """List the distinct hashes that a builder enters for one known picture.

    The picture's own hash comes first. Variants below the quality gate are left out; if the
    picture itself is, nothing is entered.

    Args:
        hasher: The algorithm of the release.
        picture: The known picture.
        variants: V, 1 to 11.
        probes: P, hashes per variant, 1 to MAX_PROBES.
    """
    entered: dict[ImageHash, None] = {}
    for number, variant in enumerate(build_variants(picture, variants)):
        result = hasher.hash_picture(variant, probes)
        if not result.gate:
            if number == 0:
                return ()
            continue
        entered.update(dict.fromkeys(result.probes))
    return tuple(entered)
