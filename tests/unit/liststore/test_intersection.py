"""The intersection on disk is the set that the definition says."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.liststore.fixture import HASHES, NOW, entries, load, query, stage
from veilmatch.errors import ConfigError, PolicyError, VerificationError
from veilmatch.hashlist.entry import BENIGN, NEGATIVE
from veilmatch.hashlist.formats.json_lines import parse_json_lines
from veilmatch.liststore.intersection import intersect_lists
from veilmatch.liststore.list_folder import ListFolder
from veilmatch.liststore.promotion import withdraw_entries, withdraw_list


@pytest.fixture
def folder(tmp_path: Path) -> ListFolder:
    return ListFolder(tmp_path / "store")


def result(out: Path) -> list[bytes]:
    found = []
    for (value,) in query(f"SELECT value FROM '{out}/*.parquet'"):
        assert isinstance(value, bytes)
        found.append(value)
    return found


def run(folder: ListFolder, count: int = 2, *lists: str) -> set[bytes]:
    out = folder.root / f"out-{random.random()}"
    said = intersect_lists(folder, lists, "pdq", count, out)
    found = result(out)
    assert said["count"] == len(found) == len(set(found))
    assert json.loads((out / "result.json").read_bytes()) == said
    return set(found)


def test_two_lists_of_one_jurisdiction_count_once(folder: ListFolder) -> None:
    load(folder, "a", entries(HASHES[:60]), jurisdiction="NL")
    load(folder, "b", entries(HASHES[20:80]), jurisdiction="NL")
    load(folder, "c", entries(HASHES[40:100]), jurisdiction="CA")
    load(folder, "d", entries(HASHES[70:120]), jurisdiction="GB")
    assert run(folder, 1) == set(HASHES[:120])
    assert run(folder, 2) == set(HASHES[40:100])
    assert run(folder, 3) == set(HASHES[70:80])
    assert run(folder, 2, "a", "c") == set(HASHES[40:60])
    with pytest.raises(VerificationError, match="too few"):
        run(folder, 2, "a", "b")


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    lists=st.lists(
        st.tuples(st.sampled_from(["NL", "CA", "GB"]), st.sets(st.integers(0, 30), min_size=1)),
        min_size=2,
        max_size=4,
    ),
    count=st.integers(1, 3),
)
def test_it_is_the_definition(
    lists: list[tuple[str, set[int]]], count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = ListFolder(tmp_path_factory.mktemp("store"))
    for number, (place, chosen) in enumerate(lists):
        load(folder, f"l{number}", entries(HASHES[i] for i in chosen), jurisdiction=place)
    where = {
        value: {place for place, chosen in lists if number in chosen}
        for number, value in enumerate(HASHES[:31])
    }
    if len({place for place, _ in lists}) < count:
        with pytest.raises(VerificationError):
            run(folder, count)
    else:
        assert run(folder, count) == {v for v, places in where.items() if len(places) >= count}


def test_what_was_taken_back_does_not_count(folder: ListFolder) -> None:
    load(folder, "a", entries(HASHES[:60]), jurisdiction="NL")
    load(folder, "c", entries(HASHES[:60]), jurisdiction="CA")
    load(folder, "c", entries(HASHES[:50]), jurisdiction="CA")  # ten are gone from the source
    assert run(folder) == set(HASHES[:50])
    withdraw_entries(folder, "a", [f"e{HASHES[0][:3].hex()}"], "a mistake")
    assert run(folder) == set(HASHES[1:50])
    # A later version brings it in again: still withdrawn.
    load(folder, "a", entries(HASHES[:61]), jurisdiction="NL")
    assert run(folder) == set(HASHES[1:50])
    load(folder, "known", entries(HASHES[40:45]), purpose=NEGATIVE)
    assert run(folder) == set(HASHES[1:40]) | set(HASHES[45:50])
    stage(folder, "c", entries(HASHES[:10]), jurisdiction="CA")  # staged, not live
    assert run(folder) == set(HASHES[1:40]) | set(HASHES[45:50])
    withdraw_list(folder, "c", "the source asked", NOW)
    with pytest.raises(VerificationError, match="too few"):
        run(folder)


def test_json_lines_are_what_the_provider_command_reads(folder: ListFolder) -> None:
    load(folder, "a", entries(HASHES[:60]), jurisdiction="NL")
    load(folder, "c", entries(HASHES[30:90]), jurisdiction="CA")
    out = folder.root / "out"
    intersect_lists(folder, [], "pdq", 2, out, json_lines=True)
    assert parse_json_lines((out / "hashes.jsonl").read_bytes(), 32) == sorted(HASHES[30:60])
    assert result(out) == sorted(HASHES[30:60])


def test_misuse_is_refused_by_name(folder: ListFolder, tmp_path: Path) -> None:
    load(folder, "a", entries(HASHES[:3]), jurisdiction="NL")
    load(folder, "good", entries(HASHES[5:9]), purpose=BENIGN)
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="cannot be compared"):
        intersect_lists(folder, ["a"], "photodna", 1, out)
    with pytest.raises(PolicyError, match="known-bad"):
        intersect_lists(folder, ["good"], "pdq", 1, out)
    with pytest.raises(ConfigError, match="twice"):
        intersect_lists(folder, ["a", "a"], "pdq", 1, out)
    with pytest.raises(ConfigError):
        intersect_lists(folder, ["a"], "pdq", 0, out)
    with pytest.raises(ConfigError, match="not there"):
        intersect_lists(folder, ["missing"], "pdq", 1, out)
    assert not out.exists()
    out.mkdir()
    with pytest.raises(ConfigError, match="already there"):
        intersect_lists(folder, ["a"], "pdq", 1, out)
    assert list(tmp_path.glob("*.tmp")) == []
