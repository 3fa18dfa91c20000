"""The monitor: forks, rollbacks, freezes, parameter changes; and it remembers nothing false."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.logstore.small_house import LOG_KEY, NOW_S, WITNESS_KEYS, House, envelope
from tests.unit.transparency.entries.samples import CENTRE, HOTLINE, make_statement
from tests.unit.transparency.small_log import ORIGIN
from veilmatch.cli.main import run
from veilmatch.errors import SignatureError
from veilmatch.logstore.follow import Follower
from veilmatch.logstore.log_folder import LogFolder, read_note
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.entries.canonical import JsonObject
from veilmatch.transparency.entries.entry import EntryKind, Statement, hash_statement
from veilmatch.transparency.entries.envelope import Envelope, sign_payload
from veilmatch.transparency.note import parse_note, sign_note

DAY_S = 86_400


def kinds(house: House, folder: str = "log", *, now_s: int = NOW_S, also: str = "") -> list[str]:
    follower = Follower(
        LogFolder(house.top / folder).read,
        house.policy,
        memory=house.top / "memory",
        parties=[HOTLINE.key],
    )
    others = [LogFolder(house.top / also).read] if also else []
    view = follower.look(now_s=now_s, max_age_s=DAY_S, others=others)
    return [str(one.kind) for one in view.findings]


def release(epoch: int, min_shares: int) -> Envelope:
    base = make_statement(EntryKind.RELEASE)
    changed: JsonObject = {
        "epoch": epoch,
        "release_id": f"{epoch:064x}",
        "previous": f"{epoch - 1:064x}",
        "sources": [],
        "parameters": {"min_shares": min_shares},
    }
    statement = Statement(EntryKind.RELEASE, base.subjects, base.predicate | changed)
    return sign_payload(statement.to_bytes(), [HOTLINE])


def fork(house: House, size: int = 2) -> None:
    """The same log's key, and both witnesses corrupt: another history in another folder."""
    other = House(house.top / "evil")
    other.log().append([envelope(100 + number) for number in range(size)])
    shutil.copytree(other.folder.folder, house.top / "forked")


def test_a_log_that_grows_is_clean(tmp_path: Path) -> None:
    house = House(tmp_path)
    for number in range(3):
        house.log().append([envelope(number)])
        assert kinds(house) == []
    assert kinds(house) == []


@pytest.mark.attacks
@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_fork_is_found_and_its_evidence_kept(tmp_path: Path, size: int) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0), envelope(1)])
    assert kinds(house) == []
    fork(house, size)
    found = kinds(house, "forked")
    assert "fork" in found if size >= 2 else "rollback" in found
    notes = [parse_note(path.read_bytes()) for path in (tmp_path / "memory/evidence").iterdir()]
    assert {one.text for one in notes} == {
        read_note(LogFolder(tmp_path / name).read).text for name in ("log", "forked")
    }
    # What is remembered is still the history seen first, so it is found again.
    assert found == kinds(house, "forked")
    assert kinds(house) == []


@pytest.mark.attacks
def test_what_others_are_shown_is_compared(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0), envelope(1)])
    shutil.copytree(tmp_path / "log", tmp_path / "mirror")
    house.log().append([envelope(2)])
    assert kinds(house, also="mirror") == []
    assert kinds(house, "log", also="mirror") == []
    fork(house, 3)
    assert kinds(house, also="forked") == ["fork"]


@pytest.mark.attacks
def test_a_rollback_is_found(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0)])
    shutil.copytree(tmp_path / "log", tmp_path / "old")
    house.log().append([envelope(1)])
    assert kinds(house) == []
    assert kinds(house, "old") == ["rollback"]
    assert kinds(house, "old") == ["rollback"]


def test_a_freeze_is_found_and_ends_when_witnesses_sign_anew(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0)])
    assert kinds(house, now_s=NOW_S + DAY_S) == []
    assert kinds(house, now_s=NOW_S + DAY_S + 1) == ["freeze"]
    house.now_s += DAY_S
    house.log().append([])
    assert kinds(house, now_s=NOW_S + DAY_S + 1) == []


@pytest.mark.attacks
def test_a_fork_without_witnesses_is_found_as_well(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0), envelope(1)])
    assert kinds(house) == []
    forged = Checkpoint(ORIGIN, 2, bytes(32)).to_bytes()
    house.folder.write_checkpoint(sign_note(forged, [LOG_KEY], at_s=0))
    assert kinds(house) == ["freeze", "fork", "damage"]
    house.folder.write_checkpoint(sign_note(forged, [WITNESS_KEYS["eu"]], at_s=NOW_S))
    with pytest.raises(SignatureError):
        kinds(house)


def test_a_parameter_change_is_told_once(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.log().append([release(1, 31)])
    assert kinds(house) == []
    house.log().append([release(2, 5)])
    assert kinds(house) == ["parameters"]
    assert kinds(house) == []


def test_hidden_and_unsigned_entries_are_told_each_time(tmp_path: Path) -> None:
    house = House(tmp_path)
    stranger = sign_payload(envelope(1).payload, [CENTRE])
    house.log().append([envelope(0), stranger])
    assert kinds(house) == ["unsigned"]
    name = hash_statement(envelope(0).payload).hex()
    (tmp_path / "log" / "statement" / name).unlink()
    assert kinds(house) == ["hidden", "unsigned"]
    assert kinds(house) == ["hidden", "unsigned"]


def test_damage_is_not_remembered(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0)])
    bundle = tmp_path / "log" / "tile" / "entries" / "000.p" / "1"
    data = bundle.read_bytes()
    bundle.write_bytes(data[:-1] + b"?")
    assert kinds(house) == ["damage"]
    assert not (tmp_path / "memory" / "checkpoint").exists()


def _monitor(house: House, folder: str, capfd: pytest.CaptureFixture[str], *more: str) -> Any:
    """What the command finds, as its machine-readable line; and that the exit code fits."""
    policy = house.top / "policy"
    policy.write_bytes(house.policy.to_bytes())
    memory = ["--memory", str(house.top / "memory")]
    capfd.readouterr()
    command = ["monitor", str(house.top / folder), "--policy", str(policy), *memory, *more]
    code = run([*command, "--json"])
    told = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert code == int(bool(told["findings"]))
    return [one["kind"] for one in told["findings"]]


@pytest.mark.attacks
def test_the_command_tells_forks_rollbacks_freezes_and_parameters(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    house = House(tmp_path)
    house.now_s = int(time.time())
    house.log().append([release(1, 31)])
    shutil.copytree(tmp_path / "log", tmp_path / "old")
    assert _monitor(house, "log", capfd) == []
    house.log().append([release(2, 5)])
    assert _monitor(house, "log", capfd) == ["parameters"]
    assert _monitor(house, "log", capfd) == []
    assert _monitor(house, "old", capfd) == ["rollback"]
    other = House(tmp_path / "evil")
    other.now_s = house.now_s
    other.log().append([envelope(100), envelope(101)])
    assert _monitor(house, "evil/log", capfd) == ["fork"]
    assert len(list((tmp_path / "memory" / "evidence").iterdir())) >= 2
    assert _monitor(house, "log", capfd, "--also", str(tmp_path / "evil" / "log")) == ["fork"]
    assert _monitor(house, "log", capfd) == []  # nothing false was remembered
    house.now_s -= 2 * DAY_S
    house.log().append([])
    assert _monitor(house, "log", capfd) == ["freeze"]


def test_a_watch_goes_on_when_the_line_is_down(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path)
    house.now_s = int(time.time())
    house.log().append([envelope(0)])
    policy = tmp_path / "policy"
    policy.write_bytes(house.policy.to_bytes())
    (tmp_path / "log").rename(tmp_path / "away")
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            (tmp_path / "away").rename(tmp_path / "log")
        if len(slept) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    (tmp_path / "log").mkdir()
    code = run(["monitor", str(tmp_path / "log"), "--policy", str(policy), "--interval", "7"])
    said = capfd.readouterr()
    assert slept == [7, 7, 7, 7]
    assert code not in (0, 1)
    assert said.err.count("not seen this time") + said.out.count("not seen this time") == 2
    assert (said.err + said.out).count("nothing found") == 2
    shutil.rmtree(tmp_path / "log")
    (tmp_path / "log").mkdir()
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    options = ["--policy", str(policy), "--interval", "1", "--max-age", "1"]
    assert run(["monitor", str(tmp_path / "log"), *options]) == 3  # for longer than a freeze


def test_the_command_tells_findings_and_its_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0)])
    policy = tmp_path / "policy"
    policy.write_bytes(house.policy.to_bytes())
    command = ["monitor", str(tmp_path / "log"), "--policy", str(policy), "--json"]
    capfd.readouterr()
    # The witnesses of this test sign in 2027; to the clock of this machine that is the future.
    assert run(command) == 1
    told = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert [one["kind"] for one in told["findings"]] == ["freeze"]
    assert run(["monitor", str(tmp_path / "nowhere"), "--policy", str(policy)]) == 2
    assert run(["monitor", "http://127.0.0.1:9", "--policy", str(policy)]) == 3
