"""The scene holds what it says at every threshold; the summary says what happened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veilmatch.demo.copies import KINDS
from veilmatch.demo.play import AccountOutcome, Outcome
from veilmatch.demo.pool import PoolPicture, collect_pool
from veilmatch.demo.scene import (
    LIBRARY,
    LISTED_BY_BOTH,
    MAX_MIN_SHARES,
    ONE_SIDED_IN_C,
    known_counts,
    lay_scene,
    pool_size,
)
from veilmatch.demo.summary import is_as_promised, summarise, to_json


def _write_picture(path: Path, number: int) -> None:
    """A picture of 40 x 40 pixels that no other number has."""
    pixels = np.zeros((40, 40, 3), dtype=np.uint8)
    pixels[:20, :20] = [number % 251, number // 251, 90]
    Image.fromarray(pixels).save(path, "PNG")


@pytest.mark.parametrize("min_shares", [2, 5, 31, 100, MAX_MIN_SHARES])
def test_scene_of_every_threshold(tmp_path: Path, min_shares: int) -> None:
    files = tmp_path / "files"
    files.mkdir()
    pool = []
    for number in range(pool_size(min_shares)):
        path = files / f"{number}.png"
        _write_picture(path, number)
        pool.append(PoolPicture(path, number.to_bytes(32, "big")))
    scene = lay_scene(pool, tmp_path / "scene", min_shares, seed=3)

    def content(folder: Path) -> set[bytes]:
        return {path.read_bytes() for path in folder.iterdir()}

    one, two = (content(folder) for folder in scene.providers)
    assert len(one & two) == LISTED_BY_BOTH
    expected = known_counts(min_shares)
    assert expected["B"] == min_shares - 1
    assert expected["A"] >= min_shares
    for name, folder in scene.accounts.items():
        held = content(folder)
        assert sum(1 for _ in folder.iterdir()) == LIBRARY
        known = held & one & two
        same = {path.read_bytes() for path, kind in scene.known[name].items() if kind == "same"}
        assert len(scene.known[name]) == expected[name]
        assert same == known
        kinds = set(scene.known[name].values())
        assert kinds == (set(KINDS) if name == "A" else kinds & {"same"})
        one_sided = held & (one ^ two)
        assert len(one_sided) == (ONE_SIDED_IN_C if name == "C" else 0)
    assert scene.file_count() >= 2000


def test_same_seed_lays_the_same_scene(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    _write_picture(path, 1)
    pool = [PoolPicture(path, n.to_bytes(32, "big")) for n in range(pool_size(31))]
    first = lay_scene(pool, tmp_path / "a", 31, seed=9)
    second = lay_scene(pool, tmp_path / "b", 31, seed=9)
    other = lay_scene(pool, tmp_path / "c", 31, seed=10)

    def names(known: dict[Path, str]) -> list[str]:
        return [one.name for one in known]

    assert names(first.known["A"]) == names(second.known["A"])
    assert names(first.known["A"]) != names(other.known["A"])


def test_pool_passes_over_what_cannot_be_hashed(tmp_path: Path) -> None:
    broken, twice = tmp_path / "broken.jpg", tmp_path / "twice.jpg"
    broken.write_bytes(b"no picture")
    seen: list[int] = []
    pool = collect_pool(6, 1, tmp_path / "pool", [broken], seen.append)
    assert len({one.value for one in pool}) == len(pool) == 6
    assert broken not in {one.path for one in pool}
    assert seen == [1, 2, 3, 4, 5, 6]
    twice.write_bytes(pool[0].path.read_bytes())
    again = collect_pool(6, 1, tmp_path / "more", [pool[0].path, twice], lambda _: None)
    assert len({one.value for one in again}) == 6
    assert len({one.path for one in again} & {pool[0].path, twice}) == 1


def test_pool_picture_does_not_print_its_hash() -> None:
    assert repr(PoolPicture(Path("a.jpg"), b"\x01" * 32)) == "PoolPicture(a.jpg)"


def _outcome(a: int = 38, b: int = 0, c: int = 0) -> Outcome:
    return Outcome(
        {
            "A": AccountOutcome(400, 40, 38, 8, a, {"same": (8, 8)}),
            "B": AccountOutcome(400, 30, 29, 9, b, {"same": (30, 30)}),
            "C": AccountOutcome(400, 0, 0, 10, c, {"same": (0, 0)}),
        },
        table_rows=693,
        release_id="ab" * 32,
        sheet=Path("sheet.png"),
        cases=1,
    )


@pytest.mark.parametrize(
    ("outcome", "promised"),
    [
        (_outcome(), True),
        (_outcome(a=37), False),
        (_outcome(a=39), False),
        (_outcome(a=0), False),
        (_outcome(b=29), False),
        (_outcome(b=1), False),
        (_outcome(c=1), False),
    ],
)
def test_promise(outcome: Outcome, promised: bool) -> None:
    assert is_as_promised(outcome, 31) is promised


def test_summary_says_who_is_open_and_who_sealed() -> None:
    text = "\n".join(summarise(_outcome(), 31, 12.34))
    assert "account A: 400 pictures, 40 of them known; OPENED with exactly its 38" in text
    assert "2 known ones do not match or went as synthetic" in text
    assert "same         8 of 8" in text
    assert "account B: 400 pictures, 30 of them known; SEALED: 29" in text
    assert "account C: 400 pictures, 0 of them known; SEALED." in text
    assert "sheet.png" in text
    assert "12.3 seconds" in text


def test_json_has_the_promised_form() -> None:
    value = to_json(_outcome(), 12.34)
    assert value["accounts"]["A"] == {
        "uploaded": 400,
        "known": 40,
        "real_vouchers": 38,
        "synthetic": 8,
        "opened": 38,
    }
    assert value.keys() == {"accounts", "table_rows", "release_id", "seconds"}
