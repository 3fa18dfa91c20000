"""The kernels of LFH, the low-frequency image hash, for the portable backend.

Integers only, so that every backend and machine gives the same bits.
Source: spec/20-hashing.md, section 4.2.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from veilmatch.errors import InputError, LengthError
from veilmatch.hazmat.backends.flips import likeliest_bits
from veilmatch.hazmat.backends.interface import (
    CELL_PEAK,
    CORNER,
    FEATURES,
    GRID,
    MAX_SIDE,
    Bytes,
    Measures,
)

_LUMA = {1: [1000], 3: [299, 587, 114], 4: [299, 587, 114, 0]}
_LUMA_STEPS = 4
_BASIS_SCALE = 256
_SHIFT = 16
_WEIGHT_PEAK = 32767
# Both make a quality of 100: the sum of absolute measurements, and how many of the 4096 cells
# differ from the middle one by more than 8 levels. See section 4.2, step 7.
_FULL_CONTRAST = 1_000_000_000
_FULL_CELLS = GRID * GRID // 5
_CELL_STEP = 8 * 1000 * _LUMA_STEPS


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


def _cells(length: int) -> tuple[NDArray[np.int64], ...]:
    """For each of 64 cells: first and past-last pixel, and 1/64ths to leave out at either end."""
    cell = np.arange(GRID, dtype=np.int64)
    first = cell * length // GRID
    past = -(-(cell + 1) * length // GRID)
    return first, past, cell * length - first * GRID, past * GRID - (cell + 1) * length


def _check_luma(luma: Measures) -> None:
    if luma.shape != (GRID, GRID):
        raise LengthError("luma", GRID * GRID, luma.size)
    if int(luma.min()) < 0 or int(luma.max()) > CELL_PEAK:
        raise InputError("luma out of range")


def _measure_quality(luma: Measures, frequencies: Measures) -> int:
    contrast = int(np.abs(frequencies).sum()) * 100 // _FULL_CONTRAST
    middle = np.sort(luma, axis=None)[GRID * GRID // 2 - 1]
    cells = int((np.abs(luma - middle) > _CELL_STEP).sum()) * 100 // _FULL_CELLS
    return min(100, contrast, cells)


class LowFrequency:
    """The kernels of LFH, for the portable backend."""

    def coarse_luma(self, samples: Bytes) -> Measures:
        """Average luma over a 64 x 64 grid, exactly."""
        height, width, channels = samples.shape
        if channels not in _LUMA:
            raise LengthError("samples", 3, channels)
        if not 1 <= min(height, width) <= max(height, width) <= MAX_SIDE:
            raise InputError("a side of the picture is out of range")
        flat = np.ascontiguousarray(samples).reshape(height, width * channels)
        first, past, before, after = _cells(height)
        tall = int((past - first).max())
        total = np.uint16 if tall <= 257 else np.uint32  # 257 * 255 still fits 16 bits
        rows = np.empty((GRID, width * channels), dtype=np.int64)
        for i in range(GRID):
            top, end = int(first[i]), int(past[i])
            rows[i] = flat[top:end].sum(axis=0, dtype=total)
            rows[i] *= GRID
            rows[i] -= int(before[i]) * flat[top].astype(np.int64)
            rows[i] -= int(after[i]) * flat[end - 1].astype(np.int64)
        luma = rows.reshape(GRID, width, channels) @ np.array(_LUMA[channels], dtype=np.int64)
        # Below 255000 * (height + 128) * (width + 128) < 2**63: no memory holds 2**40 pixels.
        first, past, before, after = _cells(width)
        # A column of zeros at the end, so that every cell's end is a column there is.
        padded = np.zeros((GRID, width + 1), dtype=np.int64)
        padded[:, :width] = luma
        bounds = np.stack([first, past], axis=1).ravel()
        sums = np.add.reduceat(padded, bounds, axis=1)[:, ::2] * GRID
        sums -= before * luma[:, first] + after * luma[:, past - 1]
        averages: Measures = sums * _LUMA_STEPS // (height * width)
        return averages

    def low_frequencies(self, luma: Measures) -> Measures:
        """Measure the 255 lowest frequencies but the mean."""
        _check_luma(luma)
        corner = basis() @ luma @ basis().T  # below 2**48
        return corner.reshape(-1)[1:] >> _SHIFT

    def hash_luma(self, luma: Measures, weights: Measures, probes: int) -> tuple[Bytes, int]:
        """Give the hash and the next probes, one a row, and the quality."""
        if weights.shape[1] != FEATURES:
            raise LengthError("weights", FEATURES, weights.shape[1])
        if not len(weights) or int(np.abs(weights).max()) > _WEIGHT_PEAK:
            raise InputError("weights out of range")
        frequencies = self.low_frequencies(luma)
        margins = weights @ frequencies
        # Weights are scaled to equal noise, so a margin squared is a cost in units of noise.
        flips = likeliest_bits([int(margin) ** 2 for margin in margins], probes)
        bits = np.repeat((margins > 0)[None, :], len(flips), axis=0)
        for row, flip in zip(bits, flips, strict=True):
            row[list(flip)] ^= True
        return np.packbits(bits, axis=1), _measure_quality(luma, frequencies)
