"""From the bytes of a picture file to upright RGB pixels, every step pinned.

Source: spec/20-hashing.md, section 3.
"""

from __future__ import annotations

import ctypes
import io
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

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
from PIL import _imaging as core

from veilmatch.errors import ImageError
from veilmatch.hashing.containers import (
    UPRIGHT,
    Container,
    open_container,
    truncated,
    unreadable,
)

MAX_PIXELS = 50_000_000
"""Largest picture hashed, in pixels. Decoding needs at most some 16 bytes for each."""

MIN_SIDE = 32
"""Shortest side hashed, in pixels: below it a picture is an icon."""

REASONS = ("empty", "unsupported", "truncated", "unreadable", "too_large", "too_small")
"""Every reason that an ``ImageError`` of this room can have."""

_STRIP_PIXELS = 1 << 18
_ON_ITS_SIDE = (5, 6, 7, 8)
_Samples = NDArray[np.integer[Any]]
_Number = TypeVar("_Number", bound=np.integer[Any])

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
        samples: As decoded and not yet turned, uint8 (height, width, channels), read-only: grey
            (1), RGB (3), or RGB and a byte that means nothing (4); alpha over white.
        format: Format of the file: "jpeg", "png", "gif", "webp", "bmp", or "pixels" where the
            picture did not come from a file.
        mode: Pillow's mode of the stored picture, such as "RGB", "CMYK" or "I;16".
        orientation: EXIF orientation, 1 to 8, which ``pixels`` has applied.
        animated: Whether the file holds further frames, which were not looked at.
    """

    samples: NDArray[np.uint8]
    format: str
    mode: str
    orientation: int = 1
    animated: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        height, width = self.samples.shape[:2]
        return (height, width) if self.orientation in _ON_ITS_SIDE else (width, height)

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The upright picture: RGB, uint8 (height, width, 3), read-only; made when asked for."""
        channels = self.samples.shape[2]
        if channels == 3 and self.orientation == UPRIGHT:
            return self.samples
        turned = apply_orientation(self.samples, self.orientation)
        made = np.empty((*turned.shape[:2], 3), dtype=np.uint8)
        for channel in range(3):  # one strided copy each is faster than one of triples
            made[:, :, channel] = turned[:, :, min(channel, channels - 1)]
        made.setflags(write=False)
        return made

    def __repr__(self) -> str:
        """Name size and format only."""
        width, height = self.size
        return f"Picture({width}x{height}, format={self.format!r}, mode={self.mode!r})"


def decode_picture(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a picture file into what is hashed.

    The steps, in order: 1. recognise and walk the file, refuse what is not whole; 2. refuse by
    the size in the header, before anything of that size is allocated; 3. decode the first frame;
    4. turn every mode into RGB with the integer rules of the spec; 5. note the EXIF orientation.

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
        mode, samples = _decode(container)  # 3, 4
    except ImageError:
        raise
    except MemoryError:
        raise _too_large() from None
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything on damaged bytes
        raise _refusal(error) from None
    samples.setflags(write=False)
    return Picture(samples, container.format, mode, container.orientation, container.animated)  # 5


def _decode(container: Container) -> tuple[str, NDArray[np.uint8]]:
    """Decode the first frame of a walked file: its stored mode, and its samples."""
    with _DECODERS[container.format](io.BytesIO(container.data)) as image:
        if image.size != container.size:
            raise unreadable()
        mode = image.mode
        if container.format == "jpeg" and image.tile:
            image.im = _one_block(mode, image.size)
        image.load()
        return mode, _to_samples(image)


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


def apply_orientation(pixels: NDArray[_Number], orientation: int) -> NDArray[_Number]:
    """Turn and mirror stored pixels (height, width, ...) into the upright picture: a view."""
    if orientation in _ON_ITS_SIDE:
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


def _to_samples(image: Image.Image) -> NDArray[np.uint8]:
    """Turn any mode into grey or RGB samples, by the rules of section 3.5."""
    if image.mode == "CMYK":
        return _by_strips(_stored(image), _inks_to_rgb)
    if image.mode.startswith("I"):
        return _by_strips(np.asarray(image)[:, :, None], _wide_to_rgb)
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return _stored(image)
    if image.mode == "1" and "transparency" not in image.info:
        return np.asarray(image.convert("L"))[:, :, None]
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


class _ArrowArray(ctypes.Structure):
    """One array of the Arrow C data interface."""


_ArrowArray._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("buffer_count", ctypes.c_int64),
    ("child_count", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowArray))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private", ctypes.c_void_p),
]
_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]

_HUGE_PAGE = 1 << 21
_MADV_HUGEPAGE = getattr(mmap, "MADV_HUGEPAGE", 0)
_advise = ctypes.CDLL(None).madvise if _MADV_HUGEPAGE else None
if _advise is not None:
    _advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class _Lent:
    """Memory of a decoded image, lent to NumPy: the capsule keeps it alive and unchanged."""

    def __init__(self, capsule: object, address: int, shape: tuple[int, int, int]) -> None:
        self.capsule = capsule
        self.__array_interface__ = {
            "version": 3,
            "data": (address, True),
            "shape": shape,
            "typestr": "|u1",
        }


def _one_block(mode: str, size: tuple[int, int]) -> core.ImagingCore:
    """Allocate an image in one block, whose samples can be looked at without a copy.

    Its first use is most of the cost of its memory: a fault for every page. Fewer, larger pages
    save a third of the time of decoding 12 megapixels, where the system has them.
    """
    image: core.ImagingCore = core.new_block(mode, size)
    length = size[0] * size[1] * (1 if mode == "L" else 4)
    if _advise is not None and length >= 4 * _HUGE_PAGE:
        lent = _lend(image, size, 1 if mode == "L" else 4)
        if lent is not None:
            start = -(-lent.ctypes.data // _HUGE_PAGE) * _HUGE_PAGE
            end = (lent.ctypes.data + length) // _HUGE_PAGE * _HUGE_PAGE
            _advise(start, end - start, _MADV_HUGEPAGE)  # a hint: whether it is taken is no matter
    return image


def _stored(image: Image.Image) -> NDArray[np.uint8]:
    """Give an image's samples, (height, width, 1, 3 or 4), without a copy where that is possible.

    Copying 12 megapixels out of Pillow costs as much as decoding them. Pillow lends its memory
    through the Arrow interface when the image lies in one block with no gaps between its rows.
    """
    width, height = image.size
    lent = _lend(image.im, image.size, 1 if image.mode == "L" else 4)
    return np.asarray(image).reshape(height, width, -1) if lent is None else lent


def _lend(
    image: core.ImagingCore, size: tuple[int, int], channels: int
) -> NDArray[np.uint8] | None:
    width, height = size
    try:
        capsule = image.__arrow_c_array__()
    except ValueError:  # not in one block
        return None
    array = _ArrowArray.from_address(_pointer_of(capsule, b"arrow_array"))
    if (array.length, array.offset) != (width * height, 0):
        return None
    if channels > 1:  # one array of pixels; its child holds the samples
        array = array.children[0].contents
        if (array.length, array.offset) != (channels * width * height, 0):
            return None
    return np.asarray(_Lent(capsule, array.buffers[1], (height, width, channels)))
