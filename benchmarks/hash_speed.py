"""LFH: after decoding, and a 12-megapixel JPEG from its bytes, beside the decoder alone.

The large picture is painted, with grain like that of a camera laid over it; as JPEG of quality 75
it has 1.2 MB, of quality 92 3.2 MB, as photographs of phones have.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from benchmarks.harness import Operation, Record, time_together
from benchmarks.native_backends import BACKENDS, as_backend
from veilmatch.hashing.lfh import LfhHasher
from veilmatch.hashing.picture import decode_picture, picture_from_pixels
from veilmatch.hazmat.backends.selection import native_is_installed
from veilmatch.pictures.generate import generate_picture

_PROBES = 16
_GRAIN = 4
_LARGE = (4000, 3000)
_QUALITIES = (75, 92)


def _jpeg_12mp(quality: int) -> bytes:
    width, height = _LARGE
    painted = Image.fromarray(generate_picture(12, 0, "street", (1000, 750))).resize(_LARGE)
    random = np.random.default_rng(12)
    grain = random.normal(0, _GRAIN, (height, width, 1)).round().astype(np.int16)
    pixels = np.clip(np.asarray(painted).astype(np.int16) + grain, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _backends() -> tuple[str, ...]:
    return BACKENDS if native_is_installed() else ("portable",)


def _hash_small() -> list[Record]:
    picture = picture_from_pixels(generate_picture(12, 1, "street", (800, 600)))
    hasher = LfhHasher()
    operations: dict[str, Operation] = {
        name: (as_backend(name, lambda: hasher.hash_picture(picture, _PROBES)), 1)
        for name in _backends()
    }
    medians = time_together(operations, rounds=101)
    return [
        Record(
            "hash_800x600",
            name,
            None if name == "portable" else "portable",
            round(medians[name], 1),
            "us",
            None if name == "portable" else round(medians["portable"] / medians[name], 2),
        )
        for name in operations
    ]


def _decode_alone(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.load()


def _decode_and_copy(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        np.asarray(image)


def _hash_large(quality: int) -> list[Record]:
    data, hasher = _jpeg_12mp(quality), LfhHasher()
    operations: dict[str, Operation] = {
        name: (as_backend(name, lambda: hasher.hash_picture(decode_picture(data), _PROBES)), 1)
        for name in _backends()
    }
    operations["decoder"] = (lambda: _decode_alone(data), 1)
    operations["decoder_and_copy"] = (lambda: _decode_and_copy(data), 1)
    medians = time_together(operations, rounds=21)
    return [
        Record(
            f"hash_jpeg_12mp_q{quality}",
            name,
            None if name == "decoder" else "decoder",
            round(medians[name] / 1000, 2),
            "ms",
            None if name == "decoder" else round(medians["decoder"] / medians[name], 3),
        )
        for name in operations
    ]


def run() -> list[Record]:
    """Time each."""
    return [*_hash_small(), *(record for q in _QUALITIES for record in _hash_large(q))]
