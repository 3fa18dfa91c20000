"""Signed lists read as a stream: the same answer as the reader that holds them whole."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veilmatch.errors import DuplicateError, EncodingError, Error, LengthError, SignatureError
from veilmatch.hashlist.entry import ListEntry
from veilmatch.hashlist.formats.signed_list import parse_signed_entries
from veilmatch.hashlist.hash_list import parse_hash_list, sign_hash_list
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hazmat.signing import SigningKey
from veilmatch.secret import SecretBytes

_DRAW = random.Random(4)
KEY = SigningKey(SecretBytes(bytes(range(32))))
PROVIDER = HashProvider("Made up", "NL", KEY.public_key)


def signed(count: int, algorithm: str = "pdq", bit_len: int = 256) -> bytes:
    values = [_DRAW.randbytes(bit_len // 8) for _ in range(count)]
    return sign_hash_list(PROVIDER, KEY, algorithm, bit_len, values, _DRAW.randbytes)


def read(data: bytes, piece: int = 100) -> list[bytes]:
    pieces = (data[start : start + piece] for start in range(0, len(data), piece))
    items = list(parse_signed_entries(pieces, provider=PROVIDER))
    assert all(isinstance(item, ListEntry) and item.kind == "pdq" for item in items)
    return [item.value for item in items if isinstance(item, ListEntry)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8, 13, 100])
def test_it_reads_what_the_whole_reader_reads(count: int) -> None:
    data = signed(count)
    assert read(data) == [row.tobytes() for row in parse_hash_list(data).hashes]


def _without_last(data: bytes) -> bytes:
    return data[: data.rstrip(b"\n").rindex(b"\n") + 1]


def _swapped(data: bytes) -> bytes:
    head, one, two, *rest = data.split(b"\n")
    return b"\n".join([head, two, one, *rest])


def _repeated(data: bytes) -> bytes:
    head, one, *rest = data.split(b"\n")
    return b"\n".join([head, one, one, *rest])


def _flipped(data: bytes) -> bytes:
    place = data.rindex(b'"}') - 1
    return data[:place] + (b"1" if data[place:][:1] != b"1" else b"2") + data[place + 1 :]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (_without_last, SignatureError),
        (_swapped, DuplicateError),
        (_repeated, DuplicateError),
        (_flipped, SignatureError),
        (lambda data: data[:-1], EncodingError),
        (lambda data: data[: len(data) // 2], EncodingError),
        (lambda data: data.replace(b'"NL"', b'"CA"', 1), SignatureError),
        (lambda data: data.replace(b'"count":9', b'"count":8', 1), SignatureError),
        (lambda data: data.replace(b'{"hash":"', b'{"hash": "', 1), EncodingError),
        (lambda data: data.replace(b'"}\n', b'00"}\n', 1), LengthError),
        (lambda data: b"", EncodingError),
        (lambda data: b"{}\n", EncodingError),
    ],
)
def test_what_was_changed_is_refused(change: Callable[[bytes], bytes], error: type[Error]) -> None:
    data = signed(9)
    assert change(data) != data
    with pytest.raises(error):
        read(change(data))


def test_a_list_of_another_provider_is_refused() -> None:
    other = HashProvider("Made up", "NL", SigningKey(SecretBytes(bytes(32))).public_key)
    with pytest.raises(SignatureError, match="named"):
        list(parse_signed_entries([signed(3)], provider=other))


def test_hashes_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(EncodingError, match="compared"):
        list(parse_signed_entries([signed(3, "made-up", 64)], provider=PROVIDER))


_WHOLE = signed(6)


@settings(max_examples=300, deadline=None)
@given(
    place=st.integers(0, len(_WHOLE)),
    length=st.integers(0, 80),
    patch=st.binary(max_size=8) | st.sampled_from([b"0", b"\n", b'"', b"{}", b"9" * 5000]),
)
def test_any_damage_is_a_named_error(place: int, length: int, patch: bytes) -> None:
    damaged = _WHOLE[:place] + patch + _WHOLE[place + length :]
    if damaged == _WHOLE:
        assert len(read(damaged)) == 6
    else:
        with pytest.raises(Error):
            read(damaged)
