"""The tree cut into tiles: plain files that any web server, disk or stick can hold.

A tile has up to 256 hashes of one level, an entry bundle up to 256 entries. What is once
written is never changed; a log only adds files. Reading and writing are arguments here:
``read_tile(path)`` gives bytes or raises ``UnavailableError``, and appending returns the
files to write, in the order they must be written.

Spec: ``spec/80-transparency.md`` section 4.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError, LengthError, ProofError, UnavailableError
from veilmatch.transparency.checkpoint import HASH_LEN, SIZE_MAX, Checkpoint
from veilmatch.transparency.tree import (
    EMPTY_ROOT,
    build_consistency_proof,
    build_root,
    hash_leaf,
    hash_node,
    verify_consistency,
)

FULL_WIDTH = 256
_HEIGHT = 8
ENTRIES = -1
"""Stands for the level in the tiles that hold entries."""
LEVEL_MAX = 63
ENTRY_LEN_MAX = 0xFFFF
_CACHE_MAX = 4096
_PATH_LEN_MAX = 200
_PATH = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)

ReadTile = Callable[[str], bytes]
"""Gives the file at a path. Raises ``UnavailableError`` if there is none."""


@dataclass(frozen=True)
class Tile:
    """Which hashes or entries a file holds.

    Attributes:
        level: 0 for leaf hashes, each level 256 times coarser; ``ENTRIES`` for entries.
        index: Number of the tile in its level, from 0.
        width: How many it holds, 1 to 256; below 256 the tile is partial.

    Raises:
        EncodingError: A number is out of range.

    Source: spec/80-transparency.md rules L-1 to L-4.
    """

    level: int
    index: int
    width: int = FULL_WIDTH

    def __post_init__(self) -> None:
        if not ENTRIES <= self.level <= LEVEL_MAX:
            raise EncodingError("the tile level is out of range", field="tile level")
        if not 0 <= self.index <= SIZE_MAX:
            raise EncodingError("the tile index is out of range", field="tile index")
        if not 1 <= self.width <= FULL_WIDTH:
            raise EncodingError("the tile width is out of range", field="tile width")

    @property
    def path(self) -> str:
        """Path below the log's prefix, for example ``tile/0/x001/x234/067.p/9``."""
        rest, last = divmod(self.index, 1000)
        groups = [f"{last:03d}"]
        while rest:
            rest, last = divmod(rest, 1000)
            groups.append(f"x{last:03d}")
        level = "entries" if self.level == ENTRIES else str(self.level)
        suffix = f".p/{self.width}" if self.width < FULL_WIDTH else ""
        return f"tile/{level}/{'/'.join(reversed(groups))}{suffix}"


def parse_tile_path(path: str) -> Tile:
    """Read a tile's path. The inverse is ``Tile.path``.

    Raises:
        EncodingError: Not the path of a tile, or a second spelling of one.

    Source: spec/80-transparency.md rules L-1 to L-3.
    """
    found = _PATH.fullmatch(path, 0, _PATH_LEN_MAX)
    if not found or len(path) > _PATH_LEN_MAX:
        raise EncodingError("not the path of a tile", field="tile path")
    level, groups, width = found.groups()
    digits = groups.replace("x", "").replace("/", "")
    tile = Tile(
        ENTRIES if level == "entries" else int(level),
        int(digits),
        int(width) if width else FULL_WIDTH,
    )
    if tile.path != path:
        raise EncodingError("a second spelling of a tile's path", field="tile path")
    return tile


def parse_tile(data: bytes, width: int) -> tuple[bytes, ...]:
    """Split a tile of hashes. Not checked: that the hashes are those of the tree.

    Raises:
        LengthError: The file does not hold exactly ``width`` hashes.
    """
    if len(data) != HASH_LEN * width:
        raise LengthError("tile", HASH_LEN * width, len(data))
    return tuple(data[start : start + HASH_LEN] for start in range(0, len(data), HASH_LEN))


def parse_entry_bundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """Split an entry bundle, each entry after its length in two bytes.

    Raises:
        EncodingError: Cut off in the middle of an entry.
        LengthError: Another number of entries than ``width``.

    Source: spec/80-transparency.md rule L-5.
    """
    entries = []
    offset = 0
    while offset < len(data):
        end = offset + 2 + int.from_bytes(data[offset : offset + 2])
        if end > len(data):
            raise EncodingError("an entry is cut off", field="entry bundle", offset=offset)
        entries.append(data[offset + 2 : end])
        offset = end
    if len(entries) != width:
        raise LengthError("entry bundle", width, len(entries))
    return tuple(entries)


def build_entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Join entries to a bundle. The inverse is ``parse_entry_bundle``.

    Raises:
        LengthError: An entry is longer than ``ENTRY_LEN_MAX``.
    """
    for entry in entries:
        if len(entry) > ENTRY_LEN_MAX:
            raise LengthError("entry", ENTRY_LEN_MAX, len(entry))
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


class TreeReader:
    """Reads roots of subtrees and entries of the tree of one size from its tiles.

    Args:
        size: Size of the tree.
        read_tile: Where files come from.

    Not checked: that the tiles are true. Whoever reads for himself compares ``build_root``
    with a verified checkpoint, or verifies the proofs made from what is read here.

    Source: spec/80-transparency.md rules L-4 to L-7.
    """

    def __init__(self, size: int, read_tile: ReadTile) -> None:
        if not 0 <= size <= SIZE_MAX:
            raise EncodingError("tree size is out of range", field="tree size")
        self.size = size
        self._read_tile = read_tile
        self._hashes: dict[Tile, tuple[bytes, ...]] = {}

    def _find_tile(self, level: int, index: int) -> Tile:
        shift = _HEIGHT * max(level, 0)
        return Tile(level, index, min(FULL_WIDTH, (self.size >> shift) - index * FULL_WIDTH))

    def _read(self, tile: Tile) -> tuple[bytes, Tile]:
        try:
            return self._read_tile(tile.path), tile
        except UnavailableError:
            # A log may drop a partial tile as soon as the full one is there.
            if tile.width == FULL_WIDTH:
                raise
            full = Tile(tile.level, tile.index)
            return self._read_tile(full.path), full

    def read_hashes(self, level: int, index: int) -> tuple[bytes, ...]:
        """Read the hashes of one tile, as many as the tree of this size has in it.

        Raises:
            LengthError: The file has another length than its place asks for.
            UnavailableError: The file is not there.
        """
        tile = self._find_tile(level, index)
        if tile not in self._hashes:
            data, found = self._read(tile)
            if len(self._hashes) >= _CACHE_MAX:
                self._hashes.clear()
            self._hashes[tile] = parse_tile(data, found.width)[: tile.width]
        return self._hashes[tile]

    def read_entries(self, index: int) -> tuple[bytes, ...]:
        """Read the entries of one bundle, as many as the tree of this size has in it.

        Raises:
            EncodingError: The bundle is malformed.
            LengthError: It has another number of entries than its place asks for.
            UnavailableError: The file is not there.
        """
        tile = self._find_tile(ENTRIES, index)
        data, found = self._read(tile)
        return parse_entry_bundle(data, found.width)[: tile.width]

    def read_subtree(self, first: int, end: int) -> bytes:
        """Build the root over entries ``first`` to ``end``, a subtree that proofs ask for.

        Raises:
            ProofError: No subtree of the tree of this size.
        """
        count = end - first
        if first < 0 or count < 1 or end > self.size:
            raise ProofError("the subtree lies outside the tree")
        if count & (count - 1):
            middle = first + (1 << (count.bit_length() - 1))
            return hash_node(self.read_subtree(first, middle), self.read_subtree(middle, end))
        if first % count:
            raise ProofError("no subtree of the tree")
        level, rest = divmod(count.bit_length() - 1, _HEIGHT)
        index, offset = divmod(first >> (_HEIGHT * level), FULL_WIDTH)
        return build_root(self.read_hashes(level, index)[offset : offset + (1 << rest)])

    def build_root(self) -> bytes:
        """Build the root of the whole tree from the tiles at its right edge."""
        return self.read_subtree(0, self.size) if self.size else EMPTY_ROOT


def read_verified_entries(checkpoint: Checkpoint, read_tile: ReadTile) -> tuple[bytes, ...]:
    """Read every entry and rebuild the tree from the entries alone.

    Run by monitors and auditors: it trusts no tile of hashes. All entries are held in memory;
    an entry of this log has 32 bytes.

    Args:
        checkpoint: From ``policy.verify_checkpoint``.
        read_tile: Where entry bundles come from.

    Raises:
        ProofError: The entries do not have the root that the checkpoint states.
        EncodingError: A bundle is malformed.
        LengthError: A bundle has another number of entries than its place asks for.
        UnavailableError: A bundle is not there.

    Source: spec/80-transparency.md rule L-8.
    """
    reader = TreeReader(checkpoint.size, read_tile)
    entries: list[bytes] = []
    for index in range(-(-checkpoint.size // FULL_WIDTH)):
        entries += reader.read_entries(index)
    if build_root([hash_leaf(entry) for entry in entries]) != checkpoint.root:
        raise ProofError("the entries do not have the root of the checkpoint")
    return tuple(entries)


@dataclass(frozen=True)
class TreeUpdate:
    """The tree after entries were appended, and the files that make it so.

    Attributes:
        size: Size of the new tree.
        root: ``bytes (32,)``, its root.
        files: Path and content, to be written in this order and before any checkpoint.
        proof: Consistency proof from the old tree to the new one, as witnesses ask for.
    """

    size: int
    root: bytes = field(repr=False)
    files: tuple[tuple[str, bytes], ...] = field(repr=False)
    proof: tuple[bytes, ...] = field(repr=False)


def append_entries(
    size: int, root: bytes, entries: Sequence[bytes], read_tile: ReadTile
) -> TreeUpdate:
    """Append entries to a tree. Run by the log, one append at a time.

    The tree at hand is checked against its root first and against the new one at the end, so
    that a damaged disk stops the log instead of forking it.

    Args:
        size: Size of the tree at hand, from the log's last checkpoint.
        root: ``bytes (32,)``, its root, from the same checkpoint.
        entries: In order, at most ``ENTRY_LEN_MAX`` bytes each.
        read_tile: Where the tiles of the tree at hand are.

    Raises:
        ProofError: The tiles are not those of the root.
        LengthError: An entry is too long or a tile has a wrong length.
        UnavailableError: A tile is not there.

    Cost: memory for the new tiles; about 70 bytes for each entry of 32.

    Source: spec/80-transparency.md rules L-9 to L-11.
    """
    old = TreeReader(size, read_tile)
    if old.build_root() != root:
        raise ProofError("the tiles do not have the root of the last checkpoint")
    files = _append_bundles(old, entries) | _append_hashes(old, [hash_leaf(e) for e in entries])

    def read_new(path: str) -> bytes:
        return files[path] if path in files else read_tile(path)

    new = TreeReader(size + len(entries), read_new)
    new_root = new.build_root()
    proof = build_consistency_proof(size, new.size, new.read_subtree)
    verify_consistency(size, new.size, root, new_root, proof)
    return TreeUpdate(new.size, new_root, tuple(files.items()), proof)


def _append_bundles(old: TreeReader, entries: Sequence[bytes]) -> dict[str, bytes]:
    index, filled = divmod(old.size, FULL_WIDTH)
    started: tuple[bytes, ...] = ()
    if filled and entries:
        started = old.read_entries(index)
        if tuple(map(hash_leaf, started)) != old.read_hashes(0, index):
            raise ProofError("the last entry bundle is not that of the tree")
    items = (*started, *entries)
    files = {}
    for start in range(0, len(items) if entries else 0, FULL_WIDTH):
        part = items[start : start + FULL_WIDTH]
        tile = Tile(ENTRIES, index + start // FULL_WIDTH, len(part))
        files[tile.path] = build_entry_bundle(part)
    return files


def _append_hashes(old: TreeReader, leaves: list[bytes]) -> dict[str, bytes]:
    files = {}
    level, added = 0, leaves
    while added:
        index, filled = divmod(old.size >> (_HEIGHT * level), FULL_WIDTH)
        items = [*(old.read_hashes(level, index) if filled else ()), *added]
        above = []
        for start in range(0, len(items), FULL_WIDTH):
            part = items[start : start + FULL_WIDTH]
            files[Tile(level, index + start // FULL_WIDTH, len(part)).path] = b"".join(part)
            if len(part) == FULL_WIDTH:
                above.append(build_root(part))
        level, added = level + 1, above
    return files
