"""The public page of numbers: shown only after every number was recomputed from its proofs."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.console.test_reports import confirm
from tests.console.world import Browser, World
from veilmatch.console.app import create_console
from veilmatch.console.published import NumbersFolder
from veilmatch.numbers.counting import count_records
from veilmatch.numbers.period import parse_period
from veilmatch.numbers.report import PublicReport, build_proofs
from veilmatch.privatelog.log import PrivateLog
from veilmatch.transparency.key import SignatureType, derive_signer
from veilmatch.transparency.records.record import hash_record, parse_record

SIGNER = derive_signer("photos.example/private", SignatureType.ED25519, b"n" * 32)
PERIOD = time.strftime("%Y-%m", time.gmtime())


def publish(world: World, folder: Path) -> None:
    """Count the world's own log and write report and proofs, as an operator does."""
    log = PrivateLog(world.database, world.crypter, world.clock, SIGNER)
    head = log.sign_head()
    entries = log.read()
    records = {one.record.index: one.data for one in entries}
    numbers = count_records(map(parse_record, records.values()), parse_period(PERIOD))
    proofs = build_proofs(numbers, records, [hash_record(data) for data in records.values()])
    folder.mkdir(exist_ok=True)
    (folder / f"{PERIOD}.json").write_bytes(PublicReport(numbers, head).to_bytes())
    (folder / f"{PERIOD}.proofs.json").write_bytes(proofs)


def browser_of(world: World, folder: Path, key: object = SIGNER.key) -> Browser:
    numbers = NumbersFolder(folder, [key])  # type: ignore[list-item]
    return Browser(create_console(replace(world.services, numbers=numbers)))


def test_numbers_are_shown_recomputed_and_without_a_login(world: World, tmp_path: Path) -> None:
    confirm(world)
    publish(world, tmp_path / "numbers")
    browser = browser_of(world, tmp_path / "numbers")
    for place in ("/numbers", f"/numbers/{PERIOD}"):
        answer = browser.get(place)
        assert answer.status_code == 200
        assert "Confirmed by people: 1;" in answer.text
        assert "Recomputed." in answer.text
        assert "north: " not in answer.text.split("Reported, by list")[0]
    report = browser.get(f"/numbers/{PERIOD}/report.json")
    assert report.content == (tmp_path / "numbers" / f"{PERIOD}.json").read_bytes()
    assert browser.get(f"/numbers/{PERIOD}/proofs.json").status_code == 200
    for name in world.ids:
        assert name not in report.text


@pytest.mark.parametrize("change", ["count", "key", "proofs", "period"])
def test_a_number_that_does_not_verify_is_not_shown(
    world: World, tmp_path: Path, change: str
) -> None:
    confirm(world)
    folder, key = tmp_path / "numbers", SIGNER.key
    publish(world, folder)
    path, proofs = folder / f"{PERIOD}.json", folder / f"{PERIOD}.proofs.json"
    if change == "count":
        said = json.loads(path.read_bytes())
        said["counts"]["confirmed"] = 0
        path.write_text(json.dumps(said, sort_keys=True, separators=(",", ":")))
    elif change == "key":
        key = derive_signer("photos.example/private", SignatureType.ED25519, b"m" * 32).key
    elif change == "proofs":
        said = json.loads(proofs.read_bytes())
        said["proven"] = said["proven"][1:]
        proofs.write_text(json.dumps(said, sort_keys=True, separators=(",", ":")))
    else:
        path.rename(folder / "2020-01.json")
        proofs.rename(folder / "2020-01.proofs.json")
    answer = browser_of(world, folder, key).get("/numbers")
    assert answer.status_code in (400, 404, 409)
    assert "Recomputed." not in answer.text


def test_where_nothing_is_published_the_page_says_so(world: World, tmp_path: Path) -> None:
    (tmp_path / "numbers").mkdir()
    (tmp_path / "numbers" / "notes.json").write_text("{}")
    browser = browser_of(world, tmp_path / "numbers")
    assert "Nothing is published yet" in browser.get("/numbers").text
    for place in ("/numbers/2026-Q3", "/numbers/..", "/numbers/x", "/numbers/2026-Q3/other"):
        assert browser.get(place).status_code in (400, 404)
    assert Browser(world.app).get("/numbers").status_code == 404


def test_the_page_says_how_many_entries_are_proven(world: World, tmp_path: Path) -> None:
    confirm(world)
    publish(world, tmp_path / "numbers")
    proven = json.loads((tmp_path / "numbers" / f"{PERIOD}.proofs.json").read_bytes())["proven"]
    page = browser_of(world, tmp_path / "numbers").get("/numbers").text
    assert f"from {len(proven)} proven entries" in page
    assert "of settled cases were rejected by people (list north)" in page
