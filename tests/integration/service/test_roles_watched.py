"""``work`` and ``actions deliver`` tell their operator: metrics over HTTP, log lines."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import httpx

from tests.integration.service.stores import open_store
from tests.integration.service.world import SMALL, Device, World
from tests.nursery import Nursery
from veilmatch.actions.endpoints import Endpoints
from veilmatch.actions.outbox import enqueue
from veilmatch.actions.signing import Scheme
from veilmatch.clock import system_clock
from veilmatch.service.app import open_data

_LOADED = ("veilmatch.cli.operator.service_commands", "veilmatch.cli.operator.action_commands")


def _metrics(nursery: Nursery, wanted: str) -> str:
    """Wait until the program serves its metrics and shows a line."""
    deadline, shown = time.monotonic() + 60, ""
    while wanted not in shown:
        assert time.monotonic() < deadline, nursery.log + shown
        time.sleep(0.05)
        if found := re.search(r"http://127\.0\.0\.1:\d+/metrics", nursery.log):
            shown = httpx.get(found.group(), trust_env=False).text
    return shown


def _stop(nursery: Nursery, child: int) -> list[dict[str, object]]:
    """Ask it to stop; give its log lines."""
    os.kill(child, signal.SIGTERM)
    assert nursery.join(child) == 0, nursery.log
    return [json.loads(line) for line in nursery.log.splitlines() if line.startswith("{")]


def test_a_worker_is_watched(world: World, tmp_path: Path) -> None:
    device, data = Device(), tmp_path / "data"
    with open_store(data) as store:
        made = device.make(world.current, known=SMALL.min_shares, unknown=3)
        store.intake.store_batches([device.accepted(world.current, made)])
    work = ["work", "--data", data, "--site", world.site, "--secrets", world.secrets]
    with Nursery(tmp_path / "work.log", _LOADED) as nursery:
        child = nursery.start(*work, "--interval", "0.1", "--log", "--metrics-port", "0")
        shown = _metrics(nursery, f"veilmatch_work_vouchers_total {len(made)}.0")
        lines = _stop(nursery, child)
    assert "veilmatch_work_segments_total 1.0" in shown
    assert "veilmatch_work_failures_total 0.0" in shown
    assert "veilmatch_held_segments 0.0" in shown
    assert [line["event"] for line in lines] == ["started", "segments processed", "stopped"]
    assert lines[1]["vouchers"] == len(made)
    assert all(line["role"] == "work" and "dropped" not in line for line in lines)
    # A case was opened; nothing that the worker shows or says tells of it.
    assert "case" not in shown
    assert device.pseudonym.hex() not in shown + nursery.log


def test_a_fault_is_counted_and_told_by_its_class(world: World, tmp_path: Path) -> None:
    device, data = Device(), tmp_path / "data"
    with open_store(data) as store:
        made = device.make(world.current, unknown=2)
        store.intake.store_batches([device.accepted(world.current, made)])
    (segment,) = (data / "segments").glob("*.segment")
    segment.write_bytes(segment.read_bytes()[:-1])
    work = ["work", "--data", data, "--site", world.site, "--secrets", world.secrets]
    with Nursery(tmp_path / "work.log", _LOADED) as nursery:
        child = nursery.start(*work, "--interval", "0.1", "--log", "--metrics-port", "0")
        shown = _metrics(nursery, "veilmatch_work_failures_total 1.0")
        lines = _stop(nursery, child)
    assert "veilmatch_segment_attempts 1.0" in shown
    assert "veilmatch_leased_segments 1.0" in shown
    assert [line["event"] for line in lines] == ["started", "not processed", "stopped"]
    assert lines[1]["kind"] == "StoreError"


def test_a_deliverer_is_watched(tmp_path: Path) -> None:
    data = tmp_path / "data"
    database, crypter = open_data(data, None)
    with database.transaction() as connection:
        endpoints = Endpoints(database, crypter, system_clock)
        endpoints.add(connection, "http://127.0.0.1:9/", Scheme.HMAC)  # nobody listens there
        body = {"case_id": "01" * 16, "account": "02" * 16}
        enqueue(connection, "account.suspend", body, system_clock())
    database.close()
    with Nursery(tmp_path / "deliver.log", _LOADED) as nursery:
        told = ["--data", data, "--interval", "0.1", "--log", "--metrics-port", "0"]
        child = nursery.start("actions", "deliver", *told)
        shown = _metrics(nursery, 'veilmatch_actions{state="waiting"} 1.0')
        lines = _stop(nursery, child)
    assert "veilmatch_actions_delivered_total 0.0" in shown
    assert 'veilmatch_actions{state="dead"} 0.0' in shown
    assert [line["event"] for line in lines] == ["started", "stopped"]
