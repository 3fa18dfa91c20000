"""Pictures of every kind are hashed, or refused by a named error; nothing else is raised."""

from __future__ import annotations

import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.picture_files import FILES, SCENE, exif_block, png_16, png_chunk, save, scene

from veilmatch.errors import ImageError
from veilmatch.hashing.containers import parse_orientation
from veilmatch.hashing.pdq import PdqHasher
from veilmatch.hashing.picture import (
    MIN_SIDE,
    REASONS,
    Picture,
    decode_picture,
    picture_from_pixels,
)


def refused(data: bytes, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        decode_picture(data, **options)
    assert caught.value.reason in REASONS
    return caught.value.reason


@pytest.mark.parametrize("name", FILES)
def test_every_kind_gives_rgb_of_its_size(name: str) -> None:
    picture = decode_picture(FILES[name])
    turned = name == "jpeg-exif"
    assert picture.pixels.shape == ((96, 64, 3) if turned else (64, 96, 3))
    assert picture.pixels.dtype == np.uint8
    assert not picture.pixels.flags.writeable
    assert PdqHasher().hash_picture(picture).image_hash.bit_len == 256


@pytest.mark.parametrize(
    "name", ["png", "bmp", "png-alpha", "webp-lossless", "png-16-rgb", "apng", "webp-animated"]
)
def test_lossless_kinds_give_the_same_pixels(name: str) -> None:
    assert np.array_equal(decode_picture(FILES[name]).pixels, SCENE)


def test_only_the_first_frame_is_looked_at_and_that_is_said() -> None:
    for name in ("gif", "png", "webp", "jpeg"):
        assert not decode_picture(FILES[name]).animated
    for name, still in (("gif-animated", "gif"), ("apng", "png")):
        moving = decode_picture(FILES[name])
        assert moving.animated
        assert np.array_equal(moving.pixels, decode_picture(FILES[still]).pixels)
    assert np.array_equal(
        decode_picture(FILES["mpo"]).pixels[:8], decode_picture(save(scene(), "JPEG")).pixels[:8]
    )


def test_alpha_lies_over_white_exactly() -> None:
    colours = np.zeros((32, 256, 4), np.uint8)
    colours[..., 0] = np.arange(256)
    colours[..., 3] = np.arange(32)[:, None] * 8
    got = decode_picture(save(Image.fromarray(colours), "PNG")).pixels
    alpha, red = colours[..., 3].astype(int), colours[..., 0].astype(int)
    assert np.array_equal(got[..., 0], (red * alpha + 255 * (255 - alpha) + 127) // 255)
    assert np.array_equal(got[..., 1], (255 * (255 - alpha) + 127) // 255)


def test_transparent_palette_and_colour_key_become_white() -> None:
    image = Image.new("P", (40, 40), 7)
    image.putpalette([0] * 768)
    for data in (
        save(image, "PNG", transparency=7),
        save(image, "GIF", transparency=7),
        save(Image.new("RGB", (40, 40), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
        save(Image.new("L", (40, 40), 9), "PNG", transparency=9),
    ):
        assert (decode_picture(data).pixels == 255).all()


def test_sixteen_bit_grey_keeps_its_high_byte() -> None:
    samples = (np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)
    picture = decode_picture(png_16(samples, 0))
    assert np.array_equal(picture.pixels, np.repeat((samples >> 8)[:, :, None], 3, 2))
    keyed = png_16(samples, 0)
    cut = keyed.index(b"IDAT") - 4
    keyed = keyed[:cut] + png_chunk(b"tRNS", b"\x00\x10") + keyed[cut:]
    assert np.array_equal(decode_picture(keyed).pixels, picture.pixels)


def test_cmyk_is_the_product_of_inks() -> None:
    inks = np.full((40, 40, 4), (10, 60, 200, 30), np.uint8)
    # Quality 100 and no subsampling keep a flat picture as it is.
    data = save(Image.fromarray(inks, "CMYK"), "JPEG", quality=100, subsampling=0)
    want = [((255 - c) * (255 - 30) + 127) // 255 for c in (10, 60, 200)]
    assert np.abs(decode_picture(data).pixels.astype(int) - want).max() <= 2


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_pictures_hash_as_the_upright_one(orientation: int, order: str) -> None:
    # What a camera stores so that the orientation makes it upright again.
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = scene() if orientation == 1 else scene().transpose(undo[orientation])
    block = exif_block(orientation, order)
    upright = PdqHasher().hash_picture(picture_from_pixels(SCENE))
    png = decode_picture(save(stored, "PNG", exif=block))
    webp = decode_picture(save(stored, "WEBP", lossless=True, exif=block))
    for picture in (png, webp):
        assert picture.orientation == orientation
        assert np.array_equal(picture.pixels, SCENE)
        assert PdqHasher().hash_picture(picture) == upright
    jpeg = decode_picture(save(stored, "JPEG", exif=b"Exif\0\0" + block))
    assert jpeg.orientation == orientation
    assert jpeg.pixels.shape == SCENE.shape


@given(st.binary(max_size=200))
def test_any_exif_block_gives_an_orientation(block: bytes) -> None:
    for head in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"Exif\0\0II*\0"):
        assert 1 <= parse_orientation(head + block) <= 8


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_refused(name: str) -> None:
    data = FILES[name]
    whole = decode_picture(data).pixels
    lengths = {*range(64), *range(len(data) - 64, len(data)), *range(64, len(data), 97)}
    for length in sorted(lengths):
        if name == "mpo":  # its second picture may be cut off: the first is whole
            picture = check_total(data[:length])
            assert picture is None or np.array_equal(picture.pixels, whole)
        else:
            assert refused(data[:length]) in ("empty", "unsupported", "truncated", "unreadable")


def test_cut_pixel_data_in_a_whole_png_is_refused() -> None:
    png = FILES["png"]
    at = png.index(b"IDAT") + 4
    short = png[: at - 8] + png_chunk(b"IDAT", png[at : at + 300]) + png_chunk(b"IEND", b"")
    assert refused(short) in ("truncated", "unreadable")


def test_bombs_are_refused_before_anything_is_allocated() -> None:
    side = 30_000
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", zlib.compress(bytes(1000)))
        + png_chunk(b"IEND", b"")
    )
    gif = bytearray(FILES["gif"])
    gif[6:10] = struct.pack("<HH", side, side)
    jpeg = bytearray(FILES["jpeg"])
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", side, side)
    webp = bytearray(save(scene("RGBA"), "WEBP", exif=exif_block(1)))
    webp[24:30] = (16000).to_bytes(3, "little") * 2
    bmp = bytearray(FILES["bmp"])
    bmp[18:26] = struct.pack("<ii", side, -side)
    tracemalloc.start()
    for data in (png, bytes(gif), bytes(jpeg), bytes(webp), bytes(bmp)):
        assert refused(data) == "too_large"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000
    assert refused(FILES["png"], max_pixels=96 * 64 - 1) == "too_large"
    assert decode_picture(FILES["png"], max_pixels=96 * 64).pixels.shape == (64, 96, 3)


def test_icons_are_refused() -> None:
    assert refused(save(Image.new("RGB", (1, 1)), "PNG")) == "too_small"
    assert refused(save(Image.new("RGB", (MIN_SIDE - 1, 500)), "JPEG")) == "too_small"
    assert decode_picture(save(Image.new("RGB", (MIN_SIDE, MIN_SIDE)), "PNG")).format == "png"


def test_other_formats_and_garbage_are_unsupported() -> None:
    assert refused(b"") == "empty"
    for data in (save(scene(), "TIFF"), save(scene(), "PPM"), b"<svg/>", b"%PDF-1.7", b"\0" * 99):
        assert refused(data) == "unsupported"


def test_a_frame_beyond_the_canvas_is_refused() -> None:
    gif = bytearray(FILES["gif"])
    gif[6:8] = struct.pack("<H", 90)
    assert refused(bytes(gif)) == "unreadable"


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = FILES["jpeg-progressive"]
    first, last = data.index(b"\xff\xda"), data.rindex(b"\xff\xda")
    scan = data[last:-2]
    assert refused(data[:first] + scan * 300 + b"\xff\xd9") == "unreadable"


def test_trailing_bytes_change_nothing() -> None:
    for name in ("jpeg", "png", "gif", "webp"):
        assert np.array_equal(
            decode_picture(FILES[name] + b"\0tail").pixels, decode_picture(FILES[name]).pixels
        )


@settings(max_examples=400)
@given(st.data())
def test_mutated_files_are_hashed_or_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FILES)))
    mutated = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        kind = data.draw(st.integers(0, 3))
        if kind == 0:
            mutated[at] = data.draw(st.integers(0, 255))
        elif kind == 1:
            del mutated[at : at + data.draw(st.integers(1, 40))]
        elif kind == 2:
            mutated[at:at] = data.draw(st.binary(max_size=20))
        else:
            mutated[at : at + 4] = data.draw(st.sampled_from([b"\xff" * 4, b"\0" * 4]))
        if not mutated:
            break
    check_total(bytes(mutated))


def reseal(png: bytes) -> bytes:
    """Make the checksums of a mutated PNG right again, so that mutations reach the decoder."""
    out, at = [png[:8]], 8
    while at + 12 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        if at + 12 + length > len(png):
            break
        out.append(png_chunk(png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join(out)


@settings(max_examples=300)
@given(
    st.sampled_from([n for n in FILES if "png" in n]), st.integers(8, 400), st.binary(max_size=9)
)
def test_mutations_behind_checksums_are_hashed_or_refused(name: str, at: int, cut: bytes) -> None:
    png = bytearray(FILES[name])
    png[at : at + len(cut)] = cut
    check_total(reseal(bytes(png)))


@settings(max_examples=300)
@given(
    st.sampled_from(
        [
            b"",
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"BM",
            b"RIFF\x40\0\0\0WEBPVP8 ",
            b"RIFF\x40\0\0\0WEBPVP8X",
        ]
    ),
    st.binary(max_size=300),
)
def test_garbage_is_refused_or_hashed(head: bytes, tail: bytes) -> None:
    check_total(head + tail)


def check_total(data: bytes) -> Picture | None:
    """Hashed or refused, and never with a warning: a filter must not decide which."""
    reason, picture = "", None
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            picture = decode_picture(data, max_pixels=1_000_000)
        except ImageError as error:
            reason = error.reason
    assert not warned
    assert (picture is None) == (reason in REASONS)
    return picture


def test_pixels_are_taken_under_the_same_limits() -> None:
    bad: list[Callable[[], Picture]] = [
        lambda: picture_from_pixels(SCENE[:, :, :2]),
        lambda: picture_from_pixels(SCENE[:31]),
        lambda: picture_from_pixels(SCENE.astype(np.uint16)),
    ]
    for make in bad:
        with pytest.raises(ImageError):
            make()
    assert picture_from_pixels(SCENE).pixels is not SCENE
    assert "96x64" in repr(picture_from_pixels(SCENE))
