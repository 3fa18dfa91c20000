"""LFH, the low-frequency hash: 72 signs of fixed linear measurements of the coarse luminance.

Made for exact equality: few bits, low frequencies, directions chosen for much signal and little
noise, and integer arithmetic only, so that every machine gives the same bits. It survives
re-encoding, resizing and mild changes of tone; it does not survive strong crops, rotation,
borders, or mirroring.

Source: spec/20-hashing.md, section 4.2; vectors/v1/hashing/lfh.json; fitted by tools/fit_lfh.py.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from veilmatch.errors import InternalError
from veilmatch.hashing.hasher import HashResult, ImageHash, flip_bits, likeliest_flips
from veilmatch.hashing.picture import Picture, describe_decoding

ALG_ID = 2
BIT_LEN = 72
GRID = 64
CORNER = 16
FEATURES = CORNER * CORNER - 1
MIN_QUALITY = 50

_LUMA = np.array([299, 587, 114], dtype=np.int64)
_LUMA_STEPS = 4
_BASIS_SCALE = 256
_SHIFT = 16
_CANDIDATE_BITS = 16
# Both make a quality of 100: the sum of absolute measurements, and how many of the 4096 cells
# differ from the middle one by more than 8 levels. See section 4.2, step 7.
_FULL_CONTRAST = 1_000_000_000
_FULL_CELLS = GRID * GRID // 5
_CELL_STEP = 8 * 1000 * _LUMA_STEPS
_WEIGHTS_FILE = "lfh_v1.weights"
WEIGHTS_SHA256 = "c1d1d373697132d9bb743e99fb37e54a5694d50f057dd82f9813839ac53e4936"


@lru_cache(maxsize=1)
def basis() -> NDArray[np.int64]:
    """Cosines (16, 64) in 1/256: entry (u, i) is cos(pi * (2i + 1) * u / 128), rounded.

    No entry lies near a half, so every machine's cosine rounds to the same integer.
    """
    table = [
        [
            round(_BASIS_SCALE * math.cos(math.pi * (2 * i + 1) * u / (2 * GRID)))
            for i in range(GRID)
        ]
        for u in range(CORNER)
    ]
    return np.array(table, dtype=np.int64)


@lru_cache(maxsize=1)
def load_weights() -> NDArray[np.int64]:
    """Give the weights (72, 255) that ship with the package, checked against their digest.

    Raises:
        InternalError: The file is not the one this version was released with.
    """
    data = files("veilmatch.hashing").joinpath(_WEIGHTS_FILE).read_bytes()
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise InternalError("the weights of the image hash are not those of this version")
    return parse_weights(data)


def parse_weights(data: bytes) -> NDArray[np.int64]:
    """Read weights: 16-bit two's complement, big-endian, row by row; int64 (72, 255)."""
    return np.frombuffer(data, dtype=">i2").reshape(BIT_LEN, FEATURES).astype(np.int64)


def coarse_luma(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Average luma over a 64 x 64 grid, exactly, whatever the picture's size.

    Args:
        pixels: RGB (height, width, 3).

    Returns:
        int64 (64, 64), from 0 to 1,020,000: luma in 1/4000, rounded down.
    """
    height, width = pixels.shape[:2]
    flat = np.ascontiguousarray(pixels).reshape(height, width * 3)
    first, past, before, after = _cells(height)
    tall = int((past - first).max())
    total = np.uint16 if tall <= 257 else np.uint32  # 257 * 255 still fits 16 bits
    rows = np.empty((GRID, width * 3), dtype=np.int64)
    for i in range(GRID):
        top, end = int(first[i]), int(past[i])
        rows[i] = flat[top:end].sum(axis=0, dtype=total)
        rows[i] *= GRID
        rows[i] -= int(before[i]) * flat[top].astype(np.int64)
        rows[i] -= int(after[i]) * flat[end - 1].astype(np.int64)
    luma = rows.reshape(GRID, width, 3) @ _LUMA
    # Sums stay below 255000 * height * width < 2**44.
    first, past, before, after = _cells(width)
    # A column of zeros at the end, so that every cell's end is a column there is.
    padded = np.zeros((GRID, width + 1), dtype=np.int64)
    padded[:, :width] = luma
    bounds = np.stack([first, past], axis=1).ravel()
    sums = np.add.reduceat(padded, bounds, axis=1)[:, ::2] * GRID
    sums -= before * luma[:, first] + after * luma[:, past - 1]
    averages: NDArray[np.int64] = sums * _LUMA_STEPS // (height * width)
    return averages


def _cells(length: int) -> tuple[NDArray[np.int64], ...]:
    """For each of 64 cells: first and past-last pixel, and 1/64ths to leave out at either end."""
    cell = np.arange(GRID, dtype=np.int64)
    first = cell * length // GRID
    past = -(-(cell + 1) * length // GRID)
    return first, past, cell * length - first * GRID, past * GRID - (cell + 1) * length


def low_frequencies(luma: NDArray[np.int64]) -> NDArray[np.int64]:
    """Measure the 255 lowest frequencies but the mean, int64 (255,), below 2**32 in size."""
    corner = basis() @ luma @ basis().T  # below 2**48
    return corner.reshape(-1)[1:] >> _SHIFT


def measure_quality(luma: NDArray[np.int64], frequencies: NDArray[np.int64]) -> int:
    """Say from 0 to 100 how much there is to see: flat and nearly empty pictures are low."""
    contrast = int(np.abs(frequencies).sum()) * 100 // _FULL_CONTRAST
    middle = np.sort(luma, axis=None)[GRID * GRID // 2 - 1]
    cells = int((np.abs(luma - middle) > _CELL_STEP).sum()) * 100 // _FULL_CELLS
    return min(100, contrast, cells)


class LfhHasher:
    """LFH, version 1."""

    name = "lfh"
    alg_id = ALG_ID
    bit_len = BIT_LEN
    version = 1

    def describe(self) -> dict[str, str | int]:
        """Name every step that can move a bit; see ``Hasher.describe``."""
        return {
            "algorithm": self.name,
            "alg_id": self.alg_id,
            "bit_len": self.bit_len,
            "version": self.version,
            **describe_decoding(),
            "resize": "bt.601 luma, exact area average to 64 x 64, in integers",
            "hash": "16 x 16 dct corner without mean, integer weights, signs",
            "weights": WEIGHTS_SHA256,
            "min_quality": MIN_QUALITY,
        }

    def hash_picture(self, picture: Picture, probes: int = 1) -> HashResult:
        """Hash one picture; see ``Hasher.hash_picture``.

        Cost: 1.5 ms for 800 x 600, 20 to 40 ms for 12 megapixels.
        """
        luma = coarse_luma(picture.pixels)
        frequencies = low_frequencies(luma)
        margins = load_weights() @ frequencies
        image_hash = ImageHash(ALG_ID, BIT_LEN, np.packbits(margins > 0).tobytes())
        quality = measure_quality(luma, frequencies)
        # Weights are scaled to equal noise, so a margin squared is a cost in units of noise.
        costs = [int(margin) ** 2 for margin in margins]
        weakest = sorted(range(BIT_LEN), key=lambda bit: (costs[bit], bit))[:_CANDIDATE_BITS]
        flips = likeliest_flips([costs[bit] for bit in weakest], probes)
        tried = tuple(flip_bits(image_hash, [weakest[k] for k in flip]) for flip in flips)
        return HashResult(image_hash, quality >= MIN_QUALITY, quality, tried)
