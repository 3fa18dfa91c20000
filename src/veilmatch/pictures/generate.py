"""The generator: (seed, index) in, one harmless picture out, bit for bit the same everywhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veilmatch.errors import ConfigError
from veilmatch.pictures import documents, scenes
from veilmatch.pictures.fields import develop
from veilmatch.pictures.stream import Stream

Painter = Callable[[Stream, tuple[int, int]], NDArray[np.uint8]]

_SCENES: dict[str, Painter] = {
    "leaves": scenes.leaves,
    "noise": scenes.noise,
    "landscape": scenes.landscape,
    "street": scenes.street,
    "still": scenes.still,
    "aerial": scenes.aerial,
    "lights": scenes.lights,
}
_DOCUMENTS: dict[str, Painter] = {"page": documents.page, "chart": documents.chart}

SCENE_KINDS: tuple[str, ...] = tuple(_SCENES)
"""Kinds with the statistics of photographs; without a kind, one of these is drawn."""

DOCUMENT_KINDS: tuple[str, ...] = tuple(_DOCUMENTS)
"""Kinds that resemble each other: for false-match studies, drawn only when asked for."""

_SMALLEST, _LARGEST = 32, 8192
# A scene flatter than this is painted anew from the same stream: it would pass no quality gate.
_LEAST_CONTRAST, _TRIES = 22_000, 8


def generate_picture(
    seed: int, index: int, kind: str | None = None, size: tuple[int, int] = (640, 480)
) -> NDArray[np.uint8]:
    """Paint one picture. It shows nobody and nothing that exists.

    The same arguments give the same pixels on every machine, with the same version of Pillow;
    another index gives another picture.

    Args:
        seed: The run's seed, 0 <= seed < 2**64.
        index: Which picture, 0 <= index < 2**64.
        kind: One of SCENE_KINDS or DOCUMENT_KINDS; None draws one of SCENE_KINDS.
        size: (width, height) in pixels, each from 32 to 8192.

    Returns:
        RGB pixels, uint8 (height, width, 3).

    Raises:
        ConfigError: Unknown kind, or a number out of range.

    Cost: 4 to 10 ms for 320 x 240, 20 to 50 ms for 640 x 480.
    """
    for name, number in (("seed", seed), ("index", index)):
        if not 0 <= number < 1 << 64:
            raise ConfigError(f"{name} must lie between 0 and 2**64 - 1", setting=name)
    width, height = size
    if not (_SMALLEST <= width <= _LARGEST and _SMALLEST <= height <= _LARGEST):
        raise ConfigError("width and height must lie between 32 and 8192", setting="size")
    painters = _SCENES | _DOCUMENTS
    if kind is not None and kind not in painters:
        raise ConfigError(
            "no such kind of picture", setting="kind", hint="kinds: " + ", ".join(painters)
        )
    stream = Stream(seed, index, kind or "any")
    chosen = kind if kind is not None else stream.choice(SCENE_KINDS)
    pixels = painters[chosen](stream, (height, width))
    if chosen in _SCENES:
        pixels = develop(stream, pixels)
        for _ in range(_TRIES):
            if _coarse_contrast(pixels) >= _LEAST_CONTRAST:
                break
            pixels = develop(stream, painters[chosen](stream, (height, width)))
    return np.ascontiguousarray(pixels)


def _coarse_contrast(pixels: NDArray[np.uint8]) -> int:
    """Sum the steps between neighbours at 64 x 64: what quality gates look at."""
    small = Image.fromarray(pixels).convert("L").resize((64, 64), Image.Resampling.BOX)
    grey = np.asarray(small).astype(np.int32)
    steps = np.abs(np.diff(grey, axis=0)).sum() + np.abs(np.diff(grey, axis=1)).sum()
    return int(steps)
