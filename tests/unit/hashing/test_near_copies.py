"""Near-copies, and how many slots of a match they open."""

from __future__ import annotations

import numpy as np

from veilmatch.hashing.lfh import LfhHasher
from veilmatch.hashing.near_copies import (
    COPY_NAMES,
    build_histogram,
    count_open_slots,
    near_copies,
)
from veilmatch.hashing.picture import Picture, picture_from_pixels
from veilmatch.hashing.variants import variant_hashes
from veilmatch.pictures.generate import generate_picture


def _picture(index: int = 1) -> Picture:
    return picture_from_pixels(generate_picture(5, index, size=(256, 192)))


def test_one_copy_of_each_kind_and_no_two_alike() -> None:
    copies = near_copies(_picture())
    assert len(copies) == len(COPY_NAMES)
    assert len({copy.pixels.tobytes() for copy in copies}) == len(COPY_NAMES)
    assert copies[2].pixels.shape == (96, 128, 3)
    assert copies[4].pixels.shape == (190, 254, 3)


def test_a_tiny_picture_has_fewer_copies() -> None:
    assert len(near_copies(picture_from_pixels(np.zeros((40, 40, 3), np.uint8)))) == 4


def test_the_picture_itself_opens_at_least_one_slot_at_every_number_of_probes() -> None:
    hasher, picture = LfhHasher(), _picture()
    listed = {one.value for one in variant_hashes(hasher, picture, variants=11)}
    counts = count_open_slots(hasher, picture, listed, (1, 8, 16))
    by_probes = {c: [n for k, n in counts if k == c] for c in (1, 8, 16)}
    assert by_probes[1]
    assert set(by_probes[1]) == {1}
    assert all(1 <= n <= c for c, found in by_probes.items() for n in found)
    assert len(by_probes[1]) <= len(by_probes[8]) <= len(by_probes[16]) <= len(COPY_NAMES)
    direct = [
        sum(probe.value in listed for probe in hasher.hash_picture(copy, 8).probes)
        for copy in near_copies(picture)
    ]
    assert by_probes[8] == [n for n in direct if n]


def test_a_stranger_opens_nothing() -> None:
    hasher = LfhHasher()
    listed = {one.value for one in variant_hashes(hasher, _picture(1), variants=11)}
    assert count_open_slots(hasher, _picture(2), listed, (1, 16)) == []


def test_the_histogram_counts_and_ends_where_the_counts_end() -> None:
    assert build_histogram([1, 1, 3], 8) == (2, 0, 1)
    assert build_histogram([], 8) == ()
    assert build_histogram([16], 8)[-1] == 1
