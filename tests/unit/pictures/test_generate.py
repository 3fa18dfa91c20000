"""The generator gives the same harmless, distinct pictures to everybody."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veilmatch.errors import ConfigError
from veilmatch.hashing.pdq import PdqHasher
from veilmatch.hashing.picture import picture_from_pixels
from veilmatch.pictures.generate import DOCUMENT_KINDS, SCENE_KINDS, generate_picture
from veilmatch.pictures.stream import Stream

KINDS = SCENE_KINDS + DOCUMENT_KINDS


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_the_same_arguments_give_the_same_picture(kind: str | None) -> None:
    first = generate_picture(9, 4, kind, (100, 70))
    assert first.shape == (70, 100, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, generate_picture(9, 4, kind, (100, 70)))
    assert not np.array_equal(first, generate_picture(9, 5, kind, (100, 70)))
    assert not np.array_equal(first, generate_picture(10, 4, kind, (100, 70)))


def test_pixels_are_pinned() -> None:
    """Fails when a machine, NumPy or Pillow paints other pixels than those of the vectors."""
    digest = hashlib.sha256()
    for kind in KINDS:
        for index in range(3):
            digest.update(generate_picture(2026, index, kind, (120, 90)).tobytes())
    assert digest.hexdigest() == PINNED


PINNED = "6cf50db5759bb6843ec36a21b7338b771b9b95af376a35a7abdce4e84e5442e0"


def test_scenes_pass_the_gate_and_are_distinct() -> None:
    results = [
        PdqHasher().hash_picture(picture_from_pixels(generate_picture(1, index, size=(160, 120))))
        for index in range(200)
    ]
    assert all(result.gate for result in results)
    bits = np.unpackbits(
        np.frombuffer(b"".join(r.image_hash.value for r in results), np.uint8).reshape(-1, 32), 1
    )
    distances = (bits[:, None] != bits[None]).sum(2) + 256 * np.eye(200, dtype=int)
    assert distances.min() > 62


@settings(max_examples=30)
@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.sampled_from(KINDS),
    st.integers(32, 90),
    st.integers(32, 90),
)
def test_any_seed_and_size_paints(seed: int, index: int, kind: str, wide: int, tall: int) -> None:
    assert generate_picture(seed, index, kind, (wide, tall)).shape == (tall, wide, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        (-1, 0, None, (64, 64)),
        (0, 1 << 64, None, (64, 64)),
        (0, 0, "portrait", (64, 64)),
        (0, 0, None, (31, 64)),
        (0, 0, None, (64, 9000)),
    ],
)
def test_wrong_arguments_are_refused(wrong: tuple[int, int, str | None, tuple[int, int]]) -> None:
    with pytest.raises(ConfigError):
        generate_picture(*wrong)


def test_streams_stay_in_range_and_apart() -> None:
    stream = Stream(1, 2)
    draws = [stream.integer(-3, 4) for _ in range(2000)]
    assert set(draws) == set(range(-3, 4))
    assert set(Stream(1, 2).integers(5, 9, (500,)).tolist()) == {5, 6, 7, 8}
    assert set(Stream(1, 2).grain((40, 50)).ravel().tolist()) == set(range(-4, 4))
    assert Stream(1, 2, "a").integer(0, 1 << 30) != Stream(1, 2, "b").integer(0, 1 << 30)
    assert Stream(1, 2).choice(("x",)) == "x"
