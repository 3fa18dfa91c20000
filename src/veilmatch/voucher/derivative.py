"""The derivative: a reduced picture, small enough for the associated data.

A fresh JPEG of the decoded pixels, so no metadata of the original can be in it.
Spec: ``spec/50-voucher.md`` section 4.2.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veilmatch.errors import InternalError

LONGEST_SIDE = 256  # pixels
_SIDES = (LONGEST_SIDE, 224, 192, 160, 128, 96, 64, 48, 32)
_QUALITIES = (80, 60, 40)


def make_derivative(pixels: NDArray[np.uint8], max_len: int) -> bytes:
    """Reduce a picture to a JPEG of at most ``max_len`` bytes.

    Args:
        pixels: RGB ``uint8 (height, width, 3)``.
        max_len: Bytes available.

    Returns:
        JPEG, at most 256 pixels on its longer side, as large and as good as fits.
    """
    picture = Image.fromarray(pixels, "RGB") if pixels.ndim == 3 else Image.fromarray(pixels)
    for side in _SIDES:
        small = picture.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
        for quality in _QUALITIES:
            out = io.BytesIO()
            small.save(out, "JPEG", quality=quality, optimize=True)
            if out.tell() <= max_len:
                return out.getvalue()
    raise InternalError("no derivative fits into the associated data")
