"""A receiver of webhooks on the loopback address, and an outbox."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from veilmatch.actions.delivery import Deliverer
from veilmatch.actions.endpoints import Endpoints
from veilmatch.actions.sending import HttpSender
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Receiver:
    """What arrived, and what is answered next."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A real server; answers 204 unless ``answers`` says otherwise."""
    seen = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            seen.paths.append(self.path)
            status = seen.answers.pop(0) if seen.answers else 204
            self.send_response(status)
            if status == 302:
                self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    seen.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def endpoints(database: Database, clock: Clock) -> Endpoints:
    return Endpoints(database, Crypter([SecretBytes(os.urandom(32))]), clock)


@pytest.fixture
def deliverer(database: Database, endpoints: Endpoints, clock: Clock) -> Iterator[Deliverer]:
    sender = HttpSender()
    yield Deliverer(database, endpoints, sender, clock, lambda: 0.0)
    sender.close()
