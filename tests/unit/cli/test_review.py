"""``veilmatch review`` and ``transparency`` on a store in which something has happened."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.commands import run_json
from tests.unit.casework.following import Office
from tests.unit.casework.house import ALICE, BOB, House, jpeg, opened
from veilmatch.cli.main import run
from veilmatch.intakestore.clock_watch import ClockWatch
from veilmatch.logstore.state import save_note_key
from veilmatch.review.decision import Outcome
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database
from veilmatch.transparency.entries.entry import parse_statement
from veilmatch.transparency.entries.envelope import parse_envelope
from veilmatch.transparency.key import SignatureType

YEAR = time.strftime("%Y", time.gmtime())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A store with a reported, a rejected and a waiting case."""
    folder = tmp_path / "data"
    folder.mkdir()
    database = Database(folder / "store.sqlite")
    house = House(database, load_crypter(folder / "store.key"), now=int(time.time()) - 1000)
    office = Office(house, tmp_path)
    office.reported()
    other = house.open_case(opened(5))
    house.decide(ALICE, other, Outcome.REJECT)
    house.decide(BOB, other, Outcome.REJECT)
    house.open_case(opened(6))
    database.close()
    return folder


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "note.key"
    save_note_key(path, "op.example/private", SignatureType.ED25519, b"k" * 32)
    return path


def test_queue_figures_kept(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--data", str(data))
    assert run_json(capsys, "review", "queue", *where)["cases"] == {
        "acted": 1,
        "hash_confirmed": 1,
        "rejected": 1,
    }
    figures = run_json(capsys, "review", "figures", *where)
    assert figures["decisions"] == {"confirm": 2, "reject": 2}
    assert figures["agreement"] == {"pairs": 2, "agreed": 2}
    listed = run_json(capsys, "review", "kept", *where)["kept"]
    assert isinstance(listed, list)
    case = str(listed[0]["case"])
    assert not listed[0]["held"]
    assert run(["review", "hold", case, *where, "--reason", "a court asks"]) == 0
    assert run_json(capsys, "review", "kept", *where)["kept"][0]["held"]  # type: ignore[index]
    assert run(["review", "hold", case, *where, "--reason", "over", "--release"]) == 0
    assert run(["review", "hold", "xx", *where, "--reason", "no"]) == 2
    assert run(["review", "hold", case, *where, "--reason", " "]) == 2
    capsys.readouterr()
    advance = ("review", "advance", *where, "--appeal-days", "0", "--destroy")
    database = Database(data / "store.sqlite")
    ClockWatch(database, lambda: 1).may_destroy()
    database.close()
    held = run_json(capsys, *advance)
    assert held["is_held"], "the last look at the clock is long ago"
    assert (held["closed"], held["destroyed"]) == (1, 0)
    advanced = run_json(capsys, *advance, "--clock-is-right")
    assert (advanced["closed"], advanced["destroyed"]) == (1, 1)
    cases = run_json(capsys, "cases", "list", *where)["cases"]
    assert isinstance(cases, list)
    states = [one["state"] for one in cases]
    assert sorted(states) == ["closed", "destroyed", "hash_confirmed"]


def test_an_export_is_audited(
    data: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, trust = tmp_path / "export", tmp_path / "trust"
    words = ("review", "export", "--data", str(data), "--log-key", str(key), "--out", str(out))
    head = str(run_json(capsys, *words)["head"])
    signer = save_note_key(
        tmp_path / "same.key", "op.example/private", SignatureType.ED25519, b"k" * 32
    )
    trust.write_bytes(b"log " + signer.key.to_bytes() + b"\n")
    audit = ("audit", str(out), "--trust", str(trust))
    assert run_json(capsys, *audit, "--head", head)["exit_code"] == 0
    content = out.read_bytes()
    out.write_bytes(content.replace(b'"acted"', b'"closed"', 1))
    assert run(list(audit)) == 1
    out.write_bytes(content)
    (tmp_path / "empty").write_bytes(b"\n")
    assert run(["audit", str(out), "--trust", str(tmp_path / "empty")]) == 2
    assert run_json(capsys, "review", "verify", "--data", str(data))["size"]


def test_a_period_is_reported_and_verified(
    data: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "numbers"
    words = ("transparency", "report", "--data", str(data), "--period", YEAR)
    party = tmp_path / "party.key"
    keygen = ["keygen", "--name", "platform", "--jurisdiction", "DE", "--out", str(party)]
    assert run(["provider", *keygen]) == 0
    signing = ("--log-key", str(key), "--key", str(party))
    made = run_json(capsys, *words, *signing, "--out", str(out))
    counts = made["counts"]
    assert isinstance(counts, dict)
    assert (counts["opened"], counts["confirmed"], counts["rejected"]) == (3, 1, 1)
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*made["files"], "statement.json"]  # type: ignore[misc]
    )
    statement = parse_statement(parse_envelope((out / "statement.json").read_bytes()).payload)
    assert statement.predicate["counts"] == counts
    head = tmp_path / "head.json"
    words_of_head = ("review", "head", "--data", str(data), *signing, "--out", str(head))
    assert run_json(capsys, *words_of_head)["kind"] == "private-head"
    signer = save_note_key(
        tmp_path / "same.key", "op.example/private", SignatureType.ED25519, b"k" * 32
    )
    check = ["transparency", "verify", str(out / "report.json"), "--proofs"]
    check += [str(out / "proofs.json"), "--key", signer.key.to_bytes().decode()]
    assert run_json(capsys, *check)["counts"] == counts
    data_out = (out / "report.json").read_bytes()
    (out / "report.json").write_bytes(data_out.replace(b'"opened":3', b'"opened":4', 1))
    assert run(check) == 1
    assert run([*words[:-1], "2026-Q9", "--log-key", str(key), "--out", str(out)]) == 2


def test_golden_pictures_and_feedback(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.jpg").write_bytes(jpeg(90))
    where = ("--data", str(data))
    added = run_json(capsys, "review", "golden", str(tmp_path / "one.jpg"), *where)
    assert added == {"added": 1}
    (tmp_path / "two.jpg").write_bytes(b"no picture")
    assert run(["review", "golden", str(tmp_path / "two.jpg"), *where]) == 2
    lists = ("--lists", str(tmp_path / "lists"))
    capsys.readouterr()
    assert run_json(capsys, "review", "feedback", *where, *lists) == {"cases": 0}
    assert run(["review", "feedback", *where, *lists, "--reason", "north"]) == 2
