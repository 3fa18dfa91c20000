"""LFH against a twin that counts in whole numbers, one pixel at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.vectors.backends import AVAILABLE, use_backend

from veilmatch.errors import InternalError
from veilmatch.hashing import lfh
from veilmatch.hashing.hasher import brute_force_distance
from veilmatch.hashing.picture import decode_picture, picture_from_pixels
from veilmatch.hazmat.backends.low_frequency import basis
from veilmatch.hazmat.backends.selection import load_backend
from veilmatch.pictures.generate import generate_picture

VECTORS: dict[str, dict[str, Any]] = {
    vector["id"]: vector
    for vector in json.loads(
        (Path(__file__).parents[3] / "vectors/v1/hashing/lfh.json").read_text(encoding="utf-8")
    )["vectors"]
}


def brute_luma(pixels: NDArray[np.uint8]) -> list[list[int]]:
    """Average by going through every pixel of every cell."""
    height, width = pixels.shape[:2]
    sums = [[0] * 64 for _ in range(64)]
    for y in range(height):
        for i in range(64 * y // height, min(63, (64 * y + 63) // height) + 1):
            down = min(64 * y + 64, (i + 1) * height) - max(64 * y, i * height)
            for x in range(width):
                red, green, blue = (int(c) for c in pixels[y, x])
                luma = 299 * red + 587 * green + 114 * blue
                for j in range(64 * x // width, min(63, (64 * x + 63) // width) + 1):
                    across = min(64 * x + 64, (j + 1) * width) - max(64 * x, j * width)
                    sums[i][j] += max(0, down) * max(0, across) * luma
    return [[4 * cell // (height * width) for cell in row] for row in sums]


def brute_frequencies(luma: list[list[int]]) -> list[int]:
    table = basis().tolist()
    out = []
    for u in range(16):
        row = [sum(table[u][i] * luma[i][j] for i in range(64)) for j in range(64)]
        out += [sum(row[j] * table[v][j] for j in range(64)) >> 16 for v in range(16)]
    return out[1:]


@pytest.mark.parametrize("size", [(64, 64), (32, 32), (33, 97), (65, 40), (130, 71), (128, 192)])
def test_coarse_luma_and_frequencies_equal_the_slow_twins(size: tuple[int, int]) -> None:
    pixels = generate_picture(4, sum(size), "street", size)
    luma = lfh.coarse_luma(pixels)
    assert luma.tolist() == brute_luma(pixels)
    assert lfh.low_frequencies(luma).tolist() == brute_frequencies(luma.tolist())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 255))
def test_a_flat_picture_averages_to_its_colour(height: int, width: int, level: int) -> None:
    """Every cell's weights add up to height * width, whatever the size."""
    pixels = np.full((height, width, 3), level, np.uint8)
    assert (lfh.coarse_luma(pixels) == 4000 * level).all()


def test_tall_pictures_do_not_overflow() -> None:
    pixels = np.full((64 * 300, 33, 3), 255, np.uint8)
    assert (lfh.coarse_luma(pixels) == 1_020_000).all()


def test_bounds_that_make_sums_exact() -> None:
    table = np.abs(basis())
    reach = int(table.sum(axis=1).max()) ** 2 * 1_020_000
    assert reach < 2**53
    rows = np.abs(lfh.load_weights()).sum(axis=1).max()
    assert int(rows) * ((reach >> 16) + 1) < 2**63


def test_the_basis_is_pinned() -> None:
    digest = hashlib.sha256(basis().astype(">i2").tobytes()).hexdigest()
    assert digest == VECTORS["tables"]["expected"]["basis_sha256"]
    exact = 256 * np.cos(np.pi * np.outer(np.arange(16), 2 * np.arange(64) + 1) / 128)
    assert np.abs(np.abs(exact - np.floor(exact)) - 0.5).min() > 1e-4


def test_changed_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lfh, "WEIGHTS_SHA256", "0" * 64)
    lfh.load_weights.cache_clear()
    with pytest.raises(InternalError):
        lfh.load_weights()
    monkeypatch.undo()
    lfh.load_weights.cache_clear()
    assert lfh.load_weights().shape == (72, 255)


def check(vector: dict[str, Any], pixels: NDArray[np.uint8]) -> None:
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == vector["pixels_sha256"]
    assert list(pixels.shape) == vector["shape"]
    luma = lfh.coarse_luma(pixels)
    assert hashlib.sha256(luma.astype(">i4").tobytes()).hexdigest() == vector["luma_sha256"]
    frequencies = lfh.low_frequencies(luma)
    digest = hashlib.sha256(frequencies.astype(">i8").tobytes()).hexdigest()
    assert digest == vector["frequencies_sha256"]
    result = lfh.LfhHasher().hash_picture(picture_from_pixels(pixels), 16)
    assert [probe.to_bytes().hex() for probe in result.probes] == vector["probes"]
    assert (result.quality, result.gate) == (vector["quality"], vector["gate"])


@pytest.fixture(params=AVAILABLE)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    with use_backend(load_backend(request.param)):
        yield request.param


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", [name for name in VECTORS if name.startswith("painted-")])
def test_vectors_of_painted_pictures(name: str) -> None:
    inputs = VECTORS[name]["inputs"]
    width, height = inputs["size"]
    pixels = generate_picture(inputs["seed"], inputs["index"], inputs["kind"], (width, height))
    check(VECTORS[name]["expected"], pixels)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", [name for name in VECTORS if name.startswith("file-")])
def test_vectors_of_files(name: str) -> None:
    """Both the pixels of the file, and the picture as it was decoded."""
    expected = VECTORS[name]["expected"]
    picture = decode_picture(bytes.fromhex(VECTORS[name]["inputs"]["file"]))
    check(expected, picture.pixels)
    result = lfh.LfhHasher().hash_picture(picture, 16)
    assert [probe.to_bytes().hex() for probe in result.probes] == expected["probes"]
    assert (result.quality, result.gate) == (expected["quality"], expected["gate"])


def test_scale_and_mild_tone_keep_the_hash_or_a_probe() -> None:
    hasher = lfh.LfhHasher()
    kept = 0
    for index in range(30):
        pixels = generate_picture(21, index, size=(320, 240))
        known = hasher.hash_picture(picture_from_pixels(pixels)).image_hash
        half = pixels.reshape(120, 2, 160, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
        darker = (half.astype(np.uint16) * 9 // 10).astype(np.uint8)
        kept += known in hasher.hash_picture(picture_from_pixels(darker), 16).probes
    assert kept >= 28


def test_different_pictures_are_far_apart() -> None:
    hashes = [
        lfh.LfhHasher().hash_picture(picture_from_pixels(generate_picture(8, i, size=(160, 120))))
        for i in range(60)
    ]
    nearest = min(
        brute_force_distance(a.image_hash, b.image_hash)
        for number, a in enumerate(hashes)
        for b in hashes[:number]
    )
    assert nearest >= 10
