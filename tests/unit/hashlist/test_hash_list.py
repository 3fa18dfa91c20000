"""Signed lists: what is written parses, and what is changed does not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.publication import make_person
from tests.simulator import image_hash
from veilmatch.errors import (
    DuplicateError,
    EncodingError,
    InputError,
    LengthError,
    SignatureError,
    VerificationError,
)
from veilmatch.hashlist.hash_list import HashList, parse_hash_list, sign_hash_list, sort_hashes
from veilmatch.hashlist.intersect import intersect
from veilmatch.hashlist.provider import HashProvider, check_provider, parse_provider
from veilmatch.hazmat.prf import DeterministicRandom
from veilmatch.wire import to_canonical_json

ONE, ONE_KEY = make_person("One", "NL", b"lists")
TWO, TWO_KEY = make_person("Two", "CA", b"lists")
ALSO_NL, ALSO_NL_KEY = make_person("Three", "NL", b"lists")
KEYS = {ONE: ONE_KEY, TWO: TWO_KEY, ALSO_NL: ALSO_NL_KEY}


def _file(numbers: list[int], provider: HashProvider = ONE) -> bytes:
    hashes = [image_hash(n) for n in numbers]
    random = DeterministicRandom(b"list")
    return sign_hash_list(provider, KEYS[provider], "made-up", 64, hashes, random)


def _list(numbers: list[int], provider: HashProvider = ONE) -> HashList:
    return parse_hash_list(_file(numbers, provider))


def test_a_list_comes_back_sorted_and_distinct() -> None:
    listed = _list([3, 1, 2, 1])
    wanted = sorted(image_hash(n) for n in (1, 2, 3))
    assert [row.tobytes() for row in listed.hashes] == wanted
    assert (listed.provider, listed.algorithm, listed.bit_len) == (ONE, "made-up", 64)
    assert listed.content_class == "csam"


def test_a_list_may_be_empty() -> None:
    assert len(_list([]).hashes) == 0


def test_another_providers_key_signs_nothing() -> None:
    with pytest.raises(SignatureError):
        sign_hash_list(ONE, TWO_KEY, "made-up", 64, [])


def test_a_hash_of_another_width_is_refused() -> None:
    with pytest.raises(LengthError):
        sort_hashes([b"1234567"], 64)


def test_the_commitment_hides_behind_a_salt_and_binds_every_hash() -> None:
    listed = _list([1, 2, 3])
    salted = HashList(ONE, "made-up", 64, listed.hashes, bytes(32))
    assert salted.commitment != listed.commitment
    changed = listed.hashes.copy()
    changed[0, 0] ^= 1
    assert HashList(ONE, "made-up", 64, changed, listed.salt).commitment != listed.commitment


@pytest.mark.parametrize("name", ["algorithm", "count", "salt", "commitment", "jurisdiction"])
def test_no_field_of_the_header_can_be_changed(name: str) -> None:
    first, rest = _file([1, 2]).split(b"\n", 1)
    header = json.loads(first)
    value = header[name]
    other = value + 1 if isinstance(value, int) else {"NL": "DE"}.get(value, value[::-1])
    changed = to_canonical_json({**header, name: other})
    with pytest.raises(SignatureError):
        parse_hash_list(changed + b"\n" + rest)


def _resigned(**change: object) -> bytes:
    """The provider's own list with another header, properly signed."""
    first, rest = _file([1, 2]).split(b"\n", 1)
    header = {k: v for k, v in json.loads(first).items() if k != "signature"} | change
    signature = ONE_KEY.sign("hash list", to_canonical_json(header)).hex()
    return to_canonical_json({**header, "signature": signature}) + b"\n" + rest


def test_measured_open_slots_and_picture_count_come_back() -> None:
    listed = parse_hash_list(_resigned(open_slots={"1": [5], "8": [3, 2]}, picture_count=1))
    assert listed.open_slots == {1: (5,), 8: (3, 2)}
    assert listed.picture_count == 1
    assert _list([1, 2]).picture_count == 2
    assert _list([1, 2]).open_slots == {}


@pytest.mark.parametrize(
    "value",
    [
        {"0": []},
        {"65": [1]},
        {"01": [1]},
        {"-1": [1]},
        {"x": [1]},
        {"": [1]},
        {"9" * 5000: [1]},
        {"\u0661": [1]},
        {"1": [1, 1, 1]},
        {"1": [True]},
        {"1": [-1]},
        {"1": [2**31]},
        {"1": 1},
        [],
    ],
)
def test_open_slots_of_another_form_are_refused(value: object) -> None:
    with pytest.raises(EncodingError):
        parse_hash_list(_resigned(open_slots=value))


def test_every_flipped_bit_of_a_file_is_refused() -> None:
    data = _file([1])
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        with pytest.raises((InputError, VerificationError, DuplicateError)):
            parse_hash_list(bytes(changed))


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"{}\n", b'{"format":"other"}\n', b"not json\n", b"\xff\xfe\n"],
)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        parse_hash_list(data)


def test_the_set_is_what_enough_jurisdictions_list() -> None:
    lists = [_list([1, 2, 3]), _list([2, 3, 4], TWO), _list([3, 5, 1], ALSO_NL)]
    common = intersect(lists, 2)
    # 1 is listed twice, but from one jurisdiction only.
    assert np.array_equal(common, sort_hashes([image_hash(2), image_hash(3)], 64))


def test_too_few_jurisdictions_make_no_set() -> None:
    with pytest.raises(VerificationError):
        intersect([_list([1]), _list([1], ALSO_NL)], 2)
    with pytest.raises(InputError):
        intersect([], 2)


def test_lists_of_different_hashes_or_classes_do_not_mix() -> None:
    first, second = _list([1]), _list([1], TWO)
    other = HashList(TWO, "other", 64, second.hashes, second.salt)
    wider = HashList(TWO, "made-up", 61, second.hashes, second.salt)
    lawful = HashList(TWO, "made-up", 64, second.hashes, second.salt, "lawful")
    for odd in (other, wider, lawful):
        with pytest.raises(InputError):
            intersect([first, odd], 2)


@pytest.mark.parametrize(
    ("name", "jurisdiction"),
    [("", "NL"), (" One", "NL"), ("One", "nl"), ("One", "NLD"), ("One", "")],
)
def test_a_provider_has_a_name_and_a_jurisdiction(name: str, jurisdiction: str) -> None:
    with pytest.raises(EncodingError):
        check_provider(name, jurisdiction, bytes(32))


def test_a_provider_is_parsed_strictly() -> None:
    assert parse_provider(ONE.to_json()) == ONE
    assert len(ONE.key_id) == 8
    with pytest.raises(EncodingError):
        parse_provider({**ONE.to_json(), "more": 1})
    with pytest.raises(LengthError):
        parse_provider({**ONE.to_json(), "public_key": "00"})
