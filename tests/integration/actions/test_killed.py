"""kill -9 of the deliverer at any moment: every action arrives, under one id."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.nursery import SERVICE, Nursery
from tests.tally import Tally
from veilmatch.actions.endpoints import Endpoints
from veilmatch.actions.outbox import enqueue
from veilmatch.actions.signing import Scheme
from veilmatch.clock import system_clock
from veilmatch.service.app import open_data

pytestmark = pytest.mark.faults

KILLS, MESSAGES, ACCOUNTS = 25, 300, 20


def test_killed_deliverer_loses_nothing(tmp_path: Path, tally: Tally) -> None:
    got: Counter[str] = Counter()
    order: dict[str, list[int]] = defaultdict(list)
    lock = threading.Lock()
    failures: list[str] = []
    database, crypter = open_data(tmp_path / "data", None)
    chance = random.Random()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:
                return  # its sender was killed in the middle of it: nothing arrived
            headers = {key.lower(): value for key, value in self.headers.items()}
            try:
                said = Webhook(secret).verify(body, headers)
            except Exception as exc:  # noqa: BLE001  a bad signature fails the test below
                failures.append(type(exc).__name__)
                said = json.loads(body)
            with lock:
                got[headers["webhook-id"]] += 1
                order[said["data"]["account"]].append(said["number"])
            time.sleep(0.04)  # so that kills hit while an answer is awaited
            self.send_response(204)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    endpoints = Endpoints(database, crypter, system_clock)
    url = f"http://127.0.0.1:{server.server_port}/"
    with database.transaction() as connection:
        secret = endpoints.add(connection, url, Scheme.HMAC).shown
        sent = {
            "msg_" + enqueue(connection, "account.suspend", _body(number), system_clock()).hex()
            for number in range(MESSAGES)
        }
    # A killed one's lease would hold up the next for a minute.
    loaded = [*SERVICE, "veilmatch.actions.delivery:LEASE_S=1"]
    killed, deliver = 0, ["actions", "deliver", "--data", tmp_path / "data", "--interval", "0.05"]
    with Nursery(tmp_path / "deliver.log", loaded) as nursery:
        for _ in range(KILLS):
            child = nursery.start(*deliver)
            time.sleep(chance.uniform(0.0, 0.3))
            killed += nursery.kill(child) == -signal.SIGKILL
        for _ in range(20):
            nursery.run("actions", "deliver", "--data", tmp_path / "data", "--once")
            if set(got) == sent:
                break
            time.sleep(1.1)  # the last killed one's leases run out
        assert "Traceback" not in nursery.log
    server.shutdown()
    thread.join()
    server.server_close()
    database.close()
    assert failures == []
    assert set(got) == sent, "every action arrived, and nothing else"
    for numbers in order.values():
        first_seen = list(dict.fromkeys(numbers))
        assert first_seen == sorted(first_seen), "in order for each account"
    tally.kill("deliverer of webhooks", killed)
    tally.add("webhooks that came twice", got.total() - len(got))
    assert killed >= 20


def _body(number: int) -> dict[str, str]:
    return {"account": f"{number % ACCOUNTS:032x}", "case_id": f"{number:032x}"}
