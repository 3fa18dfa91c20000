"""Benign changes give pictures, the same ones every time; subjects find what they should."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from veilmatch.hashbench.falsematch import (
    collision_curves,
    false_match_tables,
    hash_photograph,
    hash_procedural,
    list_near_pairs,
    missed_table,
    nearest_pairs,
    prefix_rates,
    procedural_picture,
)
from veilmatch.hashbench.plots import plot_distances, write_contact_sheet
from veilmatch.hashbench.report import (
    BenchResult,
    bench_records,
    false_match_table,
    mark_outcomes,
    mark_picture,
    recall_table,
    share_by_change,
    write_report,
)
from veilmatch.hashbench.run import measure_picture, summarise
from veilmatch.hashbench.sets import BenchPicture, fit, list_files, photographs
from veilmatch.hashbench.subjects import build_subjects, dhash, phash
from veilmatch.hashbench.suite import CHANGES, apply_change, mild_view, random_change
from veilmatch.pictures.generate import generate_picture

PIXELS = generate_picture(41, 3, "landscape", (320, 240))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_every_change_gives_another_picture_and_the_same_one_twice(change: object) -> None:
    assert change in CHANGES
    named = next(each for each in CHANGES if each is change)
    changed = apply_change(named, PIXELS)
    assert changed.dtype == np.uint8
    assert changed.ndim == 3
    assert changed.shape != PIXELS.shape or not np.array_equal(changed, PIXELS)
    assert np.array_equal(changed, apply_change(named, PIXELS))


def test_the_suite_is_named_once_and_has_the_everyday_mix() -> None:
    assert len({change.name for change in CHANGES}) == len(CHANGES)
    assert sum(change.everyday for change in CHANGES) == 23


def test_random_chains_and_views_follow_their_seed() -> None:
    copies = [apply_change(random_change(5, index), PIXELS) for index in range(6)]
    assert len({copy.tobytes() for copy in copies}) == 6
    assert np.array_equal(copies[2], apply_change(random_change(5, 2), PIXELS))
    assert np.array_equal(mild_view(5, 1, PIXELS), mild_view(5, 1, PIXELS))
    assert not np.array_equal(mild_view(5, 1, PIXELS), mild_view(5, 2, PIXELS))


def test_subjects_find_the_picture_itself_and_no_other() -> None:
    other = generate_picture(41, 4, "street", (320, 240))
    for subject in build_subjects():
        entered = subject.enter(PIXELS)
        assert subject.finds(entered, subject.look_up(PIXELS))
        assert not subject.finds(entered, subject.look_up(other))
    assert len(phash(PIXELS)) == len(dhash(PIXELS)) == 8


def png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_sets_are_distinct_photographs_from_files_and_bundles(tmp_path: Path) -> None:
    scenes = [generate_picture(2, index, "landscape", (480, 360)) for index in range(3)]
    (tmp_path / "a.png").write_bytes(png(scenes[0]))
    (tmp_path / "again.png").write_bytes(png(scenes[0]))
    (tmp_path / "drawing.png").write_bytes(png(generate_picture(2, 0, "chart", (480, 360))))
    (tmp_path / "icon.png").write_bytes(png(scenes[1][:100, :100]))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    bundled = png(scenes[2])
    (tmp_path / "z.rcc").write_bytes(b"qres" + len(bundled).to_bytes(4, "big") + bundled + b"tail")
    assert len(list(list_files([tmp_path]))) == 6
    found = photographs([tmp_path])
    assert [picture.source.split("/")[1].split("@")[0] for picture in found] == ["a.png", "z.rcc"]
    assert np.array_equal(found[1].pixels, scenes[2])
    assert fit(np.zeros((100, 4000, 3), np.uint8), 800).shape == (20, 800, 3)


def test_a_small_run_writes_every_report(tmp_path: Path) -> None:
    pictures = [
        BenchPicture(f"p{index}", generate_picture(3, index, "landscape", (256, 192)))
        for index in range(2)
    ]
    twin = BenchPicture("twin", pictures[0].pixels)
    measured = [
        list(measure_picture(picture, number, build_subjects()))
        for number, picture in enumerate(pictures)
    ]
    outcomes = [each for found in measured for each in found]
    assert all(
        each.found for each in outcomes if each.subject == "lfh-1e5" and each.change == "mirror"
    )
    # The marks leave the random chains out: those follow the picture's number.
    assert mark_outcomes(measured[0]) != mark_outcomes(measured[1])
    again = measure_picture(pictures[0], 5, build_subjects())
    assert mark_outcomes(again) == mark_outcomes(measured[0])
    painted = [hash_procedural(index) for index in range(9)]
    photos = [hash_photograph(each) for each in (*pictures, twin)]
    tables = false_match_tables(painted, photos)
    plot_distances({"painted": painted, "photographs": photos}, tmp_path / "hash-distances.png")
    result = BenchResult(
        2,
        tuple(summarise(outcomes)),
        share_by_change(outcomes),
        tuple(tables),
        tuple(list_near_pairs(painted, photos)),
        collision_curves(painted, photos),
        {mark_picture(pictures[0]): mark_outcomes(measured[0])},
    )
    write_report(result, tmp_path)
    by_name = {each.source: each for each in (*pictures, twin)}
    write_contact_sheet(
        result.near_pairs,
        lambda name: by_name.get(name) or procedural_picture(int(name.split("/")[1])),
        tmp_path / "hash-false-pairs.png",
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        "hash-benchmark.json",
        "hash-benchmark.csv",
        "hash-benchmark.md",
        "hash-recall.png",
        "hash-collisions.png",
        "hash-distances.png",
        "hash-false-pairs.csv",
        "hash-false-pairs.png",
    }
    written = json.loads((tmp_path / "hash-benchmark.json").read_text())
    assert len(written["records"]) == len(bench_records(result)) == 5 * 4
    by_kind = {(t.subject, t.kind): t for t in tables}
    assert by_kind["lfh", "photographs"].matches == (("p0", "twin"),)
    assert set(by_kind["lfh-1e5", "photographs against photographs"].matches) == {
        ("p0", "twin"),
        ("twin", "p0"),
    }
    equal = [pair for pair in result.near_pairs if pair.apart == 0]
    assert {(pair.first, pair.second) for pair in equal} == {("p0", "twin")}
    assert {pair.subject for pair in equal} == {"lfh", "pdq", "phash", "dhash"}
    assert recall_table(result).count("\n") == len(build_subjects()) + 1
    assert "| lfh | photographs |" in false_match_table(result)
    wanted = {"hash_recall_everyday", "hash_recall_crop2", "hash_recall_random", "hash_false_pairs"}
    assert {record["name"] for record in bench_records(result)} == wanted


def test_what_is_missed_is_laid_out_by_group() -> None:
    shares = {"crop5": {"lfh": 10.0}, "crop10": {"lfh": 0.0}, "jpeg90": {"lfh": 95.0}}
    table = missed_table(shares, {"jpeg90": "codec", "crop5": "crop10", "crop10": "crop10"})
    assert "| codec | jpeg90 | 5.0 |" in table
    assert "| crop10 | crop5, crop10 | 95.0 |" in table


@given(st.lists(st.binary(min_size=2, max_size=2), min_size=2, max_size=40), st.integers(1, 6))
def test_the_nearest_pairs_are_those_of_a_double_loop(keys: list[bytes], count: int) -> None:
    named = [(str(number), key) for number, key in enumerate(keys)]
    slow = sorted(
        (int.from_bytes(a[1], "big") ^ int.from_bytes(b[1], "big")).bit_count()
        for a, b in itertools.combinations(named, 2)
    )[:count]
    assert [pair.apart for pair in nearest_pairs("x", named, count)] == slow


@given(st.lists(st.binary(min_size=2, max_size=2), min_size=2, max_size=30))
def test_prefix_rates_are_those_of_a_double_loop(keys: list[bytes]) -> None:
    pairs = list(itertools.combinations([int.from_bytes(key, "big") for key in keys], 2))
    for k, rate in enumerate(prefix_rates(keys), start=1):
        assert rate == sum((a ^ b) >> (16 - k) == 0 for a, b in pairs) / len(pairs)
    assert prefix_rates([]) == []
