"""A client killed at random moments: every picture is counted once, with the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tally import Tally
from tests.unit.client.house import (
    FakeService,
    asset_kinds,
    make_client,
    options,
    picture,
    publish,
    running_service,
    write_pictures,
)
from veilmatch.client.sdk import Client

PICTURES = 160


@dataclass
class Victim:
    """The process of ``killable``; ``go`` runs one command and may kill it after a while."""

    process: subprocess.Popen[str]

    def go(self, command: str, kill_after_s: float | None) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        child = int(self.process.stdout.readline())
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            # Not yet waited for by anybody but its parent, so the number is still its own or
            # the process is gone; the parent prints the status either way.
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return int(self.process.stdout.readline())


@contextmanager
def victim(state: Path, folder: Path) -> Iterator[Victim]:
    command = [sys.executable, "-m", "tests.integration.client.killable", str(state), str(folder)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    try:
        yield Victim(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        process.wait(30)


def kill_often(victim: Victim, kills: int, lots: random.Random) -> int:
    """Run commands and kill them until enough were killed; return how many ended by themselves."""
    killed = ended = 0
    while killed < kills:
        command = lots.choice(["add", "send", "run", "run"])
        status = victim.go(command, lots.uniform(0.0, 0.35))
        assert status in (0, -signal.SIGKILL)
        killed += status == -signal.SIGKILL
        ended += status == 0
        assert ended < 400, "nothing is left to be killed"
    return ended


def check_everything_once(service: FakeService, client: Client, count: int) -> None:
    kinds = asset_kinds(client)
    assert set(service.vouchers) == set(kinds)
    assert len(kinds) == count
    # Decided once each: the counter moved once for every asset.
    assert json.loads(client.export_account())["upload_count"] == count
    status = client.status()
    assert (status.queued, status.waiting, status.sent) == (0, 0, count)


@pytest.mark.faults
def test_killed_thirty_times_counts_once_with_identical_bytes(tmp_path: Path, tally: Tally) -> None:
    known = [picture(index) for index in range(10)]
    photos = tmp_path / "photos"
    write_pictures(photos, PICTURES)
    lots = random.Random(4)
    with running_service(publish(known=known)) as service:
        service.faults.late_reply_s = 0.03
        with make_client(tmp_path, service.url):
            pass
        with victim(tmp_path / "device.db", photos) as process:
            kill_often(process, 15, lots)
            middle = len(service.vouchers)
            write_pictures(photos, PICTURES // 2, start=PICTURES)  # more work for the rest
            kill_often(process, 15, lots)
            assert process.go("run", None) == 0
        tally.kill("client", 30)
        assert middle <= PICTURES
        with Client.open(tmp_path / "device.db", options=options(service.url)) as client:
            check_everything_once(service, client, PICTURES + PICTURES // 2)
        assert all(len(bodies) == 1 for bodies in service.bodies.values())
        assert service.requests["POST"] > (PICTURES + PICTURES // 2) // 32


@pytest.mark.faults
def test_killed_while_the_service_moves_to_a_newer_release(tmp_path: Path, tally: Tally) -> None:
    photos = tmp_path / "photos"
    write_pictures(photos, 60)
    lots = random.Random(5)
    with running_service(publish(1)) as service:
        with make_client(tmp_path, service.url):
            pass
        with victim(tmp_path / "device.db", photos) as process:
            assert process.go("add", None) == 0
            kinds = _kinds(tmp_path, service)
            service.move_to(publish(2), keep_old=False)
            service.faults.late_reply_s = 0.03
            kill_often(process, 8, lots)
            tally.kill("client", 8)
            assert process.go("run", None) == 0
        with Client.open(tmp_path / "device.db", options=options(service.url)) as client:
            check_everything_once(service, client, 60)
            assert asset_kinds(client) == kinds


def _kinds(tmp_path: Path, service: FakeService) -> dict[bytes, str]:
    with Client.open(tmp_path / "device.db", options=options(service.url)) as client:
        return asset_kinds(client)


@pytest.mark.faults
def test_killed_while_deleting(tmp_path: Path, tally: Tally) -> None:
    photos = tmp_path / "photos"
    write_pictures(photos / "kept", 3)
    write_pictures(photos / "gone", 20, start=3)
    lots = random.Random(6)
    with running_service(publish()) as service:
        with make_client(tmp_path, service.url):
            pass
        with victim(tmp_path / "device.db", photos) as process:
            assert process.go("run", None) == 0
            assert len(service.vouchers) == 23
            for _ in range(6):
                status = process.go("delete", lots.uniform(0.0, 0.08))
                assert status in (0, -signal.SIGKILL)
                tally.kill("client", int(status != 0))
            assert process.go("delete", None) == 0
            assert process.go("send", None) == 0
        assert len(service.vouchers) == 3
        assert len(service.deleted) == 20
