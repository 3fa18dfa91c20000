"""Progress for a machine: one JSON line for each task that moved, and a last one."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.integration.service.stores import open_store
from tests.integration.service.world import Device, make_world
from veilmatch.cli import console
from veilmatch.cli.main import WRONG_USE, run
from veilmatch.errors import ConfigError


def _lines(text: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [one["progress"] for one in found]


def test_lines_come_while_it_runs_and_one_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VEILMATCH_PROGRESS", "json")
    monkeypatch.setattr(console, "_LINE_EVERY_S", 0.01)
    said = ""
    with console.progress() as bars:
        one = bars.add_task("checking rows", total=10)
        other = bars.add_task("sealing anew", total=None)
        bars.advance(one, 4)
        deadline = time.monotonic() + 20
        while said.count("progress") < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
            said += capsys.readouterr().err
        bars.update(one, completed=10)
        bars.advance(other, 3)
    during, after = _lines(said), _lines(capsys.readouterr().err)
    assert {"task": "checking rows", "done": 4, "total": 10} in during
    assert {"task": "checking rows", "done": 10, "total": 10} in after
    assert {"task": "sealing anew", "done": 3, "total": None} in after
    assert len(during + after) <= 5  # a task that does not move says nothing again


def test_an_error_inside_is_passed_on_after_the_last_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VEILMATCH_PROGRESS", "json")

    def fail() -> None:
        with console.progress() as bars:
            bars.add_task("checking rows", total=2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _lines(capsys.readouterr().err) == [{"task": "checking rows", "done": 0, "total": 2}]


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEILMATCH_PROGRESS", "yes")
    with pytest.raises(ConfigError), console.progress():
        raise AssertionError("it went on")


def test_a_command_says_its_progress_to_a_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world, device, data = make_world(tmp_path / "world"), Device(), tmp_path / "data"
    with open_store(data) as store:
        made = device.make(world.current, unknown=7)
        store.intake.store_batches([device.accepted(world.current, made)])
    work = ["work", "--data", data, "--site", world.site, "--secrets", world.secrets]
    arguments = [str(one) for one in [*work, "--once", "--json"]]
    monkeypatch.setenv("VEILMATCH_PROGRESS", "json")
    assert run(arguments) == 0
    out, err = capsys.readouterr()
    assert _lines(err)[-1] == {"task": "matching vouchers", "done": 7, "total": 7}
    assert all(line.startswith("{") for line in err.splitlines())  # nothing but lines of JSON
    assert json.loads(out.splitlines()[-1]) == {"vouchers": 7, "segments": 1}
    monkeypatch.setenv("VEILMATCH_PROGRESS", "xml")
    assert run(arguments) == WRONG_USE
