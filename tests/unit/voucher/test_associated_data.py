"""Associated data and the derivative inside it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from veilmatch.errors import EncodingError, InternalError, LengthError
from veilmatch.voucher.associated_data import (
    AssociatedData,
    max_derivative_len,
    pad_associated_data,
    parse_associated_data,
)
from veilmatch.voucher.derivative import LONGEST_SIDE, make_derivative

AD_LEN = 512


@given(st.binary(max_size=40), st.binary(max_size=400))
def test_padding_is_undone(image_hash: bytes, derivative: bytes) -> None:
    data = AssociatedData(image_hash, derivative)
    padded = pad_associated_data(data, AD_LEN)
    assert len(padded) == AD_LEN
    assert parse_associated_data(padded) == data


def test_what_fits_exactly_and_what_does_not() -> None:
    room = max_derivative_len(AD_LEN, 11)
    full = AssociatedData(bytes(11), b"x" * room)
    assert parse_associated_data(pad_associated_data(full, AD_LEN)) == full
    with pytest.raises(LengthError):
        pad_associated_data(AssociatedData(bytes(11), b"x" * (room + 1)), AD_LEN)


@given(st.integers(0, 8 * AD_LEN - 1))
def test_a_flipped_bit_parses_to_something_else_or_not_at_all(bit: int) -> None:
    data = AssociatedData(b"hash", b"derivative")
    padded = bytearray(pad_associated_data(data, AD_LEN))
    padded[bit // 8] ^= 1 << bit % 8
    try:
        changed = parse_associated_data(bytes(padded))
    except EncodingError:
        return
    assert changed != data


@pytest.mark.parametrize("data", [b"", b"\x02" + bytes(20), b"\x01\xff\xff", bytes(AD_LEN)])
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        parse_associated_data(data)


def _noise(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(600, 400), (30, 900), (1, 1), (256, 256)])
def test_a_derivative_is_a_small_jpeg_that_fits(height: int, width: int) -> None:
    made = make_derivative(_noise(height, width), 10_000)
    assert len(made) <= 10_000
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.format == "JPEG"
        assert max(picture.size) <= LONGEST_SIDE
        assert not picture.getexif()


def test_a_small_picture_is_not_enlarged() -> None:
    with Image.open(io.BytesIO(make_derivative(_noise(20, 10), 10_000))) as picture:
        assert picture.size == (10, 20)


def test_less_room_gives_a_smaller_derivative() -> None:
    noise = _noise(512, 512)
    assert len(make_derivative(noise, 4000)) <= 4000 < len(make_derivative(noise, 20_000))


def test_grey_pixels_are_taken_too() -> None:
    grey = np.zeros((300, 300), dtype=np.uint8)
    with Image.open(io.BytesIO(make_derivative(grey, 5000))) as picture:
        assert max(picture.size) == LONGEST_SIDE


def test_no_room_at_all_is_our_bug() -> None:
    with pytest.raises(InternalError):
        make_derivative(_noise(64, 64), 10)
