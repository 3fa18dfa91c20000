"""Benign changes give pictures, the same ones every time; subjects find what they should."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veilmatch.hashbench.report import (
    BenchResult,
    bench_records,
    false_match_table,
    false_match_tables,
    hash_photograph,
    hash_procedural,
    plot_distances,
    recall_table,
    share_by_change,
    write_contact_sheet,
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
    outcomes = [
        each
        for number, picture in enumerate(pictures)
        for each in measure_picture(picture, number, build_subjects())
    ]
    assert all(
        each.found for each in outcomes if each.subject == "lfh-1e5" and each.change == "mirror"
    )
    painted = [hash_procedural(index) for index in range(9)]
    photos = [hash_photograph(each) for each in (*pictures, twin)]
    tables = false_match_tables(painted, photos)
    plot_distances({"painted": painted, "photographs": photos}, tmp_path / "hash-distances.png")
    result = BenchResult(2, tuple(summarise(outcomes)), share_by_change(outcomes), tuple(tables))
    write_report(result, tmp_path)
    write_contact_sheet(result, {each.source: each for each in (*pictures, twin)}, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "hash-benchmark.json",
        "hash-benchmark.csv",
        "hash-benchmark.md",
        "hash-recall.png",
        "hash-distances.png",
        "hash-false-pairs.png",
    }
    assert len(json.loads((tmp_path / "hash-benchmark.json").read_text())["records"]) == len(
        bench_records(result)
    )
    by_kind = {(t.subject, t.kind): t for t in tables}
    assert by_kind["lfh", "photographs"].matches == (("p0", "twin"),)
    assert set(by_kind["lfh-1e5", "photographs against photographs"].matches) == {
        ("p0", "twin"),
        ("twin", "p0"),
    }
    assert recall_table(result).count("\n") == len(build_subjects()) + 1
    assert "| lfh | photographs |" in false_match_table(result)
    wanted = {"hash_recall_everyday", "hash_recall_crop2", "hash_recall_random", "hash_false_pairs"}
    assert {record["name"] for record in bench_records(result)} == wanted
