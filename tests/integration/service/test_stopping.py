"""SIGTERM to ``work`` and ``actions deliver``: what is held is given back or finished, exit 0."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.integration.service.stores import OpenStore, open_store
from tests.integration.service.world import SMALL, Device, World
from tests.nursery import Nursery
from veilmatch.actions.endpoints import Endpoints
from veilmatch.actions.outbox import enqueue
from veilmatch.actions.signing import Scheme
from veilmatch.clock import system_clock
from veilmatch.service.app import open_data

_LOADED = (
    "veilmatch.cli.operator.service_commands",
    "veilmatch.cli.operator.action_commands",
    "veilmatch.jobs.worker:_BATCH=1",
)
_WAIT_S = 30.0
_MANY = 3000


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def _segment(store: OpenStore) -> tuple[str, int, int]:
    with store.database.transaction() as connection:
        row = connection.execute(
            text("SELECT state, attempts, lease_expires_at FROM segment")
        ).one()
    return row.state, row.attempts, row.lease_expires_at


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_asked_to_stop_gives_its_segment_back(
    world: World, tmp_path: Path, which: signal.Signals
) -> None:
    device, data = Device(), tmp_path / "data"
    known = device.make(world.current, known=SMALL.min_shares)
    with open_store(data) as store:
        for _ in range(_MANY // 50):
            made = device.make(world.current, unknown=50)
            store.intake.store_batches([device.accepted(world.current, made)])
        store.intake.store_batches([device.accepted(world.current, known)])
    work = ["work", "--data", data, "--site", world.site, "--secrets", world.secrets]
    with Nursery(tmp_path / "work.log", _LOADED) as nursery, open_store(data) as store:
        child = nursery.start(*work)
        _until(lambda: _segment(store)[1] == 1)
        time.sleep(0.02)
        os.kill(child, which)
        asked_at = time.monotonic()
        assert nursery.join(child) == 0, nursery.log
        assert time.monotonic() - asked_at < 5
        assert "0 vouchers in 0 segments processed" in nursery.log
        assert _segment(store) == ("sealed", 0, 0)
        # The next one has it at once: nobody waits for a lease of a quarter of an hour.
        assert nursery.run(*work, "--once") == 0, nursery.log
        assert len(store.opened()) == 1
    assert "Traceback" not in nursery.log


def test_a_worker_that_waits_stops_at_once(world: World, tmp_path: Path) -> None:
    device = Device()
    with open_store(tmp_path / "data") as store:
        made = device.make(world.current, unknown=1)
        store.intake.store_batches([device.accepted(world.current, made)])
    work = ["work", "--data", tmp_path / "data", "--site", world.site]
    work += ["--secrets", world.secrets, "--interval", "3600"]
    with (
        Nursery(tmp_path / "work.log", _LOADED) as nursery,
        open_store(tmp_path / "data") as store,
    ):
        child = nursery.start(*work)
        _until(lambda: store.work.pending_count() == (0, 0))
        time.sleep(0.2)  # by then it waits for the next look, an hour long
        os.kill(child, signal.SIGTERM)
        asked_at = time.monotonic()
        assert nursery.join(child) == 0, nursery.log
        assert time.monotonic() - asked_at < 5
        assert "1 vouchers in 1 segments processed" in nursery.log


def test_a_deliverer_that_is_asked_to_stop_finishes_what_is_on_its_way(tmp_path: Path) -> None:
    database, crypter = open_data(tmp_path / "data", None)
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            got.append(self.headers["webhook-id"])
            time.sleep(0.5)
            self.send_response(204)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    endpoints = Endpoints(database, crypter, system_clock)
    with database.transaction() as connection:
        endpoints.add(connection, f"http://127.0.0.1:{server.server_port}/", Scheme.HMAC)
        for number in range(40):
            body = {"case_id": f"{number + 1:032x}", "account": f"{number:032x}"}
            enqueue(connection, "account.suspend", body, system_clock())

    def states() -> dict[str, int]:
        with database.transaction() as connection:
            rows = connection.execute(
                text("SELECT state, count(*) AS n FROM action_delivery GROUP BY state")
            ).all()
        return {row.state: row.n for row in rows}

    with Nursery(tmp_path / "deliver.log", _LOADED) as nursery:
        child = nursery.start("actions", "deliver", "--data", tmp_path / "data")
        _until(lambda: len(got) >= 1)
        os.kill(child, signal.SIGTERM)
        assert nursery.join(child) == 0, nursery.log
        # What the receiver has is noted as delivered; the rest waits under no lease.
        assert states()["delivered"] == len(got) < 40
        with database.transaction() as connection:
            held = connection.execute(
                text("SELECT count(*) FROM action_delivery WHERE lease_expires_at > 0")
            ).scalar_one()
        assert held == 0
    server.shutdown()
    thread.join()
    server.server_close()
    database.close()
    assert "Traceback" not in nursery.log
