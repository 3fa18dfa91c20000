"""The contact sheet: every derivative has its tile."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from veilmatch.errors import InputError
from veilmatch.opening.contact_sheet import TILE, build_contact_sheet
from veilmatch.voucher.derivative import LONGEST_SIDE


def _jpeg(colour: int) -> bytes:
    out = io.BytesIO()
    pixels = np.full((100, 200, 3), colour, dtype=np.uint8)
    Image.fromarray(pixels, "RGB").save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize("count", [1, 8, 9, 31])
def test_a_sheet_is_a_png_with_room_for_all(count: int) -> None:
    data = build_contact_sheet([_jpeg(20)] * count)
    with Image.open(io.BytesIO(data)) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width >= min(count, 8) * TILE
        assert sheet.height >= -(-count // 8) * TILE


def test_what_does_not_decode_is_drawn_as_a_crossed_tile() -> None:
    good, bad = (build_contact_sheet([v]) for v in (_jpeg(20), b"not a jpeg"))
    with Image.open(io.BytesIO(bad)) as sheet, Image.open(io.BytesIO(good)) as other:
        assert sheet.size == other.size
        assert len(sheet.getcolors() or []) == 2


@pytest.mark.parametrize("side", [257, 4000, 60_000])
def test_a_picture_larger_than_a_derivative_is_not_decoded(side: int) -> None:
    """A client chooses these bytes: the header alone must not cost a worker its memory."""
    data = bytearray(_jpeg(20))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = side.to_bytes(2, "big") * 2
    with Image.open(io.BytesIO(build_contact_sheet([bytes(data)]))) as sheet:
        assert len(sheet.getcolors() or []) == 2


def test_the_largest_derivative_is_shown() -> None:
    out = io.BytesIO()
    pixels = np.full((LONGEST_SIDE, LONGEST_SIDE, 3), 20, dtype=np.uint8)
    Image.fromarray(pixels, "RGB").save(out, "JPEG")
    with Image.open(io.BytesIO(build_contact_sheet([out.getvalue()]))) as sheet:
        assert sheet.getpixel((sheet.width // 2, sheet.height // 2)) == (20, 20, 20)


def test_nothing_to_show_is_refused() -> None:
    with pytest.raises(InputError):
        build_contact_sheet([])
