"""What a release is built from, and what harmless pictures meet, straight from the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.liststore.fixture import NOW, entry, load, stage
from veilmatch.errors import ConfigError, EncodingError, PolicyError, VerificationError
from veilmatch.hashlist.entry import BENIGN, ListEntry, Record
from veilmatch.liststore.intersection import intersect_lists
from veilmatch.liststore.list_folder import ListFolder
from veilmatch.liststore.promotion import MetEntry, promote, quarantine_met
from veilmatch.liststore.staged_set import parse_attested, read_staged_set

VALUES = [bytes([16 * (n % 16)]) + bytes([n + 1]) * 8 for n in range(40)]
HEADER: dict[str, Any] = {
    "name": "One",
    "jurisdiction": "NL",
    "public_key": "00" * 32,
    "algorithm": "lfh",
    "bit_len": 72,
    "content_class": "csam",
    "count": 40,
    "picture_count": 7,
    "open_slots": {"8": [3, 1]},
    "commitment": "11" * 32,
}


def lfh(number: int, value: bytes, entry_id: str = "") -> ListEntry:
    return ListEntry(Record(number, entry_id), "lfh", value)


def attested(folder: ListFolder, name: str, place: str, values: list[bytes]) -> None:
    items = [lfh(number, value) for number, value in enumerate(values, start=1)]
    header = {**HEADER, "name": name, "jurisdiction": place}
    load(folder, name, items, jurisdiction=place, attested=lambda: header)


def test_the_set_is_what_enough_jurisdictions_list(tmp_path: Path) -> None:
    folder = ListFolder(tmp_path)
    attested(folder, "one", "NL", VALUES)
    attested(folder, "two", "CA", VALUES[10:])
    attested(folder, "three", "NL", VALUES[:10])
    load(folder, "other-kind", [entry(1, bytes(range(32)))], jurisdiction="DE")
    staged = read_staged_set(folder, [], "lfh", 2)
    assert [row.tobytes() for row in staged.hashes] == sorted(VALUES[10:])
    assert staged.hashes.dtype == np.uint8
    assert [one.list_id for one in staged.lists] == ["one", "three", "two"]
    assert staged.lists[0].open_slots == {8: (3, 1)}
    assert staged.lists[0].picture_count == 7
    with pytest.raises(VerificationError):
        read_staged_set(folder, ["one", "three"], "lfh", 2)


def test_only_attested_lists_of_one_image_hash_are_read(tmp_path: Path) -> None:
    folder = ListFolder(tmp_path)
    with pytest.raises(ConfigError, match="no live list"):
        read_staged_set(folder, [], "lfh", 1)
    load(folder, "plain", [lfh(1, VALUES[0])])
    with pytest.raises(ConfigError, match="no provider signed"):
        read_staged_set(folder, [], "lfh", 1)
    with pytest.raises(ConfigError, match="one kind of image hash"):
        read_staged_set(folder, [], "sha256", 1)
    wrong = {**HEADER, "algorithm": "pdq"}
    load(folder, "wrong", [lfh(1, VALUES[0])], attested=lambda: wrong)
    with pytest.raises(EncodingError, match="another image hash"):
        read_staged_set(folder, ["wrong"], "lfh", 1)


@pytest.mark.parametrize("name", sorted(HEADER))
def test_a_kept_header_is_parsed_strictly(name: str) -> None:
    assert parse_attested("one", HEADER).commitment == b"\x11" * 32
    with pytest.raises(EncodingError):
        parse_attested("one", {key: value for key, value in HEADER.items() if key != name})
    with pytest.raises(EncodingError):
        parse_attested("one", {**HEADER, name: [None]})
    with pytest.raises(EncodingError):
        parse_attested("one", {**HEADER, f"{name}2": 1})


def common(folder: ListFolder, out: Path) -> int:
    count: int = intersect_lists(folder, [], "lfh", 1, out)["count"]
    return count


def test_entries_that_harmless_pictures_meet_are_left_out_whole(tmp_path: Path) -> None:
    folder = ListFolder(tmp_path)
    rows = [lfh(1, VALUES[0], "a"), lfh(1, VALUES[1], "a"), lfh(2, VALUES[2], "b")]
    rows += [lfh(3, VALUES[3]), lfh(4, VALUES[4])]
    stage(folder, "one", rows)
    tried = [(VALUES[0], 5), (VALUES[0], 5), (VALUES[3], 9), (VALUES[3], 2), (VALUES[30], 1)]
    met = quarantine_met(folder, "one", "lfh", tried)
    assert met == [MetEntry("", "", 1, (2, 9)), MetEntry("a", "", 2, (5,))]
    assert not any(value.hex() in repr(met) for value in VALUES)
    promote(folder, "one", NOW)
    assert common(folder, tmp_path / "first") == 2
    # The same hash in another list stays out too.
    load(folder, "two", [lfh(1, VALUES[1]), lfh(2, VALUES[7])])
    assert common(folder, tmp_path / "second") == 3
    assert folder.open("one").count_quarantine() == 3
    assert folder.open("one").quarantine_path.stat().st_mode & 0o777 == 0o600
    # The live version is screened where nothing is staged; nothing met frees everything.
    assert quarantine_met(folder, "one", "lfh", [(VALUES[30], 1)]) == []
    assert common(folder, tmp_path / "third") == 6
    assert folder.open("one").count_quarantine() == 0
    assert not list(folder.open("one").path.glob(".screen-*"))


def test_only_known_bad_lists_with_a_version_are_screened(tmp_path: Path) -> None:
    folder = ListFolder(tmp_path)
    load(folder, "harmless", [lfh(1, VALUES[0])], purpose=BENIGN)
    with pytest.raises(PolicyError):
        quarantine_met(folder, "harmless", "lfh", [])
    with pytest.raises(ConfigError):
        quarantine_met(folder, "nothing", "lfh", [])
