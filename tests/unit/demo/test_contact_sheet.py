"""The contact sheet shows every derivative, and survives what a client may have sealed."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from veilmatch.errors import InputError
from veilmatch.opening.contact_sheet import TILE, build_contact_sheet

RED = (220, 20, 30)


def _jpeg(size: tuple[int, int] = (64, 48), colour: tuple[int, int, int] = RED) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG", quality=95)
    return out.getvalue()


def _open(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
        return picture.convert("RGB")


def _cells(sheet: Image.Image, count: int) -> list[tuple[int, int]]:
    """The centres of the tiles, in rows of at most eight."""
    columns, step = min(8, count), TILE + 8
    return [
        (8 + i % columns * step + TILE // 2 - 20, 8 + i // columns * step + TILE // 2 + 10)
        for i in range(count)
    ]


def _is_red(pixel: object) -> bool:
    assert isinstance(pixel, tuple)
    return bool(pixel[0] > 180 and pixel[1] < 80 and pixel[2] < 80)


@pytest.mark.parametrize(("count", "size"), [(1, (1, 1)), (8, (8, 1)), (9, (8, 2)), (17, (8, 3))])
def test_every_derivative_has_a_tile(count: int, size: tuple[int, int]) -> None:
    sheet = _open(build_contact_sheet([_jpeg()] * count))
    assert sheet.size == tuple(side * (TILE + 8) + 8 for side in size)
    assert all(_is_red(sheet.getpixel(cell)) for cell in _cells(sheet, count))


@pytest.mark.parametrize("size", [(1, 1), (2000, 3), (3, 2000), (500, 500)])
def test_any_shape_stays_inside_its_tile(size: tuple[int, int]) -> None:
    sheet = _open(build_contact_sheet([_jpeg(size)]))
    for edge in range(TILE + 16):
        for place in ((edge, 3), (3, edge), (edge, TILE + 12), (TILE + 12, edge)):
            assert not _is_red(sheet.getpixel(place))


@pytest.mark.parametrize(
    "broken",
    [b"", b"not a picture", _jpeg()[:200], b"\x89PNG\r\n\x1a\n" + bytes(50), b"\xff\xd8\xff" * 9],
)
def test_broken_derivative_keeps_its_place(broken: bytes) -> None:
    sheet = _open(build_contact_sheet([_jpeg(), broken, _jpeg()]))
    first, second, third = (_is_red(sheet.getpixel(cell)) for cell in _cells(sheet, 3))
    assert (first, second, third) == (True, False, True)


@pytest.mark.parametrize("size", [(65_000, 65_000), (12_000, 9_000), (4097, 1)])
def test_derivative_that_claims_to_be_huge_is_not_decoded(size: tuple[int, int]) -> None:
    data = bytearray(_jpeg())
    place = data.index(b"\xff\xc0") + 5  # height and width in the frame header
    data[place : place + 4] = size[1].to_bytes(2, "big") + size[0].to_bytes(2, "big")
    sheet = _open(build_contact_sheet([bytes(data), _jpeg()]))
    assert not _is_red(sheet.getpixel(_cells(sheet, 2)[0]))
    assert _is_red(sheet.getpixel(_cells(sheet, 2)[1]))


def test_nothing_to_show_is_refused() -> None:
    with pytest.raises(InputError):
        build_contact_sheet([])
