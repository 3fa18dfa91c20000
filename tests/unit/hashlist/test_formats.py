"""Plain forms of hashes: all or nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from veilmatch.errors import EncodingError, LengthError
from veilmatch.hashlist.formats.csv_form import parse_csv
from veilmatch.hashlist.formats.json_lines import parse_json_lines

Parser = Callable[[bytes, int], list[bytes]]


def test_csv_takes_its_column_wherever_it_stands() -> None:
    assert parse_csv(b"id,hash\r\n1,0a0b\r\n2, 0C0D \r\n", 2) == [b"\x0a\x0b", b"\x0c\x0d"]
    assert parse_csv(b"\xef\xbb\xbfhash\n0a\n", 1) == [b"\x0a"]
    assert parse_csv(b"hash\n", 1) == []


def test_json_lines_take_their_field() -> None:
    assert parse_json_lines(b'{"hash":"0a0b","x":1}\n\n{"hash":"0c0d"}', 2) == [
        b"\x0a\x0b",
        b"\x0c\x0d",
    ]
    assert parse_json_lines(b"", 1) == []


@pytest.mark.parametrize(
    ("parse", "data"),
    [
        (parse_csv, b""),
        (parse_csv, b"md5\n0a\n"),
        (parse_csv, b"hash\nzz\n"),
        (parse_csv, b"id,hash\n0a\n"),
        (parse_csv, b"hash\n\xff\n"),
        (parse_csv, b'hash\n"0a\n'),
        (parse_json_lines, b"0a\n"),
        (parse_json_lines, b'{"md5":"0a"}\n'),
        (parse_json_lines, b'{"hash":1}\n'),
        (parse_json_lines, b'{"hash":"zz"}\n'),
        (parse_json_lines, b'{"hash":"0a","hash":"0b"}\n'),
        (parse_json_lines, b'["0a"]\n'),
    ],
)
def test_what_is_malformed_is_refused_whole(parse: Parser, data: bytes) -> None:
    with pytest.raises(EncodingError):
        parse(data, 1)


@pytest.mark.parametrize(
    ("parse", "data"), [(parse_csv, b"hash\n0a\n0a0b\n"), (parse_json_lines, b'{"hash":"0a0b"}')]
)
def test_a_hash_of_another_length_is_refused(parse: Parser, data: bytes) -> None:
    with pytest.raises(LengthError):
        parse(data, 1)
