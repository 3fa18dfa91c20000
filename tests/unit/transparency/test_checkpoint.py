from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from veilmatch.errors import EncodingError, Error, LengthError
from veilmatch.transparency.checkpoint import (
    SIZE_MAX,
    Checkpoint,
    check_text,
    parse_base64,
    parse_checkpoint,
    parse_decimal,
    split_lines,
)

ROOT = bytes(range(32))
TEXT = b"log.example/a\n7\n" + base64.b64encode(ROOT) + b"\n"
lines = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


def test_a_checkpoint_is_three_lines() -> None:
    checkpoint = parse_checkpoint(TEXT)
    assert checkpoint == Checkpoint("log.example/a", 7, ROOT)
    assert checkpoint.to_bytes() == TEXT


@given(lines, st.integers(0, SIZE_MAX), st.binary(min_size=32, max_size=32), st.lists(lines))
def test_every_checkpoint_survives_the_round(
    origin: str, size: int, root: bytes, extensions: list[str]
) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert parse_checkpoint(checkpoint.to_bytes()) == checkpoint


@given(st.binary(max_size=120))
@example(TEXT)
@example(TEXT + b"extension\n")
@example(TEXT.replace(b"7", b"07"))
@example(TEXT.replace(b"7", b"\xd9\xa7"))
def test_what_parses_is_written_back_the_same(data: bytes) -> None:
    try:
        checkpoint = parse_checkpoint(data)
    except Error:
        return
    assert checkpoint.to_bytes() == data


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        (b"\n7\n", b"\n07\n", EncodingError),
        (b"\n7\n", b"\n+7\n", EncodingError),
        (b"\n7\n", b"\n-7\n", EncodingError),
        (b"\n7\n", b"\n7 \n", EncodingError),
        (b"\n7\n", b"\n\n", EncodingError),
        (b"\n7\n", b"\n9223372036854775808\n", EncodingError),
        (b"\n7\n", b"\n99999999999999999999\n", EncodingError),
        (b"log.example/a\n", b"\n", EncodingError),
        (b"log.example/a\n", b"log\rexample\n", EncodingError),
        (b"log.example/a\n", b"log\xff\n", EncodingError),
        (b"AAEC", b"AAE ", EncodingError),
        (b"AAEC", b"AAECAAEC", LengthError),
        (b"Hh8=\n", b"Hh9=\n", EncodingError),
        (b"Hh8=\n", b"Hh8\n", EncodingError),
        (b"Hh8=\n", b"Hh8=", EncodingError),
        (b"Hh8=\n", b"Hh8=\n\nx\n", EncodingError),
        (TEXT, b"", EncodingError),
        (TEXT, b"log.example/a\n7\n", EncodingError),
    ],
)
def test_a_second_spelling_is_refused(old: bytes, new: bytes, refused: type[Error]) -> None:
    assert old in TEXT
    with pytest.raises(refused):
        parse_checkpoint(TEXT.replace(old, new))


@pytest.mark.parametrize(
    ("origin", "size", "root", "extensions"),
    [
        ("", 0, ROOT, ()),
        ("a\nb", 0, ROOT, ()),
        ("a\x00", 0, ROOT, ()),
        ("\ud800", 0, ROOT, ()),
        ("a", -1, ROOT, ()),
        ("a", SIZE_MAX + 1, ROOT, ()),
        ("a", 0, ROOT[1:], ()),
        ("a", 0, ROOT, ("",)),
        ("a", 0, ROOT, ("x\ny",)),
    ],
)
def test_no_checkpoint_that_could_not_be_read_again(
    origin: str, size: int, root: bytes, extensions: tuple[str, ...]
) -> None:
    with pytest.raises((EncodingError, LengthError)):
        Checkpoint(origin, size, root, extensions)


def test_the_root_is_not_printed() -> None:
    shown = repr(parse_checkpoint(TEXT))
    assert "x1f" not in shown
    assert "root" not in shown


@given(st.binary(max_size=24))
def test_decimals_have_one_spelling(data: bytes) -> None:
    try:
        value = parse_decimal(data, "size")
    except EncodingError:
        return
    assert str(value).encode() == data


@given(st.binary(max_size=24))
@example(b"AA==")
@example(b"AB==")
@example(b"A\n==")
def test_base64_has_one_spelling(data: bytes) -> None:
    try:
        value = parse_base64(data, "hash")
    except EncodingError:
        return
    assert base64.b64encode(value) == data


def test_errors_say_where() -> None:
    with pytest.raises(EncodingError) as caught:
        check_text(b"ab\tc", "note")
    assert caught.value.offset == 2
    with pytest.raises(EncodingError) as caught:
        check_text(b"abc\xff", "note")
    assert caught.value.offset == 3
    assert split_lines(b"a\n\nb\n", "note") == [b"a", b"", b"b"]
