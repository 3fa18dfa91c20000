"""A contact sheet: the derivatives of a case on one picture, for people to look at."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

from PIL import Image, ImageDraw

from veilmatch.errors import InputError
from veilmatch.voucher.derivative import LONGEST_SIDE

TILE = 160  # pixels
_GAP = 8
_MAX_COLUMNS = 8
_BACKGROUND, _MISSING = (245, 245, 242), (200, 200, 196)


def build_contact_sheet(derivatives: Sequence[bytes]) -> bytes:
    """Lay derivatives out in rows, each inside a tile of 160 pixels.

    Args:
        derivatives: JPEG bytes from opened associated data; one that does not decode is
            drawn as an empty tile with a cross, never left out.

    Returns:
        PNG bytes.

    Raises:
        InputError: There is nothing to show.
    """
    if not derivatives:
        raise InputError("there is no derivative to show")
    columns = min(_MAX_COLUMNS, len(derivatives))
    rows = -(-len(derivatives) // columns)
    size = (columns * (TILE + _GAP) + _GAP, rows * (TILE + _GAP) + _GAP)
    sheet = Image.new("RGB", size, _BACKGROUND)
    for i, data in enumerate(derivatives):
        left = _GAP + (i % columns) * (TILE + _GAP)
        top = _GAP + (i // columns) * (TILE + _GAP)
        _draw_tile(sheet, data, left, top)
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()


def _decode(data: bytes) -> Image.Image:
    """Decode a derivative; a client may have sealed anything, so a huge one is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            if max(picture.size) > LONGEST_SIDE:
                raise InputError("a picture is larger than a derivative")
            return picture.convert("RGB")


def _draw_tile(sheet: Image.Image, data: bytes, left: int, top: int) -> None:
    try:
        tile = _decode(data)
    except (OSError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        draw = ImageDraw.Draw(sheet)
        box = (left, top, left + TILE, top + TILE)
        draw.rectangle(box, outline=_MISSING, width=2)
        draw.line(box, fill=_MISSING, width=2)
        return
    tile.thumbnail((TILE, TILE))
    place = (left + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2)
    sheet.paste(tile, place)
