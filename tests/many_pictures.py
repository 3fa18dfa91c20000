"""Thousands of picture files, every format and mode in turn, and the same hash from each way.

    python -m tests.many_pictures [--count 5000]

hashes that many on each backend that is installed and prints the counts.
"""

from __future__ import annotations

import argparse
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tests.picture_files import exif_block, png_16, save
from tests.vectors.backends import AVAILABLE, use_backend
from veilmatch.hashing.hasher import HashResult
from veilmatch.hashing.lfh import LfhHasher
from veilmatch.hashing.picture import Picture, decode_picture, picture_from_pixels
from veilmatch.hazmat.backends.selection import load_backend
from veilmatch.pictures.generate import DOCUMENT_KINDS, SCENE_KINDS, generate_picture

Pixels = NDArray[np.uint8]
_KINDS = SCENE_KINDS + DOCUMENT_KINDS
_PROBES = 16
# Every rest by 4 and by 64 occurs among these, and pictures smaller than the grid.
_SIZES = ((64, 64), (97, 65), (33, 130), (160, 120), (225, 67), (128, 192), (62, 63), (301, 202))


@lru_cache(maxsize=2)
def _base(index: int) -> Pixels:
    return generate_picture(5000, index, _KINDS[index % len(_KINDS)], _SIZES[index % len(_SIZES)])


def _veil(pixels: Pixels) -> Image.Image:
    """Give a picture whose right side is more and more transparent."""
    alpha = np.linspace(255, 0, pixels.shape[1]).astype(np.uint8)
    layered = np.dstack([pixels, np.broadcast_to(alpha, pixels.shape[:2])])
    return Image.fromarray(layered)


def _jpeg(mode: str = "RGB", **options: object) -> Callable[[Pixels, int], bytes]:
    def encode(pixels: Pixels, index: int) -> bytes:
        quality = 25 + index * 7 % 75
        return save(Image.fromarray(pixels).convert(mode), "JPEG", quality=quality, **options)

    return encode


def _turned(form: str, **options: object) -> Callable[[Pixels, int], bytes]:
    def encode(pixels: Pixels, index: int) -> bytes:
        block = exif_block(1 + index % 8, "<>"[index % 2])
        block = b"Exif\0\0" + block if form == "JPEG" else block
        return save(Image.fromarray(pixels), form, exif=block, **options)

    return encode


def _as(form: str, mode: str, **options: object) -> Callable[[Pixels, int], bytes]:
    return lambda pixels, _: save(Image.fromarray(pixels).convert(mode), form, **options)


def _moving(form: str, **options: object) -> Callable[[Pixels, int], bytes]:
    def encode(pixels: Pixels, _: int) -> bytes:
        image = Image.fromarray(pixels)
        return save(image, form, save_all=True, append_images=[ImageOps.mirror(image)], **options)

    return encode


ENCODERS: dict[str, Callable[[Pixels, int], bytes]] = {
    "jpeg 4:2:0": _jpeg(),
    "jpeg 4:4:4": _jpeg(subsampling=0),
    "jpeg 4:2:2": _jpeg(subsampling=1),
    "jpeg progressive": _jpeg(progressive=True),
    "jpeg grey": _jpeg("L"),
    "jpeg grey progressive": _jpeg("L", progressive=True),
    "jpeg cmyk": _jpeg("CMYK"),
    "jpeg restart markers": _jpeg(restart_marker_blocks=3),
    "jpeg rgb": _jpeg(keep_rgb=True),
    "jpeg turned": _turned("JPEG"),
    "mpo": _moving("MPO"),
    "png 1": _as("PNG", "1"),
    "png grey": _as("PNG", "L"),
    "png grey alpha": _as("PNG", "LA"),
    "png palette": _as("PNG", "P"),
    "png palette 4 bits": lambda pixels, _: save(Image.fromarray(pixels).quantize(16), "PNG"),
    "png palette alpha": _as("PNG", "P", transparency=bytes(range(256))),
    "png rgb": _as("PNG", "RGB"),
    "png colour key": lambda pixels, _: save(
        Image.fromarray(pixels), "PNG", transparency=tuple(int(c) for c in pixels[0, 0])
    ),
    "png alpha": lambda pixels, _: save(_veil(pixels), "PNG"),
    "png 16 grey": lambda pixels, _: png_16(pixels[:, :, 0].astype(np.uint16) * 257, 0),
    "png 16 rgb": lambda pixels, _: png_16(pixels.astype(np.uint16) * 257, 2),
    "png turned": _turned("PNG"),
    "apng": _moving("PNG"),
    "gif": _as("GIF", "RGB"),
    "gif grey": _as("GIF", "L"),
    "gif transparent": _as("GIF", "P", transparency=7),
    "gif animated": _moving("GIF"),
    "webp": _as("WEBP", "RGB", quality=60),
    "webp lossless": _as("WEBP", "RGB", lossless=True),
    "webp alpha": lambda pixels, _: save(_veil(pixels), "WEBP", quality=70),
    "webp turned": _turned("WEBP", lossless=True),
    "webp animated": _moving("WEBP", lossless=True),
    "bmp 1": _as("BMP", "1"),
    "bmp grey": _as("BMP", "L"),
    "bmp palette": _as("BMP", "P"),
    "bmp rgb": _as("BMP", "RGB"),
    "bmp alpha": _as("BMP", "RGBA"),
}


def many_files(count: int) -> Iterator[tuple[str, bytes]]:
    """Give so many files, every encoder in turn, a new picture each round."""
    names = list(ENCODERS)
    for index in range(count):
        name = names[index % len(names)]
        yield name, ENCODERS[name](_base(index // len(names)), index // len(names))


def plain_pixels(data: bytes, picture: Picture) -> Pixels | None:
    """Decode with Pillow's own calls, where they follow the rules of the spec; else None."""
    if picture.mode not in ("1", "L", "P", "RGB"):
        return None
    with Image.open(io.BytesIO(data)) as image:
        if "transparency" in image.info:
            return None
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@dataclass
class Comparison:
    """What was compared, and what differed.

    Attributes:
        encoders: Files by encoder.
        modes: Files by the mode in which the decoder gave them.
        from_pillow: Files whose pixels Pillow's own calls gave as well.
        below_gate: Files below the quality gate; compared like the others.
        hashes: Distinct hashes.
        different: Files with any difference in hash, probes, quality or gate.
    """

    encoders: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    from_pillow: int = 0
    below_gate: int = 0
    hashes: int = 0
    different: list[str] = field(default_factory=list)


def compare_ways(count: int) -> Comparison:
    """Hash so many files on every backend, from samples, from pixels, and through Pillow."""
    done, seen = Comparison(), set[bytes]()
    for name, data in many_files(count):
        picture = decode_picture(data)
        ways: list[Picture] = [picture, picture_from_pixels(picture.pixels)]
        plain = plain_pixels(data, picture)
        if plain is not None:
            ways.append(picture_from_pixels(plain))
        results: list[HashResult] = []
        for backend in AVAILABLE:
            with use_backend(load_backend(backend)):
                results += [LfhHasher().hash_picture(way, _PROBES) for way in ways]
        done.encoders[name] += 1
        done.modes[picture.mode] += 1
        done.from_pillow += plain is not None
        done.below_gate += not results[0].gate
        seen.add(results[0].image_hash.value)
        if any(result != results[0] for result in results):
            done.different.append(name)
    done.hashes = len(seen)
    return done


def main() -> int:
    """Compare and print the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=5000)
    done = compare_ways(parser.parse_args().count)
    counts = {
        "backends": AVAILABLE,
        "files": done.encoders.total(),
        "encoders": len(done.encoders),
        "modes": dict(done.modes),
        "also_by_pillow": done.from_pillow,
        "below_gate": done.below_gate,
        "distinct_hashes": done.hashes,
        "different": Counter(done.different),
    }
    print(json.dumps(counts, indent=1))
    return 1 if done.different else 0


if __name__ == "__main__":
    raise SystemExit(main())
