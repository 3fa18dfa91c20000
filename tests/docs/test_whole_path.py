"""The page of the whole path: every command on it is run, in its order, as it stands there."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT
from tests.docs.test_readme import _run
from tests.integration.service.processes import free_port
from veilmatch.logstore.log_folder import LogFolder, read_note
from veilmatch.transparency.audits.audit import Outcome, audit_bundle
from veilmatch.transparency.audits.bundle import parse_trust
from veilmatch.transparency.policy import parse_policy, verify_checkpoint

PAGE = ROOT / "docs" / "getting-started" / "whole-path.md"
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "<!-- run -->\n"
# The ports may be taken on this machine; the only thing that differs from the page.
_PORTS = {"8462": "veilmatch serve ", "8464": "", "8471": "", "8472": ""}


def _script(text: str) -> str:
    blocks = list(_BLOCK.finditer(text))
    for block in blocks:
        assert text[: block.start()].endswith(_MARK), "every block of commands is run"
    assert text.count(_MARK) == len(blocks)
    script = "".join(block.group(1) for block in blocks)
    for port, command in _PORTS.items():
        free = str(free_port())
        assert port in script
        script = script.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
        script = script.replace(f"--port {port}", f"--port {free}")
        if command:  # takes this port unless told otherwise
            script = script.replace(command, f"{command}--port {free} ")
    return script


def test_a_block_that_is_not_run_is_noticed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    with pytest.raises(AssertionError):
        _script(text + "\n```sh\nveilmatch --help\n```\n")
    with pytest.raises(AssertionError):
        _script(text.replace(_MARK, "", 1))


def test_every_step_has_its_command() -> None:
    """Two providers, attest, build, sign, log, witness, publish, client update, audit."""
    script, place = _script(PAGE.read_text(encoding="utf-8")), -1
    for step in (
        *("provider keygen", "provider list", "provider attest", "release init", "build"),
        *("witness serve", "provider inspect", "log append", "release stage", "release sign"),
        *("release publish", "serve", "client update", "audit-bundle", "audit "),
    ):
        found = script.find(f"veilmatch {step}", place + 1)
        assert found > place, step
        place = found


def test_the_whole_path(tmp_path: Path) -> None:
    script, folder = tmp_path / "path.sh", tmp_path / "folder"
    script.write_text(_script(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    folder.mkdir()
    code, said = _run(script, folder, limit_s=600)
    assert code == 0, said
    assert "Traceback" not in said
    assert "error:" not in said
    assert "no check failed; 11, 23, 25, 26 were skipped" in said
    assert "5 entries, nothing found" in said
    assert said.count("✓ K-") == 7
    _check_what_is_there(folder)


def _check_what_is_there(folder: Path) -> None:
    """Not only what the programs said of themselves."""
    policy = parse_policy((folder / "policy").read_bytes())
    log = LogFolder(folder / "log")
    verified = verify_checkpoint(read_note(log.read), policy)
    assert verified.checkpoint.size == 5
    assert set(verified.witnesses) == {b"eu", b"us"}
    trust = parse_trust((folder / "my-trust.json").read_bytes())
    bundle = (folder / "bundle.json").read_bytes()
    manifest = json.loads(base64.b64decode(json.loads(bundle)["manifest"]))
    report = audit_bundle(bundle, trust, now_s=manifest["created_at"] + 60)
    assert report.skipped == (11, 23, 25, 26)
    assert [one.outcome for one in report.results].count(Outcome.OK) == 23
    assert report.facts["metadata signed by"] == ["Example Centre", "Example Hotline"]
    assert report.facts["certified by"] == ["Example Hotline"]
    assert report.facts["signed by"] == ["Example Centre", "Example Hotline"]
    assert (folder / "device.db").is_file()
