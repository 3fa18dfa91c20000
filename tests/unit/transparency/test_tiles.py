from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from veilmatch.errors import EncodingError, Error, LengthError, ProofError, StoreError
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.tiles import (
    ENTRIES,
    ENTRY_LEN_MAX,
    FULL_WIDTH,
    Tile,
    TreeReader,
    append_entries,
    build_entry_bundle,
    parse_entry_bundle,
    parse_tile,
    parse_tile_path,
    read_verified_entries,
)
from veilmatch.transparency.tree import (
    EMPTY_ROOT,
    build_consistency_proof,
    build_inclusion_proof,
    build_root,
    build_subtree_reader,
    hash_leaf,
    verify_consistency,
    verify_inclusion,
)

from .small_log import build_disk, entry

tiles = st.builds(
    Tile, st.integers(-1, 63), st.integers(0, 2**63 - 1) | st.integers(0, 2000), st.integers(1, 256)
)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 0, 1), "tile/0/000.p/1"),
        (Tile(63, 999, 255), "tile/63/999.p/255"),
        (Tile(ENTRIES, 1000), "tile/entries/x001/000"),
        (Tile(7, 1_000_000, 2), "tile/7/x001/x000/000.p/2"),
    ],
)
def test_paths_of_the_specification(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert parse_tile_path(path) == tile


@given(tiles)
def test_every_path_survives_the_round(tile: Tile) -> None:
    assert parse_tile_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/8/0/000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/../000",
        "tile/0/٠٠٠",
        "tile/0/" + "x999/" * 6 + "999",
        "tile/0/" + "x999/" * 7 + "999",
        "tile/0/" + "x999/" * 60 + "999",
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(EncodingError):
        parse_tile_path(path)


@given(
    st.text("tile/entrisx0129.p", max_size=40)
    | st.from_regex(r"tile/(entries|\d{1,2})(/x?\d{3}){1,4}(\.p/\d{1,3})?", fullmatch=True)
)
def test_paths_fail_only_by_name(path: str) -> None:
    try:
        tile = parse_tile_path(path)
    except Error:
        return
    assert tile.path == path


@pytest.mark.parametrize(("level", "index", "width"), [(-2, 0, 1), (64, 0, 1), (0, -1, 1)])
def test_no_tile_without_a_path(level: int, index: int, width: int) -> None:
    with pytest.raises(EncodingError):
        Tile(level, index, width)
    for bad in (0, 257):
        with pytest.raises(EncodingError):
            Tile(0, 0, bad)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_survive_the_round(entries: list[bytes]) -> None:
    assert parse_entry_bundle(build_entry_bundle(entries), len(entries)) == tuple(entries)


@given(st.binary(max_size=40), st.integers(0, 5))
@example(b"\0", 1)
@example(b"\0\1", 1)
@example(b"\0\0\0", 1)
def test_bundles_and_tiles_fail_only_by_name(data: bytes, width: int) -> None:
    with contextlib.suppress(EncodingError, LengthError):
        assert build_entry_bundle(parse_entry_bundle(data, width)) == data
    with contextlib.suppress(LengthError):
        assert b"".join(parse_tile(data, width)) == data


def test_an_entry_has_a_longest_length() -> None:
    longest = bytes(ENTRY_LEN_MAX)
    assert parse_entry_bundle(build_entry_bundle([longest]), 1) == (longest,)
    with pytest.raises(LengthError):
        build_entry_bundle([longest + b"\0"])


def test_a_tree_of_70000_has_the_tiles_of_the_specification() -> None:
    disk = build_disk(70_000)
    parsed = [parse_tile_path(path) for path in disk.files]
    by_level = {
        level: sorted(tile.width for tile in parsed if tile.level == level)
        for level in (ENTRIES, 0, 1, 2, 3)
    }
    assert by_level[ENTRIES] == by_level[0] == [112] + [256] * 273
    assert by_level[1] == [17, 256]
    assert by_level[2] == [1]
    assert by_level[3] == []
    leaves = [hash_leaf(entry(index)) for index in range(70_000)]
    assert disk.root == build_root(leaves)
    reader = TreeReader(70_000, disk.read)
    for index in (0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999):
        proof = build_inclusion_proof(index, 70_000, reader.read_subtree)
        verify_inclusion(leaves[index], index, 70_000, proof, disk.root)
    for old_size in (1, 256, 4_097, 65_536, 69_999):
        proof = build_consistency_proof(old_size, 70_000, reader.read_subtree)
        verify_consistency(old_size, 70_000, build_root(leaves[:old_size]), disk.root, proof)


def test_a_tree_of_256_has_a_level_above() -> None:
    assert set(build_disk(256).files) == {"tile/entries/000", "tile/0/000", "tile/1/000.p/1"}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=6), st.data())
def test_any_batches_give_the_same_tree(batches: list[int], data: st.DataObject) -> None:
    disk = build_disk(*batches)
    leaves = [hash_leaf(entry(index)) for index in range(disk.size)]
    assert disk.root == build_root(leaves)
    if not leaves:
        assert not disk.files
        return
    # Every size that was ever published can still be proved from the tiles.
    sizes = [sum(batches[: count + 1]) for count in range(len(batches))]
    size = data.draw(st.sampled_from([size for size in sizes if size]))
    reader = TreeReader(size, disk.read)
    memory = build_subtree_reader(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = build_inclusion_proof(index, size, reader.read_subtree)
    assert proof == build_inclusion_proof(index, size, memory)
    old_size = data.draw(st.integers(0, size))
    consistency = build_consistency_proof(old_size, size, reader.read_subtree)
    assert consistency == build_consistency_proof(old_size, size, memory)
    checkpoint = Checkpoint("log.example", size, build_root(leaves[:size]))
    assert read_verified_entries(checkpoint, disk.read) == tuple(
        entry(index) for index in range(size)
    )


def test_the_update_brings_the_proof_for_the_witnesses() -> None:
    disk = build_disk(300)
    old_size, old_root = disk.size, disk.root
    proof = disk.append([entry(300), entry(301)])
    verify_consistency(old_size, disk.size, old_root, disk.root, proof)


def test_a_dropped_partial_tile_is_read_from_the_full_one() -> None:
    disk = build_disk(100, 200)
    for path in list(disk.files):
        if ".p/100" in path:
            del disk.files[path]
    reader = TreeReader(100, disk.read)
    assert reader.build_root() == build_root([hash_leaf(entry(i)) for i in range(100)])
    assert reader.read_entries(0) == tuple(entry(i) for i in range(100))
    del disk.files["tile/0/000"]
    with pytest.raises(StoreError):
        TreeReader(100, disk.read).build_root()
    with pytest.raises(StoreError):
        TreeReader(300, disk.read).read_hashes(0, 0)


@pytest.mark.parametrize("size", [1, 200, 256, 300, 700])
def test_a_damaged_disk_stops_the_log(size: int) -> None:
    disk = build_disk(size)
    needed = [path for path in disk.files if ".p/" in path]
    for path in needed:
        good = disk.files[path]
        disk.files[path] = good[:-1] + bytes([good[-1] ^ 1])
        with pytest.raises(ProofError):
            append_entries(size, disk.root, [b"next"], disk.read)
        disk.files[path] = good[:-1]
        with pytest.raises((EncodingError, LengthError)):
            append_entries(size, disk.root, [b"next"], disk.read)
        disk.files[path] = good
    with pytest.raises(ProofError):
        append_entries(size, EMPTY_ROOT, [b"next"], disk.read)
    with pytest.raises(LengthError):
        append_entries(size, disk.root, [bytes(ENTRY_LEN_MAX + 1)], disk.read)


def test_files_come_with_entries_first() -> None:
    update = append_entries(0, EMPTY_ROOT, [entry(i) for i in range(300)], lambda _: b"")
    assert [path for path, _ in update.files] == [
        "tile/entries/000",
        "tile/entries/001.p/44",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
    ]
    assert append_entries(0, EMPTY_ROOT, [], lambda _: b"").files == ()
    assert repr(update) == "TreeUpdate(size=300)"


def test_changed_entries_are_noticed() -> None:
    disk = build_disk(300)
    checkpoint = Checkpoint("log.example", 300, disk.root)
    for path in ("tile/entries/000", "tile/entries/001.p/44"):
        good = disk.files[path]
        disk.files[path] = good[:-1] + bytes([good[-1] ^ 1])
        with pytest.raises(ProofError):
            read_verified_entries(checkpoint, disk.read)
        disk.files[path] = good
    assert len(read_verified_entries(checkpoint, disk.read)) == 300
    assert read_verified_entries(Checkpoint("log.example", 0, EMPTY_ROOT), disk.read) == ()


def test_a_reader_stays_inside_its_tree() -> None:
    reader = TreeReader(300, build_disk(300).read)
    for first, end in ((0, 301), (-1, 2), (5, 5), (1, 3), (2, 6)):
        with pytest.raises(ProofError):
            reader.read_subtree(first, end)
    with pytest.raises(EncodingError):
        TreeReader(-1, lambda _: b"")
    with pytest.raises(EncodingError):
        reader.read_entries(2)
    assert FULL_WIDTH == 256


def test_a_reader_forgets_tiles_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("veilmatch.transparency.tiles._CACHE_MAX", 1)
    disk = build_disk(700)
    reader = TreeReader(700, disk.read)
    for _ in range(2):
        assert reader.build_root() == disk.root
