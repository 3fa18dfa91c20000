"""``veilmatch client``: the commands, their last line, and what wrong use says."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.publication import Publisher, make_person
from tests.unit.client.house import (
    FakeService,
    PublishedRelease,
    make_policy,
    picture,
    publish,
    running_service,
    write_pictures,
)
from veilmatch.cli.main import run
from veilmatch.client.policy_file import policy_to_bytes
from veilmatch.client.sdk import Client


@pytest.fixture(scope="module")
def release() -> PublishedRelease:
    return publish(known=[picture(0)], created_at=int(time.time()))


@pytest.fixture
def service(release: PublishedRelease) -> Iterator[FakeService]:
    with running_service(release) as running:
        yield running


class Shell:
    """Runs commands as the program does, and keeps what they said."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.state = folder / "device.db"
        self.trust = folder / "trust.json"
        self.trust.write_bytes(policy_to_bytes(make_policy()))
        self.photos = folder / "photos"
        self._capsys = capsys

    def __call__(self, *arguments: object, code: int = 0) -> str:
        self._capsys.readouterr()
        assert run(["client", *map(str, arguments), "--state", str(self.state)]) == code
        said = self._capsys.readouterr()
        if code:
            lines = said.err.strip().splitlines()
            assert [line.split(":")[0] for line in lines[-2:]] == ["error", "hint"], said.err
            assert lines[-1] != "hint:"
            assert "Traceback" not in said.err
            assert said.out == ""
            return lines[-2]
        return said.out

    def json(self, *arguments: object) -> Any:
        return json.loads(self(*arguments, "--json").strip().splitlines()[-1])


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def test_whole_flow(shell: Shell, service: FakeService, tmp_path: Path) -> None:
    write_pictures(shell.photos, 3)
    (shell.photos / "cut.jpg").write_bytes(picture(9)[:-300])
    shell("init", "--server", service.url, "--trust", shell.trust)
    assert shell.json("update")["release"]["epoch"] == 1
    added = {"added": 3, "known": 0, "refused": {"truncated": 1}}
    assert shell.json("add", shell.photos)["add"] == added
    assert shell.json("send")["send"] == {"sent": 3, "deleted": 0, "remade": 0, "waiting": 0}
    status = shell.json("status")
    assert (status["sent"], status["queued"], status["refused"]) == (3, 0, {"truncated": 1})
    assert "kinds" not in status
    assert sum(shell.json("status", "--kinds")["kinds"].values()) == 3
    assert "1 truncated" in shell("status")
    again = shell.json("run", shell.photos)
    assert (again["add"]["known"], again["send"]["sent"]) == (3, 0)
    assert shell.json("delete", shell.photos / "0001.jpg") == {"deleted": 1}
    assert len(service.vouchers) == 2


def test_second_device(shell: Shell, service: FakeService, tmp_path: Path) -> None:
    write_pictures(shell.photos, 2)
    shell("init", "--server", service.url, "--trust", shell.trust)
    shell("run", shell.photos)
    export = tmp_path / "account.json"
    assert "end-to-end" in shell("export-account", "--out", export)
    assert stat.S_IMODE(export.stat().st_mode) == 0o600
    assert "already" in shell("export-account", "--out", export, code=2)
    shell.state = tmp_path / "second.db"
    made = shell.json("init", "--server", service.url, "--trust", shell.trust, "--account", export)
    assert made["assets"] == 2
    assert shell.json("run", shell.photos)["add"]["known"] == 2
    assert shell.json("import-account", "--account", export) == {"news": 0}
    assert len(service.vouchers) == 2


def test_nothing_private_is_said(shell: Shell, service: FakeService) -> None:
    write_pictures(shell.photos, 2)
    said = shell("init", "--server", service.url, "--trust", shell.trust)
    said += shell("run", shell.photos) + shell("status", "--kinds", "--json")
    with Client.open(shell.state) as client:
        account = client._session.account
        value = json.loads(client.export_account())
    private = [account.pseudonym.hex(), value["account_secret"]]
    private += [one["id"] for one in value["assets"]]
    private += [tag for one in value["assets"] for tag in one["seen_tags"]]
    assert len(private) >= 4
    assert not any(word in said for word in private)


def test_wrong_use(shell: Shell, service: FakeService, tmp_path: Path) -> None:
    assert "no client state" in shell("status", code=2)
    init = ("init", "--server", service.url, "--trust")
    shell(*init, tmp_path / "nowhere.json", code=2)
    for bad in (b"", b"{}", b"\x00\xff", policy_to_bytes(make_policy())[:-1]):
        (tmp_path / "bad.json").write_bytes(bad)
        shell(*init, tmp_path / "bad.json", code=2)
        assert not shell.state.exists()
    shell("init", "--server", "photos.example", "--trust", shell.trust, code=2)
    shell(*init, shell.trust)
    assert "already stands" in shell(*init, shell.trust, code=2)
    assert "no release" in shell("add", tmp_path, code=2)
    shell("update")
    assert "nothing at a path" in shell("add", tmp_path / "nowhere", code=2)
    assert "nothing was ever added" in shell("delete", tmp_path / "nowhere", code=2)
    shell("import-account", "--account", shell.trust, code=2)
    shell("add", code=2)


def test_garbage_state(shell: Shell) -> None:
    shell.state.write_bytes(b"garbage" * 999)
    assert "not a Veilmatch" in shell("status", code=2)
    assert shell.state.read_bytes() == b"garbage" * 999


def test_locked_state(shell: Shell, service: FakeService) -> None:
    shell("init", "--server", service.url, "--trust", shell.trust)
    with Client.open(shell.state):
        assert "another process" in shell("status", code=3)
    shell("status")


def test_wrong_trust_file(shell: Shell, service: FakeService) -> None:
    """A trust file of another publisher: the release is refused, nothing is made."""
    strangers = [make_person("One", "NL"), make_person("Two", "CA")]
    other = Publisher(strangers, now=int(time.time()))
    policy = replace(make_policy(), root=other.root)
    shell.trust.write_bytes(policy_to_bytes(policy))
    shell("init", "--server", service.url, "--trust", shell.trust)
    assert "signatures" in shell("update", code=1)
    shell("add", shell.trust, code=2)


def test_truncated_table(shell: Shell, service: FakeService) -> None:
    write_pictures(shell.photos, 1)
    shell("init", "--server", service.url, "--trust", shell.trust)
    service.faults.cut_shards_at = 700
    assert "shard 0 " in shell("update", code=1)
    service.faults.cut_shards_at = 0
    shell("update")


def test_old_release_is_refused(
    shell: Shell, service: FakeService, release: PublishedRelease
) -> None:
    write_pictures(shell.photos, 1)
    shell("init", "--server", service.url, "--trust", shell.trust)
    service.move_to(publish(2, created_at=int(time.time())), keep_old=True)
    shell("run", shell.photos)
    service.move_to(release, keep_old=True)
    assert "older" in shell("update", code=1)
    assert shell.json("add", shell.photos)["add"]["known"] == 1


def test_service_that_is_not_there(
    shell: Shell, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    write_pictures(shell.photos, 1)
    shell("init", "--server", "http://127.0.0.1:9", "--trust", shell.trust)
    assert "could not be reached" in shell("update", code=3)


def test_service_with_another_page(shell: Shell, service: FakeService) -> None:
    shell("init", "--server", service.url, "--trust", shell.trust)
    service.faults.statuses = [404, 404]  # no newer root, and no timestamp
    assert "lacks a file" in shell("update", code=3)


def test_refused_signature_and_policy(shell: Shell, service: FakeService) -> None:
    write_pictures(shell.photos, 1)
    shell("init", "--server", service.url, "--trust", shell.trust)
    shell("update")
    shell("add", shell.photos)
    service.faults.statuses = [401]
    assert "signature" in shell("send", code=1)
    service.faults.statuses = [403]
    assert "does not allow" in shell("send", code=2)
    service.faults.statuses = [400]
    assert "malformed" in shell("send", code=2)
    assert shell.json("status")["queued"] == 1
    assert shell.json("send")["send"]["sent"] == 1
