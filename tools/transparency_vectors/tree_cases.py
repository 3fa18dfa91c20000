"""Trees, proofs and tiles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from transparency_vectors.parts import ENTRIES, LEAVES, OWN, Case, case
from veilmatch.transparency.tiles import append_entries
from veilmatch.transparency.tree import EMPTY_ROOT, build_root

RFC = "RFC 6962 section 2.1.3 and the tests of the first implementation of Certificate Transparency"
CT_ENTRIES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
CT_B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
CT_C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
CT_D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
CT_E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
CT_F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
CT_INCLUSION = {
    (0, 1): [],
    (0, 8): [CT_A, CT_B, CT_C],
    (5, 8): [CT_D, CT_E, CT_ROOTS[4]],
    (2, 3): [CT_ROOTS[2]],
    (1, 5): [CT_ROOTS[1], CT_B, CT_D],
}
CT_CONSISTENCY = {
    (1, 1): [],
    (1, 8): [CT_A, CT_B, CT_C],
    (6, 8): [CT_F, CT_E, CT_ROOTS[4]],
    (2, 5): [CT_B, CT_D],
}


def tree_cases(_: dict[str, Case]) -> Iterator[Case]:
    """Cases of section 3."""
    for size, root in enumerate(CT_ROOTS):
        given = {"operation": "root", "entries": CT_ENTRIES[:size]}
        yield case(f"root-{size}", "the root of the tree", given, {"root": root}, RFC)
    for (index, size), proof in CT_INCLUSION.items():
        given = inclusion(index, size, proof)
        yield case(f"inclusion-{index}-{size}", "rules M-2 and M-3", given, {"proof": proof}, RFC)
    for (old, size), proof in CT_CONSISTENCY.items():
        given = consistency(old, size, proof)
        yield case(f"consistency-{old}-{size}", "rules M-2 and M-4", given, {"proof": proof}, RFC)
    yield from false_proofs()


def inclusion(index: int, size: int, proof: list[str]) -> Case:
    """Put an inclusion proof together."""
    return {
        "operation": "inclusion",
        "entry": CT_ENTRIES[index % 8],
        "index": index,
        "size": size,
        "proof": proof,
        "root": CT_ROOTS[size],
    }


def consistency(old: int, size: int, proof: list[str]) -> Case:
    """Put a consistency proof together."""
    return {
        "operation": "consistency",
        "old_size": old,
        "size": size,
        "old_root": CT_ROOTS[old],
        "root": CT_ROOTS[size],
        "proof": proof,
    }


def false_proofs() -> Iterator[Case]:
    """Proofs that prove nothing."""
    path = CT_INCLUSION[(5, 8)]
    grown = CT_CONSISTENCY[(6, 8)]
    zeros = "00" * 32
    cases = [
        ("index-outside", "rule M-3", inclusion(8, 8, path)),
        ("wrong-index", "another place", inclusion(4, 8, path)),
        ("path-too-short", "a hash is missing", inclusion(5, 8, path[:-1])),
        ("path-too-long", "a hash too many", inclusion(5, 8, [*path, zeros])),
        ("path-reversed", "the order counts", inclusion(5, 8, path[::-1])),
        ("other-root", "the root of a smaller tree", inclusion(5, 8, path) | {"root": CT_ROOTS[7]}),
        ("64-hashes", "rule M-1", inclusion(5, 8, [zeros] * 64)),
        ("shrinking", "the older tree is larger", consistency(8, 6, grown)),
        ("fork", "another old root", consistency(6, 8, grown) | {"old_root": CT_ROOTS[5]}),
        ("no-proof", "a proof is needed", consistency(6, 8, [])),
        ("proof-too-long", "a hash too many", consistency(6, 8, [*grown, zeros])),
        ("same-size-fork", "rule M-4", consistency(8, 8, []) | {"old_root": CT_ROOTS[7]}),
        ("proof-of-nothing", "rule M-4", consistency(8, 8, [zeros])),
        ("proof-from-empty", "rule M-4", consistency(0, 8, [zeros])),
        ("false-empty", "rule M-4", consistency(0, 8, []) | {"old_root": zeros}),
    ]
    for name, reason, given in cases:
        yield case(name, reason, given, "ProofError")
    short = inclusion(5, 8, ["00", *path[1:]])
    yield case("short-hash", "a hash of one byte", short, "LengthError")


def tile_cases(_: dict[str, Case]) -> Iterator[Case]:
    """Cases of section 4."""
    paths = [
        ("c2sp-index", "tile/0/x001/x234/067", (0, 1234067, 256), "c2sp.org/tlog-tiles"),
        ("partial", "tile/1/000.p/17", (1, 0, 17), "c2sp.org/tlog-tiles"),
        ("entries", "tile/entries/999", (-1, 999, 256), OWN),
        ("four-digits", "tile/63/x001/000.p/255", (63, 1000, 255), OWN),
    ]
    for name, path, (level, index, width), source in paths:
        expected = {"level": level, "index": index, "width": width}
        yield case(f"path-{name}", "rules L-1 to L-3", path_of(path), expected, source)
    for name, path in (
        ("height", "tile/8/0/000"),
        ("leading-zero-level", "tile/00/000"),
        ("level-64", "tile/64/000"),
        ("short-group", "tile/0/00"),
        ("leading-zero-group", "tile/0/x000/001"),
        ("missing-x", "tile/0/001/000"),
        ("width-0", "tile/0/000.p/0"),
        ("width-256", "tile/0/000.p/256"),
        ("other-digits", "tile/0/\u0660\u0660\u0660"),
    ):
        yield case(f"path-{name}", "a second spelling, or none", path_of(path), "EncodingError")
    for sizes in ([1], [255, 256], [256, 257], [100, 300]):
        yield append_case(sizes)


def path_of(path: str) -> Case:
    """Put a path to be parsed together."""
    return {"operation": "path", "path": path}


def append_case(sizes: list[int]) -> Case:
    """Grow a tree through sizes and list its files."""
    files: dict[str, bytes] = {}
    size, root = 0, EMPTY_ROOT
    for end in sizes:
        update = append_entries(size, root, ENTRIES[size:end], files.__getitem__)
        files |= dict(update.files)
        size, root = update.size, update.root
    given = {"operation": "append", "entry_label": "entry %d", "sizes": sizes}
    expected = {
        "root": build_root(LEAVES[:size]).hex(),
        "files": {path: hashlib.sha256(data).hexdigest() for path, data in files.items()},
    }
    name = "append-" + "-".join(map(str, sizes))
    return case(name, "files in the order written, by SHA-256", given, expected)
