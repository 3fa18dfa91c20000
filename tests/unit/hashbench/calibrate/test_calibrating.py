"""A corpus tried against a set: counted, bounded, written, shown."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.simulator import House, image_hash

from veilmatch.errors import ConfigError, EncodingError, LengthError
from veilmatch.hashbench.calibrate.calibrating import Subject, calibrate_corpus
from veilmatch.hashbench.calibrate.calibration_file import (
    load_calibration_file,
    parse_calibration_file,
)
from veilmatch.hashbench.calibrate.corpus import (
    KINDS,
    Corpus,
    build_corpus,
    load_corpus,
    open_picture,
    paint,
    preprocessing_digest,
)
from veilmatch.hashbench.calibrate.hiding import REALS, count_law, hiding_table, total_variation
from veilmatch.hashbench.calibrate.measure import (
    BlindedSet,
    PlainSet,
    group_pictures,
    measure_corpus,
)
from veilmatch.hashbench.calibrate.report import render_page, write_page
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashing.picture import picture_from_pixels
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.pictures.generate import generate_picture
from veilmatch.release.calibration import Claim
from veilmatch.release.manifest import Parameters, SyntheticSchedule

LFH = build_hasher("lfh")
PAINTED = 48


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return build_corpus([], PAINTED, "lfh")


def key_of(number: int) -> bytes:
    picture = picture_from_pixels(paint(number).pixels)
    return LFH.hash_picture(picture).image_hash.value


def as_set(*values: bytes) -> Bytes:
    return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), -1)


def test_painted_pictures_are_the_same_twice_and_of_every_kind() -> None:
    assert np.array_equal(paint(5).pixels, paint(5).pixels)
    names = [paint(number).source for number in range(len(KINDS))]
    assert [name.split("/")[1] for name in names] == list(KINDS)
    again = open_picture("painted/3")
    assert again is not None
    assert np.array_equal(again.pixels, paint(3).pixels)


def test_a_corpus_counts_what_it_cannot_hash(tmp_path: Path) -> None:
    for number in range(3):
        pixels = generate_picture(8, number, "landscape", (160, 120))
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    Image.new("RGB", (64, 64), (9, 9, 9)).save(tmp_path / "flat.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    found = build_corpus([tmp_path], 0, "lfh")
    assert (len(found), int(found.gate.sum()), found.refused) == (4, 3, {"unsupported": 1})
    assert found.tried(8).shape == (3, 8, 9)
    with pytest.raises(ConfigError):
        found.tried(17)
    shown = open_picture(found.names[0])
    assert shown is not None
    assert shown.pixels.shape == (120, 160, 3)
    assert open_picture(str(tmp_path / "gone.png")) is None


def test_no_picture_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no picture"):
        build_corpus([tmp_path], 0, "lfh")
    with pytest.raises(ConfigError, match="not a folder"):
        build_corpus([tmp_path / "gone"], 1, "lfh")


def test_a_saved_corpus_is_the_same(corpus: Corpus, tmp_path: Path) -> None:
    corpus.save(tmp_path / "corpus.npz")
    again = load_corpus(tmp_path / "corpus.npz")
    assert again.names == corpus.names
    assert np.array_equal(again.keys, corpus.keys)
    assert again.digest() == corpus.digest()
    both = build_corpus([tmp_path / "corpus.npz"], 8, "lfh")
    assert len(both) == PAINTED + 8
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(EncodingError):
        load_corpus(tmp_path / "bad.npz")
    with pytest.raises(ConfigError):
        load_corpus(tmp_path / "gone.npz")
    with pytest.raises(ConfigError, match="another image hash"):
        build_corpus([tmp_path / "corpus.npz"], 1, "pdq")


def test_the_digest_does_not_depend_on_order(corpus: Corpus) -> None:
    turned = replace(corpus, names=corpus.names[::-1], keys=corpus.keys[::-1])
    assert turned.digest() == corpus.digest()
    assert replace(corpus, keys=corpus.keys[1:]).digest() != corpus.digest()


def test_hits_are_the_pictures_whose_probes_are_listed(corpus: Corpus) -> None:
    known = PlainSet(as_set(key_of(0), key_of(4), bytes(9)))
    measured = measure_corpus(corpus, known, 8)
    assert measured.hit_names == ("painted/0", "painted/4")
    assert (measured.counts.hits, measured.counts.group_hits, measured.tested) == (2, 2, 3)
    assert measured.counts.pictures == int(corpus.gate.sum())
    assert sum(size * n for size, n in measured.group_sizes.items()) == measured.counts.pictures
    probe = corpus.tried(8)[0, 7].tobytes()
    assert measure_corpus(corpus, PlainSet(as_set(probe)), 8).counts.hits == 1
    assert measure_corpus(corpus, PlainSet(as_set(probe)), 1).counts.hits == 0


@given(st.lists(st.sets(st.integers(0, 12), min_size=1, max_size=3), min_size=1, max_size=10))
def test_groups_are_what_shared_probes_join(pictures: list[set[int]]) -> None:
    tried = np.array([(sorted(each) * 3)[:3] for each in pictures], np.uint8)[:, :, None]
    groups = group_pictures(tried)
    joined = {frozenset([n]) for n in range(len(pictures))}
    for a, b in itertools.combinations(range(len(pictures)), 2):
        if pictures[a] & pictures[b]:
            first = next(group for group in joined if a in group)
            second = next(group for group in joined if b in group)
            joined = (joined - {first, second}) | {first | second}
    assert {frozenset(np.flatnonzero(groups == g).tolist()) for g in set(groups)} == joined
    assert groups[0] == 0
    assert set(groups) == set(range(len(joined)))


def test_the_table_with_its_secret_says_the_same_as_the_lists() -> None:
    house = House(known=6, seed=b"blinded set")
    built = house.current.built
    known = BlindedSet(built.manifest, built.table, built.secret)
    listed = np.array([list(image_hash(number)) for number in range(6)], np.uint8)
    strange = listed.copy()
    strange[:, 0] ^= 1
    steps: list[tuple[int, int]] = []
    assert known.count(lambda done, total: steps.append((done, total))) == 6
    assert steps[-1] == (len(built.table), len(built.table))
    found = known.holds(np.concatenate([listed, strange]), lambda done, total: None)
    assert found.tolist() == [True] * 6 + [False] * 6


def subject(*values: bytes) -> Subject:
    return Subject(
        known=PlainSet(as_set(*values)),
        algorithm="lfh",
        preprocessing=preprocessing_digest(LFH),
        commitments=(bytes(32), b"\x01" * 32),
        parameters=Parameters(probes=8),
        against="lists of <One>",
    )


def test_a_calibration_is_written_and_read_back(corpus: Corpus, tmp_path: Path) -> None:
    page = calibrate_corpus(corpus, subject(bytes(9)), Claim(0.5, 100, 1))
    path = page.file.save(tmp_path)
    file = load_calibration_file(path)
    assert file == page.file
    assert 0 < file.min_shares <= 31
    told = {
        "algorithm": "lfh",
        "preprocessing": preprocessing_digest(LFH),
        "commitments": [b"\x01" * 32, bytes(32)],
    }
    declared = file.declare(**told, min_shares=31)  # type: ignore[arg-type]
    assert declared == page.file.declared
    declared.verify(31, 8)
    bold = file.declare(**told, min_shares=31, target=1e-300)  # type: ignore[arg-type]
    assert bold.claim.target == 1e-300
    with pytest.raises(ConfigError, match="other lists"):
        file.declare(**{**told, "commitments": [bytes(32)]}, min_shares=31)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="another image hash"):
        file.declare(**{**told, "algorithm": "pdq"}, min_shares=31)  # type: ignore[arg-type]


def test_malformed_files_are_refused(corpus: Corpus) -> None:
    page = calibrate_corpus(corpus, subject(bytes(9)), Claim(0.5, 100, 1))
    value = json.loads(page.file.to_bytes())
    changes = {"format": "x", "commitments": ["zz"], "min_shares": 1001, "more": 1}
    for name, wrong in changes.items():
        with pytest.raises(EncodingError):
            parse_calibration_file(json.dumps({**value, name: wrong}).encode())
    with pytest.raises(LengthError):
        parse_calibration_file(json.dumps({**value, "commitments": ["00"]}).encode())


def test_the_report_says_whether_the_target_is_supported(corpus: Corpus, tmp_path: Path) -> None:
    good = calibrate_corpus(corpus, subject(bytes(9)), Claim(0.5, 100, 1))
    text = render_page(good)
    assert "The target is supported." in text
    assert "lists of &lt;One&gt;" in text
    assert "data:image/png;base64" in text
    assert "http" not in text
    bad = calibrate_corpus(corpus, subject(key_of(0)), Claim(1e-12, 10**6, 30))
    assert bad.file.min_shares == 0
    written = write_page(bad, tmp_path).read_text()
    assert "not supported" in written
    assert "No number of shares" in written
    assert "Harmless pictures that met an entry (1)" in written
    assert key_of(0).hex() not in written


def test_hiding_matches_a_simulation() -> None:
    schedule, library = SyntheticSchedule(), 3000
    random = np.random.default_rng(3)
    rates = random.gamma(schedule.shape, schedule.rate / schedule.shape, 4000)
    places = np.arange(1, library + 1)
    counts = np.array(
        [
            (random.random(library) < np.minimum(schedule.probability_cap, rate / places)).sum()
            for rate in rates
        ]
    )
    law = count_law(schedule, library)
    assert law.sum() == pytest.approx(1)
    assert law @ np.arange(len(law)) == pytest.approx(counts.mean(), rel=0.03)
    spread = np.sqrt(law @ np.arange(len(law)) ** 2 - (law @ np.arange(len(law))) ** 2)
    assert spread == pytest.approx(counts.std(), rel=0.06)


def test_more_pictures_hide_better_and_more_matches_worse() -> None:
    table = hiding_table(SyntheticSchedule(), [1000, 100_000])
    assert [row.library for row in table] == [1000, 100_000]
    for row in table:
        assert list(row.distances) == sorted(row.distances)
        assert len(row.distances) == len(REALS)
        assert row.low < row.mean < row.high
    assert all(a > b for a, b in zip(table[0].distances, table[1].distances, strict=True))
    assert total_variation(np.array([1.0]), 1) == 1.0
    # Without synthetics one match shows.
    bare = hiding_table(SyntheticSchedule(probability_cap=0.0), [1000])[0]
    assert bare.distances[0] == pytest.approx(1.0)
