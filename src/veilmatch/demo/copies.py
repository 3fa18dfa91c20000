"""The copies that account A holds: everyday changes of known pictures, written as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

KINDS = ("same", "re-encoded", "resized", "recoloured", "cropped")


def _resized(picture: Image.Image) -> Image.Image:
    size = (picture.width * 7 // 10, picture.height * 7 // 10)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _recoloured(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Color(picture).enhance(0.6)


def _cropped(picture: Image.Image) -> Image.Image:
    """Cut about one per cent of each side, at least one pixel."""
    return ImageOps.crop(picture, max(1, min(picture.size) // 100))


_CHANGES: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "re-encoded": (lambda picture: picture, 60),
    "resized": (_resized, 88),
    "recoloured": (_recoloured, 88),
    "cropped": (_cropped, 90),
}


def write_copy(source: Path, kind: str, target: Path) -> Path:
    """Write a copy of one of ``KINDS``; returns its path, whose suffix says its format."""
    if kind == "same":
        path = target.with_suffix(source.suffix.lower())
        path.write_bytes(source.read_bytes())
        return path
    change, quality = _CHANGES[kind]
    path = target.with_suffix(".jpg")
    with Image.open(source) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
        change(upright).save(path, "JPEG", quality=quality)
    return path
