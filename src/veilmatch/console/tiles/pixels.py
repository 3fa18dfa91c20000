"""What a picture looks like at each step of its reveal. The server makes the pixels.

The browser gets what the step shows and nothing else: a blurred tile holds no more detail
than its few grey cells, so no tool in the browser brings the picture back. Every tile is
painted from decoded pixels, so no byte of the derivative's file passes through.
"""

from __future__ import annotations

import enum
import io
import warnings

from PIL import Image, ImageDraw, ImageFilter

from veilmatch.errors import ImageError
from veilmatch.review.settings import Preferences
from veilmatch.voucher.derivative import LONGEST_SIDE

ENLARGED = 320
_MIN_CELLS, _MAX_CELLS = 4, 12  # what is left of a blurred picture, on its longer side
_SOFT_CELLS = 24
_CALM = 0.6  # of the contrast that is kept while blurred
_MARK = (134, 138, 142, 255)


class Reveal(enum.IntEnum):
    """Steps from nothing to see to all there is, in the order in which they are taken."""

    BLURRED = 0
    SOFT = 1
    GREY = 2
    COLOUR = 3
    ENLARGED = 4


_LADDERS: dict[int, tuple[Reveal, ...]] = {
    1: (Reveal.ENLARGED,),
    2: (Reveal.GREY, Reveal.ENLARGED),
    3: (Reveal.GREY, Reveal.COLOUR, Reveal.ENLARGED),
    4: (Reveal.SOFT, Reveal.GREY, Reveal.COLOUR, Reveal.ENLARGED),
}


def ladder_of(preferences: Preferences) -> tuple[Reveal, ...]:
    """Return the steps that a reveal takes, after the blurred tile it begins with."""
    return _LADDERS[preferences.reveal_steps]


def side_of(step: Reveal, preferences: Preferences) -> int:
    """Return the side of a tile at a step, in pixels."""
    return ENLARGED if step is Reveal.ENLARGED else preferences.tile_px


def paint_tile(derivative: bytes, step: Reveal, preferences: Preferences) -> bytes:
    """Paint a derivative as a step shows it.

    Args:
        derivative: JPEG bytes from opened associated data; whatever a client sealed.
        step: How much is shown.
        preferences: Size of a tile, strength of the blur, and whether the blur is grey. However
            weak a blur is asked for, a blurred tile has at most 12 cells on its longer side.

    Returns:
        PNG. A derivative that does not decode is a plain tile with a cross, never an error.
    """
    side = side_of(step, preferences)
    try:
        picture = _decode(derivative)
    except ImageError:
        return _to_png(_paint_unreadable(side))
    if step is Reveal.GREY or (step < Reveal.GREY and preferences.is_grey):
        picture = picture.convert("L").convert("RGB")
    if step is Reveal.BLURRED:
        cells = 256 // max(1, preferences.blur_px)
        return _to_png(_blur(picture, side, min(max(cells, _MIN_CELLS), _MAX_CELLS)))
    if step is Reveal.SOFT:
        return _to_png(_blur(picture, side, _SOFT_CELLS))
    return _to_png(_fit(picture, side))


def is_readable(derivative: bytes) -> bool:
    """Tell whether a derivative decodes."""
    try:
        _decode(derivative)
    except ImageError:
        return False
    return True


def _decode(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
                if max(picture.size) > LONGEST_SIDE:
                    raise ImageError("size", "a picture is larger than a derivative")
                return picture.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError, Warning) as exc:
        raise ImageError("decode", "a derivative does not decode") from exc


def _blur(picture: Image.Image, side: int, count: int) -> Image.Image:
    """Keep a few cells; then make them smooth and flat, so that they are quiet to look at."""
    cells = picture.copy()
    cells.thumbnail((count, count), Image.Resampling.BOX)
    calm = [int(128 + (value - 128) * _CALM) // 8 * 8 for value in range(256)]
    cells = cells.point(calm * 3)
    longest = max(cells.size)
    size = (max(1, cells.width * side // longest), max(1, cells.height * side // longest))
    smooth = cells.resize(size, Image.Resampling.BICUBIC)
    return _fit(smooth.filter(ImageFilter.GaussianBlur(side / (3 * count))), side)


def _fit(picture: Image.Image, side: int) -> Image.Image:
    """Scale into a square tile; what is left of the square is transparent."""
    ratio = side / max(picture.size)
    size = (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio)))
    tile = Image.new("RGBA", (side, side))
    place = ((side - size[0]) // 2, (side - size[1]) // 2)
    tile.paste(picture.resize(size, Image.Resampling.LANCZOS), place)
    return tile


def _paint_unreadable(side: int) -> Image.Image:
    tile = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(tile)
    edge = side // 4
    box = (edge, edge, side - edge, side - edge)
    draw.rectangle(box, outline=_MARK, width=2)
    draw.line(box, fill=_MARK, width=2)
    return tile


def _to_png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
