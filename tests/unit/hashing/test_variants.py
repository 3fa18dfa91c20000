"""Variants that a builder enters: fixed, ordered, gated."""

from __future__ import annotations

import numpy as np
import pytest

from veilmatch.errors import ConfigError, ImageError
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashing.picture import picture_from_pixels
from veilmatch.hashing.variants import VARIANT_NAMES, build_variants, variant_hashes
from veilmatch.pictures.generate import generate_picture

PICTURE = picture_from_pixels(generate_picture(31, 2, "landscape", (300, 200)))


def test_variants_are_prefixes_of_one_list() -> None:
    every = build_variants(PICTURE, len(VARIANT_NAMES))
    assert every[0] is PICTURE
    assert np.array_equal(every[1].pixels, PICTURE.pixels[:, ::-1])
    assert len({variant.pixels.tobytes() for variant in every}) == len(VARIANT_NAMES) == 11
    assert [v.pixels.shape for v in build_variants(PICTURE, 3)] == [
        v.pixels.shape for v in every[:3]
    ]
    assert every[3].pixels.shape == (200 - 2 * (200 * 8 // 1000), 300 - 2 * (300 * 8 // 1000), 3)


def test_a_mirrored_copy_is_found_through_its_variant() -> None:
    for name in ("pdq", "lfh"):
        hasher = build_hasher(name)
        entered = variant_hashes(hasher, PICTURE, variants=2)
        mirrored = picture_from_pixels(PICTURE.pixels[:, ::-1])
        assert hasher.hash_picture(mirrored).image_hash == entered[1]
        assert entered[0] == hasher.hash_picture(PICTURE).image_hash


def test_entered_hashes_are_distinct_and_gated() -> None:
    hasher = build_hasher("lfh")
    entered = variant_hashes(hasher, PICTURE, variants=11, probes=4)
    assert len(set(entered)) == len(entered) <= 44
    assert set(hasher.hash_picture(PICTURE, 4).probes) <= set(entered)
    flat = picture_from_pixels(np.full((100, 100, 3), 7, np.uint8))
    assert variant_hashes(hasher, flat, variants=11) == ()


@pytest.mark.parametrize("count", [0, 12])
def test_other_counts_are_refused(count: int) -> None:
    with pytest.raises(ConfigError):
        build_variants(PICTURE, count)


def test_a_picture_too_small_to_crop_is_refused() -> None:
    tiny = picture_from_pixels(np.ascontiguousarray(PICTURE.pixels[:100, :32]))
    assert len(build_variants(tiny, 11)) == 11  # 12 per mille of 32 pixels is nothing
    wide = picture_from_pixels(np.ascontiguousarray(PICTURE.pixels[:32, :]))
    assert build_variants(wide, 11)[2].pixels.shape[0] == 32
    with pytest.raises(ImageError):
        picture_from_pixels(PICTURE.pixels[:31])
