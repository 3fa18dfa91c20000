"""From the bytes of a picture file to upright RGB pixels, every step pinned.

Source: spec/20-hashing.md, section 3.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
    features,
)
from PIL import __version__ as pillow_version

from veilmatch.errors import ImageError
from veilmatch.hashing.containers import Container, open_container, truncated, unreadable

MAX_PIXELS = 50_000_000
"""Largest picture hashed, in pixels. Decoding needs at most some 16 bytes for each."""

MIN_SIDE = 32
"""Shortest side hashed, in pixels: below it a picture is an icon."""

REASONS = ("empty", "unsupported", "truncated", "unreadable", "too_large", "too_small")
"""Every reason that an ``ImageError`` of this room can have."""

_STRIP_PIXELS = 1 << 18
_Samples = NDArray[np.integer[Any]]

# Called directly, not through Pillow's registry: what other packages register changes nothing.
_DECODERS: dict[str, type[ImageFile.ImageFile]] = {
    "jpeg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
}


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """A decoded picture. It prints no pixel.

    Attributes:
        pixels: RGB, uint8 (height, width, 3), upright, alpha over white; read-only.
        format: Format of the file: "jpeg", "png", "gif", "webp", "bmp", or "pixels" where the
            picture did not come from a file.
        mode: Pillow's mode of the stored picture, such as "RGB", "CMYK" or "I;16".
        orientation: EXIF orientation that was applied, 1 to 8.
        animated: Whether the file holds further frames, which were not looked at.
    """

    pixels: NDArray[np.uint8]
    format: str
    mode: str
    orientation: int = 1
    animated: bool = False

    def __repr__(self) -> str:
        """Name size and format only."""
        height, width = self.pixels.shape[:2]
        return f"Picture({width}x{height}, format={self.format!r}, mode={self.mode!r})"


def decode_picture(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a picture file into what is hashed.

    The steps, in order: 1. recognise and walk the file, refuse what is not whole; 2. refuse by
    the size in the header, before anything of that size is allocated; 3. decode the first frame;
    4. turn every mode into RGB with the integer rules of the spec; 5. apply EXIF orientation.

    Args:
        data: The file's bytes. Name and type from elsewhere play no part.
        max_pixels: Refuse larger pictures, from the header alone.

    Raises:
        ImageError: Its ``reason`` is one of REASONS. Nothing else is raised, whatever the bytes.

    Cost: the decoder's, plus a walk over the file (0.1 ms for a photograph of 1 MB).
    Source: spec/20-hashing.md, section 3.
    """
    container = open_container(data)  # 1
    _check_size(container.size, max_pixels)  # 2
    try:
        mode, pixels = _decode(container)  # 3, 4
    except ImageError:
        raise
    except MemoryError:
        raise _too_large() from None
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything on damaged bytes
        raise _refusal(error) from None
    upright = np.ascontiguousarray(apply_orientation(pixels, container.orientation))  # 5
    upright.setflags(write=False)
    return Picture(upright, container.format, mode, container.orientation, container.animated)


def _decode(container: Container) -> tuple[str, NDArray[np.uint8]]:
    """Decode the first frame of a walked file: its stored mode, and its pixels in RGB."""
    with _DECODERS[container.format](io.BytesIO(container.data)) as image:
        if image.size != container.size:
            raise unreadable()
        mode = image.mode
        image.load()
        return mode, _to_rgb(image)


def picture_from_pixels(pixels: NDArray[np.uint8]) -> Picture:
    """Take pixels that are decoded already, such as generated ones, under the same limits.

    Args:
        pixels: RGB, uint8 (height, width, 3). They are copied.

    Raises:
        ImageError: ``unreadable`` for another shape or type, ``too_large``, ``too_small``.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise unreadable()
    _check_size((pixels.shape[1], pixels.shape[0]), MAX_PIXELS)
    copied = np.array(pixels, order="C")
    copied.setflags(write=False)
    return Picture(copied, "pixels", "RGB")


def describe_decoding() -> dict[str, str | int]:
    """Name the decoding steps and the versions that carry them out, for the manifest."""
    return {
        "decoder": f"pillow {pillow_version}",
        "jpeg": f"libjpeg-turbo {features.version('libjpeg_turbo')}, islow, fancy upsampling",
        "webp": f"libwebp {features.version('webp')}",
        "formats": "jpeg png gif webp bmp, first frame",
        "orientation": "exif, applied",
        "colour": "stored rgb, no icc; alpha over white; 16 bit to high byte; cmyk by product",
        "min_side": MIN_SIDE,
    }


def apply_orientation(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn and mirror stored pixels (height, width, channels) into the upright picture."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _too_large() -> ImageError:
    return ImageError(
        "too_large",
        "the picture has more pixels than are hashed",
        hint="the limit stands in the release; the picture is counted, not skipped",
    )


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise _too_large()
    if min(width, height) < MIN_SIDE:
        raise ImageError("too_small", f"the picture is narrower than {MIN_SIDE} pixels")


def _refusal(error: Exception) -> ImageError:
    """Turn what a decoder raised into the two reasons there are; its text is not passed on."""
    return truncated() if "truncated" in str(error).lower() else unreadable()


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Turn any mode into RGB, (height, width, 3), by the rules of section 3.5."""
    if image.mode == "CMYK":
        return _by_strips(np.asarray(image), _inks_to_rgb)
    if image.mode.startswith("I"):
        return _by_strips(np.asarray(image)[:, :, None], _wide_to_rgb)
    if image.mode == "RGB" and "transparency" not in image.info:
        return np.asarray(image)
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return np.asarray(image.convert("RGB"))
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"):
        raise unreadable()
    return _by_strips(np.asarray(image.convert("RGBA")), _over_white)


def _by_strips(samples: _Samples, rule: Callable[[_Samples], _Samples]) -> NDArray[np.uint8]:
    """Apply a rule to some rows at a time: its intermediates are wide, and memory is bounded."""
    height, width = samples.shape[:2]
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        pixels[top : top + rows] = rule(samples[top : top + rows])
    return pixels


def _inks_to_rgb(inks: _Samples) -> _Samples:
    wide = inks.astype(np.uint32)
    return ((255 - wide[:, :, :3]) * (255 - wide[:, :, 3:]) + 127) // 255


def _wide_to_rgb(samples: _Samples) -> _Samples:
    high: _Samples = np.clip(samples.astype(np.int64) >> 8, 0, 255)
    return high


def _over_white(layered: _Samples) -> _Samples:
    wide = layered.astype(np.uint32)
    alpha = wide[:, :, 3:]
    return (wide[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255
