"""Picture sets for the benchmark: files of installed or unpacked packages, made distinct.

Nothing is downloaded here: the caller unpacks packages and names their folders. Which packages,
with versions and licences, stands in ``docs/reference/hash-benchmark.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veilmatch.errors import ImageError
from veilmatch.hashing.pdq import PdqHasher
from veilmatch.hashing.picture import decode_picture, picture_from_pixels

_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp"))
_BUNDLE = ".rcc"
LONG_SIDE = 800
SHORT_SIDE = 240
_APART = 60
_MAX_WHITE_PERCENT = 15


@dataclass(frozen=True, eq=False)
class BenchPicture:
    """One picture of a set: where it came from, and its RGB pixels (height, width, 3)."""

    source: str
    pixels: NDArray[np.uint8] = field(repr=False)


def list_files(folders: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Give (name, bytes) of every picture file below the folders, in a fixed order.

    Pictures inside uncompressed resource bundles (``.rcc``) are cut out by their signatures.
    """
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            name = f"{folder.name}/{path.relative_to(folder)}"
            if path.suffix.lower() in _SUFFIXES:
                yield name, path.read_bytes()
            elif path.suffix == _BUNDLE:
                for at, data in _carve(path.read_bytes()):
                    yield f"{name}@{at}", data


def _carve(bundle: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut JPEG, PNG and WebP files out of a bundle; each is preceded by its length."""
    for magic, ahead in ((b"\xff\xd8\xff", 0), (b"\x89PNG\r\n\x1a\n", 0), (b"WEBPVP8", 8)):
        at = bundle.find(magic)
        while at >= 0:
            start = at - ahead
            length = int.from_bytes(bundle[start - 4 : start], "big") if start >= 4 else 0
            if 0 < length <= len(bundle) - start:
                yield start, bundle[start : start + length]
            at = bundle.find(magic, at + 1)


def photographs(folders: list[Path], *, colours: int = 3000) -> list[BenchPicture]:
    """Collect distinct photograph-like pictures, at most LONG_SIDE on their longer side.

    Kept are pictures that decode, with a shorter side of at least SHORT_SIDE, that pass PDQ's
    gate, have many colours and no white ground (so no drawing, chart, logo or cut-out), and are
    further than 60 bits of PDQ from every picture kept before. The order is that of ``list_files``.
    """
    kept: list[BenchPicture] = []
    hashes: list[int] = []
    for name, data in list_files(folders):
        try:
            picture = decode_picture(data)
        except ImageError:
            continue
        if min(picture.pixels.shape[:2]) < SHORT_SIDE:
            continue
        pixels = fit(picture.pixels, LONG_SIDE)
        if _colour_count(pixels) < colours or _white_percent(pixels) > _MAX_WHITE_PERCENT:
            continue
        result = PdqHasher().hash_picture(picture_from_pixels(pixels))
        number = int.from_bytes(result.image_hash.value, "big")
        near = any((number ^ other).bit_count() <= _APART for other in hashes)
        if result.gate and not near:
            kept.append(BenchPicture(name, pixels))
            hashes.append(number)
    return kept


def fit(pixels: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    """Shrink to a longest side; smaller pictures stay as they are."""
    height, width = pixels.shape[:2]
    if max(height, width) <= long_side:
        return pixels
    size = (
        max(1, width * long_side // max(height, width)),
        max(1, height * long_side // max(height, width)),
    )
    shrunk: NDArray[np.uint8] = np.asarray(
        Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    )
    return shrunk


def _colour_count(pixels: NDArray[np.uint8]) -> int:
    packed = (pixels[::2, ::2].astype(np.uint32) << np.array([16, 8, 0], np.uint32)).sum(2)
    return len(np.unique(packed))


def _white_percent(pixels: NDArray[np.uint8]) -> int:
    return int((pixels.min(axis=2) >= 250).mean() * 100)
