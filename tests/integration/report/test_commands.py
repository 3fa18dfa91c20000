"""The commands, as an operator runs them for a dry run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.integration.report.drafts import CASE, CONTENT, write_draft
from tests.integration.report.harness import running_simulator
from tests.unit.report.test_check import XSD
from veilmatch.cli.reviewer import report_commands
from veilmatch.errors import ConfigError, EncodingError, Error, InputError, VerificationError
from veilmatch.hazmat.signing import SigningKey
from veilmatch.report.archive import open_package
from veilmatch.report.body import Step
from veilmatch.reporting.drafts import load_draft
from veilmatch.reportsim.book import Outcome
from veilmatch.reportsim.server import PASSWORD, USER
from veilmatch.secret import SecretBytes

ROOT = Path(__file__).parents[3]


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "credentials"
    path.write_text(f"{USER}\n{PASSWORD}\n")
    path.chmod(0o600)
    return path


def _run(*arguments: str | Path) -> None:
    app = typer.Typer()
    report_commands.register(app)
    app.callback()(lambda: None)
    command = typer.main.get_command(app)
    command.main(["report", *map(str, arguments)], standalone_mode=False)


def _last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    return value


def test_a_dry_run(tmp_path: Path, credentials: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draft = write_draft(tmp_path / "draft")
    with running_simulator() as site:
        send: tuple[str | Path, ...] = ("send", "--data", tmp_path / "data")
        send += ("--credentials", credentials)
        send += ("--host", site.address, "--drain", "--json")
        _run(*send, "--draft", draft)
        assert _last_json(capsys) == {"finished": 1, "dead": 0}
        _run(*send, "--draft", draft)  # the same case again: nothing is sent twice
        assert _last_json(capsys) == {"finished": 0, "dead": 0}
        (number,) = site.simulator.book.finished
    _run("status", "--data", tmp_path / "data", "--json")
    (report,) = _last_json(capsys)["reports"]
    assert (report["case"], report["state"], report["number"]) == (CASE, "finished", number)
    assert report["score"] == 100


def test_check_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run("check", "--draft", write_draft(tmp_path / "fit"), "--json")
    assert "fit to send" in capsys.readouterr().out
    thin = write_draft(tmp_path / "thin", complete=False)
    with pytest.raises(VerificationError):
        _run("check", "--draft", thin, "--json")
    said = _last_json(capsys)
    assert (said["fit"], said["gaps"], said["rules"]) == (False, ["legal-process"], [])
    waived = [{"gap": "legal-process", "reason": "by post to the registered office"}]
    write_draft(tmp_path / "waived", complete=False, waivers=waived)
    _run("check", "--draft", tmp_path / "waived")
    assert "waived: legal-process" in capsys.readouterr().out


def test_check_with_the_operators_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("lxml", reason="the schema check is an extra: lxml is not installed")
    _run("check", "--draft", write_draft(tmp_path / "draft"), "--xsd", XSD, "--json")
    out = capsys.readouterr().out
    assert '"schema_checked": true' in out


def test_a_thin_draft_is_not_sent(tmp_path: Path, credentials: Path) -> None:
    thin = write_draft(tmp_path / "thin", complete=False)
    with running_simulator() as site, pytest.raises(VerificationError, match="legal-process"):
        _run(
            "send",
            "--data",
            tmp_path / "data",
            "--credentials",
            credentials,
            "--host",
            site.address,
            "--draft",
            thin,
        )
    assert site.simulator.book.counts()["finished"] == 0


@pytest.mark.parametrize("extra", [("--host", "production"), ("--confirm-production",)])
def test_production_needs_both_settings(
    tmp_path: Path, credentials: Path, extra: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError, match="two settings"):
        _run("send", "--data", tmp_path / "data", "--credentials", credentials, *extra)


def test_a_dead_report_is_sent_again_when_asked(
    tmp_path: Path, credentials: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_simulator() as site:
        submit = site.simulator.book.submit

        def refuse(document: bytes) -> Outcome:
            return Outcome(4100)

        site.simulator.book.submit = refuse  # type: ignore[method-assign]
        send: tuple[str | Path, ...] = ("send", "--data", tmp_path / "data")
        send += ("--credentials", credentials)
        send += ("--host", site.address, "--json")
        _run(*send, "--draft", write_draft(tmp_path / "draft"))
        assert _last_json(capsys) == {"finished": 0, "dead": 1}
        _run("status", "--data", tmp_path / "data")
        assert "dead  (refused-content)" in capsys.readouterr().out
        site.simulator.book.submit = submit  # type: ignore[method-assign]
        _run(*send)
        assert _last_json(capsys) == {"finished": 0, "dead": 0}
        _run(*send, "--again", CASE)
        assert _last_json(capsys) == {"finished": 1, "dead": 0}
        for case in (CASE, "not hex"):
            with pytest.raises(ConfigError):
                _run(*send, "--again", case)


def test_status_needs_a_store(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no store"):
        _run("status", "--data", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_export_writes_a_package_for_its_recipient(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipient = X25519PrivateKey.from_private_bytes(b"r" * 32).public_key().public_bytes_raw()
    (tmp_path / "recipient").write_text(recipient.hex())
    seed = tmp_path / "seed"
    seed.write_text((b"s" * 32).hex())
    arguments: tuple[str | Path, ...] = ("export", "--data", tmp_path / "data")
    arguments += ("--draft", write_draft(tmp_path / "draft"), "--out", tmp_path / "out")
    arguments += ("--recipient", tmp_path / "recipient", "--signing-key", seed, "--json")
    seed.chmod(0o644)
    with pytest.raises(ConfigError, match="others"):
        _run(*arguments)
    seed.chmod(0o600)
    _run(*arguments)
    assert _last_json(capsys) == {"finished": 1, "dead": 0}
    (path,) = (tmp_path / "out").glob("*.vmp")
    signer = SigningKey(SecretBytes(b"s" * 32)).public_key
    package = open_package(path.read_bytes(), SecretBytes(b"r" * 32), signer)
    assert [p.content for p in package.parts if p.kind is Step.FILE] == [CONTENT]
    (tmp_path / "recipient").write_text("no key")
    with pytest.raises(ConfigError, match="recipient"):
        _run(*arguments)


@pytest.mark.parametrize(
    "index",
    [
        {"case": "short"},
        {"files": [{"key": "a", "content": "../one.bin", "details": "one.xml"}]},
        {"files": [{"key": "a", "content": "missing.bin", "details": "one.xml"}]},
        {"files": [{"key": "a", "content": "one.bin", "details": "report.xml"}]},
        {"files": ["one.bin"]},
        {"views": [{"file": "asset-1", "part": "everything", "at": "2026-05-02T10:00:00Z"}]},
        {"views": [{"file": "asset-1", "part": "original", "at": "yesterday"}]},
        {"waivers": [{"gap": "region"}]},
        {"more": 1},
    ],
)
def test_a_malformed_draft_is_refused(tmp_path: Path, index: dict[str, Any]) -> None:
    with pytest.raises((EncodingError, InputError)) as caught:
        load_draft(write_draft(tmp_path / "draft", **index))
    assert isinstance(caught.value, Error)


def test_the_simulator_runs_as_a_command_of_its_own(tmp_path: Path, credentials: Path) -> None:
    code = (
        "import typer; from veilmatch.cli.reviewer import report_commands as r; a = typer.Typer(); "
        "r.register(a); a.callback()(lambda: None); a()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "report", "simulate", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[2]
        draft = write_draft(tmp_path / "draft")
        arguments = ("send", "--data", tmp_path / "data", "--credentials", credentials)
        _run(*arguments, "--host", address, "--draft", draft, "--drain")
        _run("status", "--data", tmp_path / "data")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
