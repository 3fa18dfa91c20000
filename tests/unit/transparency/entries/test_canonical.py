from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from veilmatch.errors import EncodingError
from veilmatch.transparency.entries.canonical import (
    INTEGER_MAX,
    JSON_LEN_MAX,
    Fields,
    Json,
    build_json,
    parse_json,
)

names = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=5)
values: st.SearchStrategy[Json] = st.recursive(
    st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(names, values, max_size=4))
def test_every_object_survives_the_round(value: dict[str, Json]) -> None:
    data = build_json(value)
    assert parse_json(data, "test") == value
    assert json.loads(data) == value


def test_the_spelling_of_rfc_8785() -> None:
    # From the example of RFC 8785 section 3.2.2, without its fractions and null.
    value: dict[str, Json] = {
        "string": '\u20ac$\x0f\nA\'B"\\\\"/',
        "literals": [True, False],
        "a": 10,
        "B": {"\x7e": "\x7f\u2028"},
    }
    assert (
        build_json(value)
        == (
            '{"B":{"~":"\x7f\u2028"},"a":10,"literals":[true,false],'
            '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        ).encode()
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"1",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b" {}",
        b"{}\n",
        b'{"a": 1}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":null}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":-0}',
        b'{"a":01}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"":1}',
        b'{"\xc3\xa4":1}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\/"}',
        b'{"a":"\\u001F"}',
        b'{"a":"\t"}',
        b'{"a":' + b"[" * 17 + b"]" * 17 + b"}",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000,
        b'{"a":"' + b"x" * JSON_LEN_MAX + b'"}',
    ],
)
def test_other_spellings_are_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        parse_json(data, "test")


def test_sixteen_levels_are_allowed() -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        data = ('{"a":' + opening * 15 + "1" + closing * 15 + "}").encode()
        assert build_json(parse_json(data, "test")) == data
        data = ('{"a":' + opening * 16 + "1" + closing * 16 + "}").encode()
        with pytest.raises(EncodingError, match="deeply"):
            parse_json(data, "test")


@given(st.binary(max_size=40) | st.text('{}[]":,0123456789.eE+-\\truefalsn ', max_size=40))
@example('{"a":[true,false,1,"b"]}')
def test_json_fails_only_by_name(data: bytes | str) -> None:
    raw = data.encode() if isinstance(data, str) else data
    try:
        value = parse_json(raw, "test")
    except EncodingError as error:
        assert error.field == "test"  # noqa: PT017 - every outcome is looked at
        return
    assert build_json(value) == raw


@pytest.mark.parametrize("value", [None, 1.5, b"x", {1: 2}, {"é": 1}, "\ud800", 2**60, (1,)])
def test_what_has_no_spelling_is_not_written(value: object) -> None:
    with pytest.raises(EncodingError):
        build_json({"a": value})  # type: ignore[dict-item]


def test_fields_are_taken_with_their_type() -> None:
    value: dict[str, Json] = {
        "text": "abc",
        "count": 3,
        "digest": "ab" * 32,
        "items": [1],
        "mapping": {"x": 1},
    }
    fields = Fields(value, "test")
    assert fields.text("text") == "abc"
    assert fields.count("count") == 3
    assert fields.digest("digest") == b"\xab" * 32
    assert fields.items("items") == [1]
    with pytest.raises(EncodingError, match="unknown field"):
        fields.finish()
    assert fields.mapping("mapping") == {"x": 1}
    fields.finish()
    assert len(value) == 5


def test_fields_of_another_type_are_refused() -> None:
    texts: list[Json] = ["", "a\nb", "x" * 501, 1, True]
    counts: list[Json] = [-1, True, "1", 11]
    digests: list[Json] = ["ab" * 31, "AB" * 32, "zz" * 32, 1]
    lists: list[Json] = [{}, [1, 2], "x"]
    mappings: list[Json] = [[], {"x": 1, "y": 2}, "x"]
    for bad in texts:
        with pytest.raises(EncodingError):
            Fields({"a": bad}, "test").text("a")
    for bad in counts:
        with pytest.raises(EncodingError):
            Fields({"a": bad}, "test").count("a", 10)
    for bad in digests:
        with pytest.raises(EncodingError):
            Fields({"a": bad}, "test").digest("a")
    for bad in lists:
        with pytest.raises(EncodingError):
            Fields({"a": bad}, "test").items("a", 1)
    for bad in mappings:
        with pytest.raises(EncodingError):
            Fields({"a": bad}, "test").mapping("a", 1)
    with pytest.raises(EncodingError):
        Fields([], "test")
    with pytest.raises(EncodingError) as caught:
        Fields({}, "test").take("a")
    assert caught.value.field == "a"
