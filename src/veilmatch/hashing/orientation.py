"""The one EXIF field that moves pixels: orientation. Everything else in EXIF is left unread.

Source: spec/20-hashing.md, section 3.4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ORIENTATION = 0x0112
_SHORT = 3
_MAX_ENTRIES = 512
UPRIGHT = 1


def parse_orientation(exif: bytes) -> int:
    """Find the orientation in an EXIF block, with or without its ``Exif`` header.

    A camera's block may be damaged while the picture is whole; so a block that does not parse
    counts as upright and is no reason to refuse the picture.

    Returns:
        1 to 8, as in EXIF 2.32, 4.6.4; 1 (upright) where there is none.
    """
    tiff = exif[6:] if exif.startswith(b"Exif\x00") else exif
    if tiff[:4] == b"II*\x00":
        order: str = "little"
    elif tiff[:4] == b"MM\x00*":
        order = "big"
    else:
        return UPRIGHT

    def number(at: int, length: int) -> int:
        return int.from_bytes(tiff[at : at + length], "little" if order == "little" else "big")

    directory = number(4, 4)
    if directory < 8 or directory + 2 > len(tiff):
        return UPRIGHT
    for entry in range(min(number(directory, 2), _MAX_ENTRIES)):
        at = directory + 2 + 12 * entry
        if at + 12 > len(tiff):
            return UPRIGHT
        if number(at, 2) == _ORIENTATION:
            value = number(at + 8, 2)
            well_formed = number(at + 2, 2) == _SHORT and number(at + 4, 4) == 1
            return value if well_formed and 1 <= value <= 8 else UPRIGHT
    return UPRIGHT


def apply_orientation(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn and mirror stored pixels (height, width, channels) into the upright picture."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
