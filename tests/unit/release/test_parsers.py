"""Shard list and metadata under garbage: named errors only, and what is cut fits together."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from tests.publication import Publisher, make_person
from tests.simulator import NOW
from veilmatch.errors import EncodingError, Error, TableError
from veilmatch.release.metadata_chain import MetadataFiles, verify_metadata
from veilmatch.release.shards import (
    ShardList,
    build_shard_list,
    cut_shards,
    parse_shard_list,
    verify_shard,
)
from veilmatch.release.signed_metadata import parse_metadata

LEN = 4096
MANY = settings(max_examples=200, deadline=None)
PUBLISHER = Publisher([make_person("One", "NL"), make_person("Two", "CA")], now=NOW)
PUBLISHER.sign_targets({"manifest.json": b"{}"})
GOOD = {
    "root": PUBLISHER.root,
    "timestamp": PUBLISHER.timestamp,
    "snapshot": PUBLISHER.snapshot,
    "targets": PUBLISHER.targets,
}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@MANY
@given(st.lists(st.binary(max_size=3 * LEN), max_size=6))
def test_cut_shards_put_together_are_the_table(pieces: list[bytes]) -> None:
    table = b"".join(pieces)
    shards = list(cut_shards(pieces, LEN))
    assert b"".join(shards) == table
    listed = build_shard_list(shards, LEN)
    assert listed.table_len == len(table)
    for number, shard in enumerate(shards):
        offset, length = listed.span(number)
        assert table[offset : offset + length] == verify_shard(listed, number, shard)
    if table:
        assert parse_shard_list(listed.to_bytes()) == listed


@MANY
@given(st.integers(1, 3 * LEN), st.data())
def test_only_the_shard_itself_is_the_shard(length: int, data: st.DataObject) -> None:
    table = bytes(i % 251 for i in range(length))
    shards = list(cut_shards([table], LEN))
    listed = build_shard_list(shards, LEN)
    number = data.draw(st.integers(0, len(shards) - 1))
    bad = bytearray(shards[number])
    bad[data.draw(st.integers(0, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for changed in (bytes(bad), shards[number] + b"x", shards[number][:-1]):
        with pytest.raises(TableError):
            verify_shard(listed, number, changed)


@MANY
@given(st.binary(max_size=400) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_garbage_is_no_shard_list_and_no_metadata(data: bytes) -> None:
    with pytest.raises(Error):
        parse_shard_list(data)
    with pytest.raises(EncodingError):
        parse_metadata(data, Root)
    with pytest.raises(EncodingError):
        parse_metadata(data, Timestamp)
    with pytest.raises(EncodingError):
        parse_metadata(data, Snapshot)
    with pytest.raises(EncodingError):
        parse_metadata(data, Targets)


@pytest.mark.parametrize(
    "listed",
    [
        ShardList(10, LEN, ()),
        ShardList(LEN + 1, LEN, (bytes(32),)),
        ShardList(10, LEN, (bytes(32), bytes(32))),
        ShardList(10, 5000, (bytes(32),)),
        ShardList(10, 2048, (bytes(32),)),
        ShardList(10, 1 << 22, (bytes(32),)),
        ShardList(10, LEN, (bytes(31),)),
    ],
)
def test_lists_that_do_not_fit_together(listed: ShardList) -> None:
    with pytest.raises(Error):
        parse_shard_list(listed.to_bytes())


@MANY
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_changed_metadata_end_in_named_errors(role: str, data: st.DataObject) -> None:
    """Any value anywhere in signed metadata replaced by anything: refused, or without effect."""
    value = json.loads(GOOD[role])
    place, key = value, data.draw(st.sampled_from(sorted(value)))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place)))
    place[key] = data.draw(_JSON)
    changed = dict(GOOD)
    changed[role] = json.dumps(value).encode()
    files = MetadataFiles((), changed["timestamp"], changed["snapshot"], changed["targets"])
    try:
        found = verify_metadata(files, changed["root"], min_jurisdictions=2, now=NOW)
    except Error:
        return
    assert found.files["manifest.json"].length == 2
    assert {provider.name for provider in found.signed_by} == {"One", "Two"}
