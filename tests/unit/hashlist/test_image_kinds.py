"""Image hashes in lists: which are compared, which never go live."""

from __future__ import annotations

import pytest

from veilmatch.hashing.algorithms import algorithm_names, build_hasher
from veilmatch.hashlist.entry import ListEntry, Malformed, Record, build_entry
from veilmatch.hashlist.hygiene import Refusal, find_refusal
from veilmatch.hashlist.kinds import IMAGE_HASH_LEN, is_matchable


def test_every_hash_of_ours_is_a_kind_of_its_length() -> None:
    for name in algorithm_names():
        assert is_matchable(name)
        assert IMAGE_HASH_LEN[name] * 8 == build_hasher(name).bit_len


@pytest.mark.parametrize(
    ("kind", "value", "quality", "refusal"),
    [
        ("lfh", "ff" + "00" * 8, None, None),  # signs that are free of each other
        ("lfh", "00" * 9, None, Refusal.FLAT),
        ("lfh", "ff" * 9, None, Refusal.FLAT),
        ("lfh", "0f" * 8 + "00", 49, Refusal.LOW_QUALITY),
        ("lfh", "0f" * 8 + "00", 50, None),
        ("pdq", "ff" + "00" * 31, None, Refusal.FLAT),
        ("pdq", "0f" * 31 + "00", 0, Refusal.LOW_QUALITY),
        ("pdq", "0f" * 31 + "00", 100, None),
        ("neuralhash", "ff" + "00" * 11, None, Refusal.FLAT),
        ("sha256", "00" * 32, None, Refusal.PLACEHOLDER),
    ],
)
def test_what_is_refused(
    kind: str, value: str, quality: int | None, refusal: Refusal | None
) -> None:
    entry = build_entry(Record(1), kind, value, quality=quality)
    assert isinstance(entry, ListEntry)
    assert find_refusal(entry) is refusal


def test_a_hash_of_another_length_is_malformed() -> None:
    assert build_entry(Record(3), "lfh", "00" * 8) == Malformed(3, "lfh")
    assert isinstance(build_entry(Record(3), "lfh", "0F" * 9), ListEntry)
