"""Statements that belong to no release: made, logged, shown, and told by a monitor."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.commands import Captured, run_command, run_json
from tests.publication import Publisher, make_person
from veilmatch.cli.main import run
from veilmatch.logstore.state import load_note_signer
from veilmatch.transparency.entries.entry import parse_statement
from veilmatch.transparency.entries.envelope import parse_envelope


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two providers with keys and lists, a built release, and a log that has begun: once."""
    tmp_path = tmp_path_factory.mktemp("made")
    common = "\n".join(os.urandom(32).hex() for _ in range(20))
    (tmp_path / "all.csv").write_text(f"hash\n{common}\n", encoding="utf-8")
    lists: list[object] = []
    for name, jurisdiction in (("one", "NL"), ("two", "CA")):
        key, signed = tmp_path / f"{name}.key", tmp_path / f"{name}.list"
        who = ["--name", name, "--jurisdiction", jurisdiction]
        assert run_command("provider", "keygen", *who, "--out", key) == 0
        hashes = ["--hashes", tmp_path / "all.csv", "--algorithm", "pdq"]
        assert run_command("provider", "list", "--key", key, *hashes, "--out", signed) == 0
        lists += ["--list", signed, "--provider", tmp_path / f"{name}.json"]
    site = ["--site", tmp_path / "site", "--secrets", tmp_path / "secrets"]
    assert run_command("build", *lists, *site) == 0
    folders = ["--log", tmp_path / "log", "--state", tmp_path / "state"]
    assert run_command("log", "init", "--origin", "log.example", *folders) == 0
    key_line = load_note_signer(tmp_path / "state" / "note.key").key.to_bytes().decode()
    (tmp_path / "policy").write_text(f"log {key_line}\nquorum none\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def top(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def _append(top: Path, *names: str) -> list[object]:
    folders = ["--log", top / "log", "--state", top / "state", "--policy", top / "policy"]
    return ["log", "append", *folders, *(top / name for name in names)]


def _monitor(top: Path, capfd: Captured) -> list[tuple[str, int]]:
    """Kinds and places; a log without witnesses is always told to stand still, too."""
    options = ["--policy", top / "policy", "--memory", top / "memory"]
    seen = run_json(capfd, "monitor", top / "log", *options, code=1)
    findings = seen["findings"]
    assert isinstance(findings, list)
    return [(one["kind"], one["index"]) for one in findings if one["kind"] != "freeze"]


def _signed(top: Path, name: str, key: str = "one.key") -> list[object]:
    return ["--key", top / key, "--out", top / name]


def test_each_kind_is_made_logged_and_told(top: Path, capfd: Captured) -> None:
    program = top / "program.whl"
    program.write_bytes(b"harmless bytes")
    software = ["--version", "1.0", "--source", "git: 0a1b"]
    assert run_command("log", "state-parameters", "--site", top / "site", *_signed(top, "p1")) == 0
    assert run_command("log", "state-software", program, *software, *_signed(top, "software")) == 0
    run_json(capfd, *_append(top, "p1", "software"))
    assert _monitor(top, capfd) == []

    reason = ["--reason", "it was built wrongly"]
    assert run_command("log", "revoke", top / "software", *reason, *_signed(top, "r1")) == 0
    lost = ["--provider", top / "two.json", "--reason", "the key was lost"]
    assert run_command("log", "revoke", *lost, *_signed(top, "r2")) == 0
    other = ["--site", top / "site", "--from-epoch", 9]
    assert run_command("log", "state-parameters", *other, *_signed(top, "p2")) == 0
    run_json(capfd, *_append(top, "r1", "r2", "p2"))
    # The same parameters from another epoch on are no change; both revocations are told.
    assert _monitor(top, capfd) == [("revocation", 2), ("revocation", 3)]
    assert _monitor(top, capfd) == []  # once

    shown = run_json(capfd, "log", "show", top / "log", "--policy", top / "policy")
    assert shown["entries"] == {
        "0": "parameters",
        "1": "software",
        "2": "revocation",
        "3": "revocation",
        "4": "parameters",
    }


def test_new_root_keys_are_told(top: Path, capfd: Captured) -> None:
    people = [make_person(*who, b"keys") for who in (("One", "NL"), ("Two", "CA"))]
    publisher = Publisher(people, now=1_800_000_000)
    publisher.add_root(people)
    for number, data in enumerate(publisher.roots[:2], start=1):
        (top / f"{number}.root.json").write_bytes(data)
        root = top / f"{number}.root.json"
        assert run_command("log", "state-root", root, *_signed(top, f"root{number}")) == 0
    run_json(capfd, *_append(top, "root1"))
    assert _monitor(top, capfd) == []  # where it begins is no news
    run_json(capfd, *_append(top, "root2"))
    assert _monitor(top, capfd) == [("keys", 1)]


def test_what_the_statements_name(top: Path) -> None:
    program = top / "program.whl"
    program.write_bytes(b"harmless bytes")
    software = ["--version", "1.0", "--source", "git: 0a1b"]
    assert run_command("log", "state-software", program, *software, *_signed(top, "software")) == 0
    made = parse_statement(parse_envelope((top / "software").read_bytes()).payload)
    (subject,) = made.subjects
    assert subject.name == "program.whl"
    assert subject.sha256 == hashlib.sha256(b"harmless bytes").digest()

    reason = ["--reason", "a mistake", "--effective-at", 1_790_000_000]
    assert run_command("log", "revoke", top / "software", *reason, *_signed(top, "gone")) == 0
    revoked = parse_statement(parse_envelope((top / "gone").read_bytes()).payload)
    assert revoked.subjects[0].sha256 == made.to_entry()
    assert revoked.predicate["revoked"] == "software"
    assert revoked.predicate["effective_at"] == 1_790_000_000

    lost = ["--provider", top / "two.json", "--reason", "lost"]
    assert run_command("log", "revoke", *lost, *_signed(top, "lost")) == 0
    of_key = parse_statement(parse_envelope((top / "lost").read_bytes()).payload)
    public = json.loads((top / "two.json").read_text(encoding="utf-8"))["public_key"]
    assert of_key.predicate["revoked"] == "key"
    (second,) = parse_envelope(_sign_with(top, "two.key")).signatures
    assert of_key.subjects[0].sha256.hex() == second.key_id
    assert public not in str(of_key.to_bytes())


def _sign_with(top: Path, key: str) -> bytes:
    parameters = ["--site", top / "site", *_signed(top, "by-two", key)]
    assert run_command("log", "state-parameters", *parameters) == 0
    return (top / "by-two").read_bytes()


def test_parties_sign_one_revocation_at_different_times(
    top: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = ["--provider", top / "two.json", "--reason", "lost"]
    assert run_command("log", "revoke", *lost, *_signed(top, "r", "one.key")) == 0
    monkeypatch.setattr("veilmatch.cli.auditor.log_statements.system_clock", lambda: 2_000_000_000)
    found = run_json(capfd, "log", "revoke", *lost, *_signed(top, "r", "two.key"))
    assert found == {"kind": "revocation", "signatures": 2}


@pytest.mark.parametrize("wrong", ["neither", "both", "parameters", "two kinds", "no reason"])
def test_what_cannot_be_revoked_is_refused(top: Path, capfd: Captured, wrong: str) -> None:
    assert run_command("log", "state-parameters", "--site", top / "site", *_signed(top, "p")) == 0
    out, provider = _signed(top, "r"), ["--provider", top / "two.json"]
    attested = ["--list", top / "one.list", *_signed(top, "a")]
    assert run_command("log", "attest", *attested) == 0
    (top / "f").write_bytes(b"x")
    about = ["--version", "1", "--source", "s", *_signed(top, "s")]
    assert run_command("log", "state-software", top / "f", *about) == 0
    arguments: dict[str, list[object]] = {
        "neither": ["--reason", "x"],
        "both": [top / "a", *provider, "--reason", "x"],
        "parameters": [top / "p", "--reason", "x"],
        "two kinds": [top / "a", top / "s", "--reason", "x"],
        "no reason": [top / "a", "--reason", ""],
    }
    capfd.readouterr()
    assert run_command("log", "revoke", *arguments[wrong], *out) == 2
    assert capfd.readouterr().err.startswith("error: ")
    assert not (top / "r").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("log show {log} --policy {bad}", "veilmatch log init"),
        ("monitor {log} --policy {bad}", "veilmatch log init"),
        ("monitor {log} --policy {policy} --trust {bad}", "veilmatch audit-trust"),
        ("audit {bad} --trust {bad}", "veilmatch audit-trust"),
        ("log append --log {log} --state {state} --policy {policy} {bad}", "provider attest"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_the_command_that_makes_one(
    top: Path, capfd: Captured, words: str, named: str
) -> None:
    (top / "bad").write_bytes(b"garbage\n")
    places = {name: str(top / name) for name in ("log", "state", "policy", "bad")}
    capfd.readouterr()
    assert run(words.format_map(places).split()) == 2
    error, hint = capfd.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert named in hint


def test_a_changed_parameter_is_told(top: Path, capfd: Captured) -> None:
    first, second = ["--site", top / "site"], ["--site", top / "other"]
    lists: list[object] = []
    for name in ("one", "two"):
        lists += ["--list", top / f"{name}.list", "--provider", top / f"{name}.json"]
    build = ["build", *lists, *second, "--secrets", top / "other-secrets"]
    assert run_command(*build, "--min-shares", 40) == 0
    assert run_command("log", "state-parameters", *first, *_signed(top, "p1")) == 0
    assert run_command("log", "state-parameters", *second, *_signed(top, "p2")) == 0
    run_json(capfd, *_append(top, "p1", "p2"))
    capfd.readouterr()
    assert _monitor(top, capfd) == [("parameters", 1)]
