"""Integer noise, gradients and shading: the surfaces that scenes are painted with.

Everything is 32-bit integers, without a linear algebra library: the same on every machine.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from veilmatch.pictures.stream import Stream

_STEPS = 32
_REACH = 4096
Field = NDArray[np.int32]
Pixels = NDArray[np.uint8]


@lru_cache(maxsize=256)
def _steps(length: int, cells: int) -> tuple[NDArray[np.intp], Field, Field]:
    """For each pixel: the lattice point before it, and the shares of that and of the next.

    The two shares are integers that add up to _STEPS.
    """
    position = np.arange(length) * (cells * _STEPS) // max(length, 1)
    left, step = position // _STEPS, position % _STEPS
    # 3t^2 - 2t^3 in units of _STEPS, rounded down: smooth, and still an integer.
    after = ((3 * step * step * _STEPS - 2 * step**3) // (_STEPS * _STEPS)).astype(np.int32)
    return left, _STEPS - after, after


def _amplitudes(octaves: int, decay: int) -> list[int]:
    """Amplitudes of the octaves, in units of 1 / _REACH, adding up to at most _REACH."""
    raw = [1 << 16]
    for _ in range(octaves - 1):
        raw.append(raw[-1] * decay // 16)
    total = sum(raw)
    return [max(1, amplitude * (_REACH - octaves) // total) for amplitude in raw]


def noise_field(
    stream: Stream, shape: tuple[int, int], *, first: int, octaves: int, decay: int
) -> Field:
    """Sum smooth value noise over octaves, each twice as fine as the one before.

    Args:
        stream: Where the lattice values come from.
        shape: (height, width) in pixels.
        first: Cells of the coarsest octave along the shorter side, >= 1.
        octaves: How many octaves, >= 1; those finer than four pixels a cell are left out.
        decay: Amplitude that an octave keeps of the one before, in 1/16: 8 is 1/f-like.

    Returns:
        Integers, (height, width), from -256 to 256.
    """
    height, width = shape
    short = min(height, width)
    total = np.zeros(shape, dtype=np.int32)
    for octave, amplitude in enumerate(_amplitudes(octaves, decay)):
        cells = first << octave
        if octave and cells * 4 > short:
            break
        rows = max(1, cells * height // short)
        columns = max(1, cells * width // short)
        lattice = stream.integers(-255, 256, (rows + 1, columns + 1)).astype(np.int32)
        lattice *= amplitude
        top, above, below = _steps(height, rows)
        bands = lattice[top] * above[:, None] + lattice[top + 1] * below[:, None]
        left, before, after = _steps(width, columns)
        total += bands[:, left] * before
        total += bands[:, left + 1] * after
    # |total| <= 255 * 32 * 32 * 4096 < 2**31, and dividing by a power of two is exact;
    # typical values lie within half of the range, so they are doubled.
    field: Field = np.clip(total * 2.0**-21, -256, 256).astype(np.int32)
    return field


def noise_line(stream: Stream, width: int, *, first: int, octaves: int, decay: int) -> Field:
    """Make one row of noise, (width,), from -256 to 256."""
    total = np.zeros(width, dtype=np.int32)
    for octave, amplitude in enumerate(_amplitudes(octaves, decay)):
        cells = first << octave
        if octave and cells * 2 > width:
            break
        lattice = stream.integers(-255, 256, (cells + 1,)).astype(np.int32) * amplitude
        left, before, after = _steps(width, cells)
        total += lattice[left] * before + lattice[left + 1] * after
    line: Field = np.clip(total * 2.0**-16, -256, 256).astype(np.int32)
    return line


def gradient(shape: tuple[int, int], down: int, across: int) -> Field:
    """Make a linear ramp: it moves by ``down`` from top to bottom and by ``across`` sideways."""
    height, width = shape
    rows = np.arange(height, dtype=np.int32)[:, None] * down // max(height - 1, 1)
    columns = np.arange(width, dtype=np.int32)[None, :] * across // max(width - 1, 1)
    return rows + columns


def paint(base: Pixels, shade: Field, strength: int) -> Pixels:
    """Lighten and darken pixels by a field: 256 in the field moves by ``strength`` percent."""
    factor = np.clip((1 << 15) + shade * (strength * 128 // 100), 0, (1 << 16) - 1)
    # 255 * 2**16 fits 32 bits.
    lit = (base.astype(np.int32) * factor[:, :, None]) >> 15
    painted: Pixels = np.minimum(lit, 255).astype(np.uint8)
    return painted


def mix(low: tuple[int, int, int], high: tuple[int, int, int], share: Field) -> Pixels:
    """Blend two colours by a field of -256 .. 256: the first colour at -256, the second at 256."""
    steps = np.arange(513, dtype=np.int32)[:, None]
    first = np.array(low, dtype=np.int32)
    second = np.array(high, dtype=np.int32)
    ramp = ((first * (512 - steps) + second * steps) >> 9).astype(np.uint8)
    return ramp[np.clip(share + 256, 0, 512)]


def soften(pixels: Pixels, radius: int) -> Pixels:
    """Blur by a box of 2 * radius + 1 pixels; radius 0 gives the pixels back."""
    if radius == 0:
        return pixels
    blurred = Image.fromarray(pixels).filter(ImageFilter.BoxBlur(radius))
    return np.asarray(blurred, dtype=np.uint8)


def develop(stream: Stream, pixels: Pixels) -> Pixels:
    """Give the finished scene a light of its own: exposure, contrast, a falling-off corner."""
    height, width = pixels.shape[:2]
    contrast, lift = stream.integer(200, 300), stream.integer(-20, 21)
    light = gradient((height, width), stream.integer(-120, 121), stream.integer(-120, 121))
    levels = np.arange(256, dtype=np.int32)
    curve = ((levels - 128) * contrast >> 8) + 128 + lift
    toned = curve.astype(np.int16)[paint(pixels, light, 30)]
    toned += stream.grain((height, width)).astype(np.int16)[:, :, None]
    return np.clip(toned, 0, 255).astype(np.uint8)
