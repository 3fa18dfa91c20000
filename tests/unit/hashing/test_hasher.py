"""Image hashes: their one encoding, their probes, their distance."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pdqhash
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilmatch.errors import ConfigError, EncodingError, InputError, LengthError
from veilmatch.hashing.algorithms import algorithm_names, build_hasher
from veilmatch.hashing.hasher import (
    Hasher,
    ImageHash,
    brute_force_distance,
    flip_bits,
    parse_image_hash,
)
from veilmatch.hashing.pdq import agrees_with_known, nearest_distance
from veilmatch.hashing.picture import picture_from_pixels
from veilmatch.hazmat.backends.flips import MAX_PROBES, likeliest_flips
from veilmatch.pictures.generate import generate_picture


@st.composite
def image_hashes(draw: st.DrawFn) -> ImageHash:
    bit_len = draw(st.integers(1, 300))
    number = draw(st.integers(0, (1 << bit_len) - 1)) << (-bit_len % 8)
    return ImageHash(draw(st.integers(1, 255)), bit_len, number.to_bytes((bit_len + 7) // 8, "big"))


@given(image_hashes())
def test_encoding_is_one_to_one(image_hash: ImageHash) -> None:
    encoded = image_hash.to_bytes()
    assert parse_image_hash(encoded) == image_hash
    for wrong in (encoded + b"\0", encoded[:-1]):
        with pytest.raises((EncodingError, LengthError)):
            parse_image_hash(wrong)


@given(st.binary(max_size=40))
def test_what_parses_encodes_back(encoded: bytes) -> None:
    try:
        image_hash = parse_image_hash(encoded)
    except InputError:
        return
    assert image_hash.to_bytes() == encoded


@pytest.mark.parametrize(
    ("encoded", "error"),
    [
        (b"", EncodingError),
        (b"\x01\x00", EncodingError),
        (b"\x00\x00\x08\x01", EncodingError),
        (b"\x01\x00\x00", EncodingError),
        (b"\x01\x00\x07\x01", EncodingError),
        (b"\x01\x00\x09\x01", LengthError),
    ],
)
def test_malformed_hashes_are_refused(encoded: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_image_hash(encoded)


def test_nothing_prints_a_bit() -> None:
    image_hash = ImageHash(1, 16, b"\xab\xcd")
    for text in (repr(image_hash), str(image_hash), f"{image_hash}"):
        assert text == "ImageHash(alg_id=1, bit_len=16)"


@given(image_hashes(), st.sets(st.integers(0, 299)))
def test_distance_counts_flipped_bits(image_hash: ImageHash, bits: set[int]) -> None:
    bits = {bit for bit in bits if bit < image_hash.bit_len}
    assert brute_force_distance(image_hash, flip_bits(image_hash, sorted(bits))) == len(bits)


def test_distance_across_algorithms_is_refused() -> None:
    with pytest.raises(InputError):
        brute_force_distance(ImageHash(1, 8, b"a"), ImageHash(2, 8, b"a"))


@given(st.lists(st.integers(0, 50), max_size=7), st.integers(1, 140))
def test_flips_come_cheapest_first(costs: list[int], count: int) -> None:
    flips = likeliest_flips(costs, count)
    every = [c for k in range(len(costs) + 1) for c in itertools.combinations(range(len(costs)), k)]
    totals = sorted(sum(costs[bit] for bit in flip) for flip in every)
    assert len(set(flips)) == len(flips) == min(count, len(every))
    assert [sum(costs[bit] for bit in flip) for flip in flips] == totals[: len(flips)]
    assert flips[0] == ()


@pytest.mark.parametrize("count", [0, MAX_PROBES + 1])
def test_the_number_of_probes_is_bounded(count: int) -> None:
    with pytest.raises(InputError):
        likeliest_flips([1.0], count)


@pytest.mark.parametrize("name", algorithm_names())
def test_a_hasher_keeps_its_word(name: str) -> None:
    hasher = build_hasher(name)
    assert isinstance(hasher, Hasher)
    described = hasher.describe()
    assert described["algorithm"] == name == hasher.name
    assert {"decoder", "orientation", "colour", "resize", "hash"} <= set(described)
    assert described == build_hasher(name).describe()
    for index in range(4):
        picture = picture_from_pixels(generate_picture(5, index, size=(160, 120)))
        one, many = hasher.hash_picture(picture), hasher.hash_picture(picture, 33)
        assert one.image_hash == many.image_hash == many.probes[0] == one.probes[0]
        assert (one.image_hash.alg_id, one.image_hash.bit_len) == (hasher.alg_id, hasher.bit_len)
        assert len(one.probes) == 1
        assert len(set(many.probes)) == 33
        assert hasher.hash_picture(picture, 8).probes == many.probes[:8]
        assert brute_force_distance(many.probes[1], many.probes[0]) == 1


@pytest.mark.parametrize("name", algorithm_names())
def test_a_flat_picture_fails_the_gate(name: str) -> None:
    flat = picture_from_pixels(np.full((100, 100, 3), 90, np.uint8))
    result = build_hasher(name).hash_picture(flat, 2)
    assert not result.gate
    assert 0 <= result.quality <= 100


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        build_hasher("nope")
    assert "pdq" in caught.value.hint


def test_pdq_gives_the_bits_of_the_package() -> None:
    for index in range(20):
        pixels = generate_picture(6, index, size=(160, 120))
        bits, quality = pdqhash.compute(pixels)
        result = build_hasher("pdq").hash_picture(picture_from_pixels(pixels))
        assert result.image_hash.value == np.packbits(bits).tobytes()
        assert result.quality == quality
        assert result.gate == (quality >= 50)


def test_pdq_probes_flip_the_bits_next_to_the_median() -> None:
    picture = picture_from_pixels(generate_picture(6, 1, size=(160, 120)))
    numbers = np.asarray(pdqhash.compute_float(picture.pixels)[0], dtype=float)
    result = build_hasher("pdq").hash_picture(picture, 2)
    changed = int.from_bytes(result.probes[1].value, "big") ^ int.from_bytes(
        result.image_hash.value, "big"
    )
    bit = 256 - changed.bit_length()
    ordered = np.sort(numbers)
    assert numbers[bit] in (ordered[127], ordered[128])


def test_the_second_check_finds_the_nearest_as_the_slow_twin_does() -> None:
    hasher = build_hasher("pdq")
    results = [
        hasher.hash_picture(picture_from_pixels(generate_picture(6, index, size=(160, 120))))
        for index in range(30)
    ]
    known = np.frombuffer(b"".join(r.image_hash.value for r in results[:25]), np.uint8)
    rows = known.reshape(-1, 32)
    for result in results:
        want = min(brute_force_distance(result.image_hash, r.image_hash) for r in results[:25])
        assert nearest_distance(result.image_hash, rows) == want
    for flips, agrees in ((0, True), (31, True), (32, False)):
        moved = flip_bits(results[0].image_hash, range(flips))
        assert agrees_with_known(replace(results[0], image_hash=moved), rows) == agrees
    assert not agrees_with_known(results[29], rows)
    assert not agrees_with_known(replace(results[0], gate=False), rows)


def test_the_second_check_refuses_what_it_cannot_compare() -> None:
    rows = np.zeros((1, 32), np.uint8)
    with pytest.raises(InputError):
        nearest_distance(ImageHash(2, 72, bytes(9)), rows)
    for wrong in (rows[:0], rows[:, :31], rows[0]):
        with pytest.raises(InputError):
            nearest_distance(ImageHash(1, 256, bytes(32)), wrong)
