"""The commands of a host, as processes: stored is stored, whatever is killed when."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.service.processes import PROGRAM, Program, free_port
from tests.unit.client.house import FakeService, make_policy, picture, publish, running_service
from veilmatch.cli.main import run
from veilmatch.client.policy_file import policy_to_bytes


@pytest.fixture
def service() -> Iterator[FakeService]:
    with running_service(publish(known=[picture(0)], created_at=int(time.time()))) as running:
        yield running


@pytest.fixture
def data(tmp_path: Path, service: FakeService) -> Path:
    trust = tmp_path / "trust.json"
    trust.write_bytes(policy_to_bytes(make_policy()))
    arguments = ["client", "host-init", "--server", service.url, "--trust", str(trust)]
    assert run([*arguments, "--data", str(tmp_path / "host")]) == 0
    return tmp_path / "host"


class SidecarProgram(Program):
    """``veilmatch client sidecar`` on a free port."""

    def __init__(self, data: Path, log: Path, *options: str) -> None:
        self.address = f"http://127.0.0.1:{(port := free_port())}"
        command: list[str | Path] = [*PROGRAM, "client", "sidecar", "--data", data]
        super().__init__([*command, "--port", str(port), *options], log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log
            try:
                httpx.get(f"{self.address}/healthz", trust_env=False).raise_for_status()
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the sidecar did not start")

    def scan(self, number: int, user: str) -> int:
        headers = {"Veilmatch-User": user}
        return httpx.post(
            f"{self.address}/scan",
            content=picture(number),
            headers=headers,
            trust_env=False,
            timeout=30,
        ).status_code


def test_a_killed_sidecar_sends_what_it_called_stored(
    data: Path, service: FakeService, tmp_path: Path
) -> None:
    stored = 0
    for turn in range(3):
        # The first rounds never get to send: the time between two sends is an hour.
        with SidecarProgram(data, tmp_path / "log", "--send-every", "3600") as program:
            for number in range(4 * turn, 4 * turn + 4):
                assert program.scan(number, f"user {number % 3}") == 200
                stored += 1
            program.kill()
    assert not service.vouchers
    with SidecarProgram(data, tmp_path / "log", "--send-every", "0.1") as program:
        deadline = time.monotonic() + 20
        while len(service.vouchers) < stored:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert program.stop() == 0
    assert len(service.vouchers) == stored == 12
    assert all(len(bodies) == 1 for bodies in service.bodies.values())
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert "user 1" not in log


def test_watching_a_folder_until_told_to_stop(
    data: Path, service: FakeService, tmp_path: Path
) -> None:
    uploads = tmp_path / "uploads"
    (uploads / "anna").mkdir(parents=True)
    command = [*PROGRAM, "client", "watch", str(uploads), "--data", str(data)]
    with Program([*command, "--interval", "0.2", "--json"], tmp_path / "log") as program:
        for number in range(3):
            path = uploads / "anna" / f"{number}.jpg"
            path.write_bytes(picture(number))
            os.utime(path, (time.time() - 10, time.time() - 10))
        deadline = time.monotonic() + 30
        while len(service.vouchers) < 3:
            assert time.monotonic() < deadline, program.log
            time.sleep(0.05)
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(20) == 0
    rounds = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert sum(one["added"] for one in rounds) == 3
    assert sum(one["sent"]["sent"] for one in rounds) == 3


def test_once_and_whose(
    data: Path, service: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "uploads" / "anna" / "1.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(picture(1))
    os.utime(path, (time.time() - 10, time.time() - 10))
    capsys.readouterr()
    watch = ["client", "watch", str(tmp_path / "uploads"), "--data", str(data), "--once"]
    assert run(watch) == 0
    assert "added 1, known 0, sent 1" in capsys.readouterr().out
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(data / "users.db")) as connection:
        ((account,),) = connection.execute("SELECT account FROM host_user").fetchall()
    assert run(["client", "whose", account.hex(), "--data", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"user": "anna"}
    assert run(["client", "whose", "00" * 16, "--data", str(data)]) == 2
    assert run(["client", "whose", "zz", "--data", str(data)]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["watch", "NOTHING", "--data", "HOST"], "there is no folder"),
        (["watch", ".", "--data", "NOTHING"], "no host here"),
        (["sidecar", "--data", "NOTHING"], "no host here"),
        (["sidecar", "--data", "HOST", "--host", "0.0.0.0"], "needs a token"),
        (["sidecar", "--data", "HOST", "--token", "SHORT"], "fewer than 32"),
        (["host-init", "--server", "http://127.0.0.1:1", "--trust", "SHORT", "--data", "X"], ""),
    ],
)
def test_wrong_use_is_told_in_two_lines(
    data: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "short").write_text("abc\n")
    places = {"NOTHING": tmp_path / "no", "HOST": data, "SHORT": tmp_path / "short"}
    words = [str(places.get(one, one)) for one in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "veilmatch.cli.main", "client", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(r"error: .+\nhint: .+\n", done.stderr), done.stderr
    assert said in done.stderr
