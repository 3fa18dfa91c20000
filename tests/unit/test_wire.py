"""The strict reader, canonical JSON and typed fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilmatch.errors import EncodingError, LengthError
from veilmatch.wire import (
    Fields,
    Reader,
    check_length,
    is_loopback,
    length_prefixed,
    parse_canonical_json,
    parse_json,
    to_canonical_json,
)


def test_a_reader_takes_fields_in_order_and_ends_at_the_end() -> None:
    reader = Reader(b"\x00\x02ab\xff", "record")
    assert reader.uint(2, "count") == 2
    assert reader.take(2, "text") == b"ab"
    reader.expect(b"\xff", "end mark")
    reader.finish()
    assert reader.offset == 5


def test_a_record_that_ends_inside_a_field_is_refused_with_its_place() -> None:
    reader = Reader(b"abc", "record")
    reader.take(2, "first")
    with pytest.raises(EncodingError) as caught:
        reader.take(2, "second")
    assert (caught.value.field, caught.value.offset) == ("second", 2)


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(EncodingError) as caught:
        Reader(b"a", "record").finish()
    assert caught.value.field == "end"


def test_an_unexpected_constant_is_refused() -> None:
    with pytest.raises(EncodingError) as caught:
        Reader(b"VMX", "record").expect(b"VMA", "magic")
    assert (caught.value.field, caught.value.offset) == ("magic", 0)


def test_check_length() -> None:
    assert check_length(b"ab", 2, "x") == b"ab"
    with pytest.raises(LengthError) as caught:
        check_length(b"abc", 2, "x")
    assert (caught.value.field, caught.value.expected, caught.value.actual) == ("x", 2, 3)


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_no_two_lists_of_fields_have_one_prefixed_form(a: list[bytes], b: list[bytes]) -> None:
    assert (length_prefixed(*a) == length_prefixed(*b)) == (a == b)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abcé"), _JSON, max_size=4))
def test_canonical_json_is_its_own_inverse(value: dict[str, Any]) -> None:
    data = to_canonical_json(value)
    assert parse_canonical_json(data, "record") == value
    with pytest.raises(EncodingError):
        parse_canonical_json(data + b"\n", "record")


@given(st.binary(max_size=40))
def test_garbage_is_refused_by_name(data: bytes) -> None:
    try:
        value = parse_json(data, "record")
    except EncodingError:
        return
    assert isinstance(value, dict)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**60])
def test_what_json_cannot_say_exactly_is_not_written(value: float) -> None:
    with pytest.raises(EncodingError):
        to_canonical_json({"a": value})


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (lambda f: f.text("x"), 1),
        (lambda f: f.text("x", max_len=2), "abc"),
        (lambda f: f.text("x"), "a\nb"),
        (lambda f: f.integer("x", 0, 9), "1"),
        (lambda f: f.integer("x", 0, 9), True),
        (lambda f: f.integer("x", 0, 9), 1.0),
        (lambda f: f.integer("x", 0, 9), 10),
        (lambda f: f.number("x", 0, 1), True),
        (lambda f: f.number("x", 0, 1), "0"),
        (lambda f: f.number("x", 0, 1), 1.5),
        (lambda f: f.hex("x", 1), "AB"),
        (lambda f: f.hex("x", 1), "a b"),
        (lambda f: f.hex("x", 1), "a"),
        (lambda f: f.hex("x", 1), 10),
        (lambda f: f.array("x"), {}),
        (lambda f: f.array("x", max_count=1), [1, 2]),
        (lambda f: f.object("x"), []),
        (lambda f: f.text("y"), "there is no y"),
        (lambda f: f.finish(), "nobody took x"),
    ],
)
def test_a_field_of_another_type_or_range_is_refused(call: Any, value: Any) -> None:
    with pytest.raises(EncodingError):
        call(Fields({"x": value}, "record"))


def test_fields_of_the_right_type_are_taken() -> None:
    fields = Fields({"a": "t", "b": 3, "c": 1, "d": "0aff", "e": [1], "f": {}}, "record")
    assert fields.text("a") == "t"
    assert fields.integer("b", 3, 3) == 3
    assert fields.number("c", 0, 1) == 1.0
    assert fields.hex("d", 2) == b"\x0a\xff"
    assert fields.array("e") == [1]
    assert fields.object("f") == {}
    fields.finish()


def test_hex_of_another_length_is_a_length_error() -> None:
    with pytest.raises(LengthError):
        Fields({"x": "0a"}, "record").hex("x", 2)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("127.0.0.1.example", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, here: bool) -> None:
    assert is_loopback(host) is here
