"""One contract, three engines: right results, a killed worker, a killed driver, errors."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.shards.driver import make_map
from tests.tally import Tally

ROOT = Path(__file__).resolve().parents[3]
COUNT, SLEEP_S = 8, 0.25
_LIMIT_S = 120


@pytest.fixture(params=["local", "dask", "ray"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    pytest.importorskip(
        {"local": "veilmatch", "dask": "distributed", "ray": "ray"}[name],
        reason="the engine is an extra that is not installed",
        exc_type=ModuleNotFoundError,
    )
    return name


class Driver:
    """The driver's process; what it prints can be waited for."""

    def __init__(self, engine: str, folder: Path, sleep_s: float, task: str) -> None:
        paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}
        command = [sys.executable, "-m", "tests.integration.shards.driver"]
        self._log = open(folder / "driver.log", "ab")  # noqa: SIM115  closed with the driver
        self.process = subprocess.Popen(
            [*command, engine, str(folder), str(COUNT), str(sleep_s), task],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
            cwd=ROOT,
        )

    def lines(self) -> Iterator[str]:
        """What it prints, as it comes."""
        assert self.process.stdout is not None
        yield from (line.strip() for line in self.process.stdout)

    def wait_for(self, done: int) -> None:
        """Read until that many shards are done."""
        for line in self.lines():
            if line.startswith(f"{done}/"):
                return
        raise AssertionError("the driver ended early")

    def finish(self) -> dict[str, Any]:
        """Wait for the end. Returns its last line."""
        last = [line for line in self.lines() if line.startswith("{")][-1]
        self.process.wait(_LIMIT_S)
        found: dict[str, Any] = json.loads(last)
        return found

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_LIMIT_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


@pytest.fixture
def drivers(tmp_path: Path) -> Iterator[Any]:
    started: list[Driver] = []

    def start(engine: str, *, sleep_s: float = SLEEP_S, task: str = "hash_slowly") -> Driver:
        started.append(Driver(engine, tmp_path, sleep_s, task))
        return started[-1]

    yield start
    for driver in started:
        driver.close()


def _expected(folder: Path, sleep_s: float = SLEEP_S) -> str:
    read = make_map(folder, COUNT, sleep_s).read_input
    outputs = [hashlib.sha256(read(number)).digest() for number in range(COUNT)]
    return hashlib.sha256(b"".join(outputs)).hexdigest()


def _runs(folder: Path) -> Counter[int]:
    """How often each shard was begun."""
    return Counter(int(path.name.split(".")[0]) for path in (folder / "trace").iterdir())


def test_every_shard_once_and_in_order(engine: str, drivers: Any, tmp_path: Path) -> None:
    found = drivers(engine, sleep_s=0.01).finish()
    assert found == {"computed": COUNT, "outputs": _expected(tmp_path, 0.01)}
    assert _runs(tmp_path) == Counter(range(COUNT))
    again = drivers(engine, sleep_s=0.01).finish()
    assert again == {"computed": 0, "outputs": found["outputs"]}
    assert _runs(tmp_path) == Counter(range(COUNT))


@pytest.mark.faults
def test_a_killed_worker_costs_its_shards_and_no_more(
    engine: str, drivers: Any, tmp_path: Path, tally: Tally
) -> None:
    driver = drivers(engine)
    driver.wait_for(2)
    deadline = time.monotonic() + 10
    victims: set[int] = set()
    while not victims and time.monotonic() < deadline:
        newest = sorted((tmp_path / "trace").iterdir(), key=lambda p: p.stat().st_mtime_ns)[-1]
        victims = {int(newest.name.split(".")[1])}
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
        tally.kill(f"worker of {engine}")
    found = driver.finish()
    assert found == {"computed": COUNT, "outputs": _expected(tmp_path)}
    assert sum(_runs(tmp_path).values()) > COUNT, "nothing was under way when it was killed"


@pytest.mark.faults
def test_a_killed_driver_is_resumed_where_it_stood(
    engine: str, drivers: Any, tmp_path: Path, tally: Tally
) -> None:
    first = drivers(engine)
    first.wait_for(3)
    first.kill()
    tally.kill("driver")
    time.sleep(1.0)  # its workers see that it is gone
    found = drivers(engine).finish()
    assert found["outputs"] == _expected(tmp_path)
    assert 0 < found["computed"] <= COUNT - 3


def test_what_a_task_refuses_ends_the_run_by_name_and_keeps_the_rest(
    engine: str, drivers: Any, tmp_path: Path
) -> None:
    driver = drivers(engine, task="one_bad", sleep_s=0.05)
    found = driver.finish()
    assert found == {"error": "InputError", "message": "this shard is refused"}
    assert driver.process.returncode == 7


def test_a_shard_that_kills_its_workers_is_given_up(engine: str, drivers: Any) -> None:
    driver = drivers(engine, task="die_always")
    found = driver.finish()
    assert found["error"] == "UnavailableError"
    assert "died 4 times" in found["message"]
