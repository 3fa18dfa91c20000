"""A real S3 server as a process (moto's), and a proxy before it that misbehaves at random."""

from __future__ import annotations

import http.client
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from tests.integration.service.processes import free_port

BUCKET = "veilmatch"
_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length", "date", "server"}
_FAULTS = ("slow", "500", "503", "cut before", "cut after", "half a reply")
_SILENT_S = 2.0


@dataclass
class Weather:
    """How the proxy behaves.

    Attributes:
        rate: How many of the requests meet a fault, 0 to 1.
        faults: Which ones.
        counts: What happened; ``fine`` among it.
    """

    rate: float = 0.0
    faults: tuple[str, ...] = _FAULTS
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    chance: random.Random = field(default_factory=random.Random)

    def draw(self) -> str:
        """What the next request meets."""
        with self.lock:
            drawn = self.chance.choice(self.faults) if self.chance.random() < self.rate else "fine"
            self.counts[drawn] += 1
        return drawn


def _handler(weather: Weather, port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            drawn = weather.draw()
            if drawn in ("500", "503"):
                self._reply(int(drawn), {}, b"", 0)
                return
            if drawn == "slow":
                time.sleep(weather.chance.uniform(0.2, 1.0))
            if drawn == "silent":
                time.sleep(_SILENT_S)
            if drawn not in ("cut before", "silent"):
                status, headers, answer = self._forward(body)
                if drawn != "cut after":
                    cut = len(answer) // 2 if drawn == "half a reply" else 0
                    self._reply(status, headers, answer, cut)
                    if not cut:
                        return
            self.close_connection = True

        def _forward(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            finally:
                connection.close()

        def _reply(
            self, status: int, headers: Mapping[str, str], body: bytes, cut_len: int
        ) -> None:
            self.send_response(status)
            length = str(len(body))
            for name, value in headers.items():
                if name.lower() == "content-length" and self.command == "HEAD":
                    length = value
                elif name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(body[: len(body) - cut_len])

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is not our fault."""


@contextmanager
def _moto(log: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1"]
    with open(log, "ab") as stream:
        server = subprocess.Popen(
            [*command, "-p", str(port)], stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            with suppress(httpx.TransportError):
                httpx.put(f"http://127.0.0.1:{port}/{BUCKET}", trust_env=False).raise_for_status()
                break
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield port
    finally:
        server.kill()
        server.wait()


@dataclass(frozen=True)
class ObjectStore:
    """Where programs find it, and how it behaves."""

    weather: Weather
    environment: Mapping[str, str]
    port: int

    def names(self) -> list[str]:
        """What lies there, asked past the proxy."""
        answer = httpx.get(
            f"http://127.0.0.1:{self.port}/{BUCKET}?list-type=2", trust_env=False
        ).text
        return [part.partition("</Key>")[0] for part in answer.split("<Key>")[1:]]


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Start the server and the proxy; the weather is fine."""
    weather = Weather()
    with _moto(folder / "moto.log") as port:
        proxy = _Server(("127.0.0.1", 0), _handler(weather, port))
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        environment = {
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.server_port}",
            "AWS_ALLOW_HTTP": "true",
        }
        try:
            yield ObjectStore(weather, environment, port)
        finally:
            proxy.shutdown()
            thread.join()
            proxy.server_close()
