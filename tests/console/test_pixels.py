"""What the browser gets at each step, in pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from veilmatch.console.tiles.pixels import ENLARGED, Reveal, is_readable, ladder_of, paint_tile
from veilmatch.pictures.generate import generate_picture
from veilmatch.review.settings import Preferences
from veilmatch.voucher.derivative import make_derivative

CHOSEN = Preferences(tile_px=160)
MARK = b"what a client hid behind the picture"


def _derivative(index: int = 1) -> bytes:
    return make_derivative(generate_picture(5, index, "street", (320, 240)), 16_000)


def _pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
        return np.asarray(picture.convert("RGB")).astype(np.float64)


def _detail(pixels: np.ndarray) -> float:
    """How much fine structure there is: the mean step between neighbours."""
    return float(np.abs(np.diff(pixels.mean(axis=2), axis=1)).mean())


@pytest.mark.parametrize("tile", [64, 128, 256])
@pytest.mark.parametrize("step", Reveal)
def test_a_tile_has_its_size(tile: int, step: Reveal) -> None:
    side = ENLARGED if step is Reveal.ENLARGED else tile
    tile_of = Preferences(tile_px=tile)
    assert _pixels(paint_tile(_derivative(), step, tile_of)).shape == (side, side, 3)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_ladder_has_its_steps_and_ends_with_all(count: int) -> None:
    ladder = ladder_of(Preferences(reveal_steps=count))
    assert len(ladder) == count
    assert list(ladder) == sorted(ladder)
    assert ladder[-1] is Reveal.ENLARGED
    assert Reveal.BLURRED not in ladder


@pytest.mark.parametrize("blur_px", [0, 8, 24, 40])
def test_the_weakest_blur_is_still_a_blur(blur_px: int) -> None:
    blurred = _pixels(paint_tile(_derivative(), Reveal.BLURRED, Preferences(blur_px=blur_px)))
    soft = _pixels(paint_tile(_derivative(), Reveal.SOFT, Preferences(blur_px=blur_px)))
    grey = _pixels(paint_tile(_derivative(), Reveal.GREY, Preferences(blur_px=blur_px)))
    middle = slice(36, 92)
    assert _detail(blurred[middle]) < _detail(soft[middle]) < 0.7 * _detail(grey[middle])


@pytest.mark.parametrize("step", [Reveal.BLURRED, Reveal.SOFT, Reveal.GREY])
def test_the_first_steps_have_no_colour(step: Reveal) -> None:
    pixels = _pixels(paint_tile(_derivative(), step, CHOSEN))[40:120]
    assert np.ptp(pixels, axis=2).max() == 0


def test_colour_comes_with_its_step() -> None:
    pixels = _pixels(paint_tile(_derivative(), Reveal.COLOUR, CHOSEN))[40:120]
    assert np.ptp(pixels, axis=2).max() > 20


def test_a_blurred_tile_holds_no_detail() -> None:
    """Two pictures with equal coarse cells give one blurred tile, byte for byte."""
    blurred = _pixels(paint_tile(_derivative(), Reveal.BLURRED, CHOSEN))[40:120]
    grey = _pixels(paint_tile(_derivative(), Reveal.GREY, CHOSEN))[40:120]
    assert _detail(blurred) < 0.2 * _detail(grey)
    size = 10 * 24
    flat = np.full((size, size), 120.0)
    fine = flat + 60 * ((np.indices((size, size)).sum(axis=0) // 2) % 2 * 2 - 1)
    tiles = []
    for values in (flat, fine):
        out = io.BytesIO()
        Image.fromarray(values.astype(np.uint8)).convert("RGB").save(out, "JPEG", quality=95)
        tiles.append(_pixels(paint_tile(out.getvalue(), Reveal.BLURRED, CHOSEN)))
    assert np.array_equal(tiles[0], tiles[1])
    one, other = (paint_tile(_derivative(k), Reveal.BLURRED, CHOSEN) for k in (1, 2))
    assert one != other


@pytest.mark.parametrize("step", Reveal)
def test_no_byte_of_the_file_passes_through(step: Reveal) -> None:
    assert MARK not in paint_tile(_derivative() + MARK, step, CHOSEN)


@pytest.mark.parametrize(
    "data", [b"", b"no picture", _derivative()[:200], b"\x89PNG\r\n\x1a\n" + bytes(50)]
)
def test_what_does_not_decode_is_a_plain_tile(data: bytes) -> None:
    assert not is_readable(data)
    for step in Reveal:
        assert _detail(_pixels(paint_tile(data, step, CHOSEN))) < 5


def test_a_huge_picture_is_not_painted() -> None:
    out = io.BytesIO()
    Image.new("RGB", (2000, 2000)).save(out, "JPEG")
    assert not is_readable(out.getvalue())
