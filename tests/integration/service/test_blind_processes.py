"""Real processes: nothing that leaves them says whether anything matched below the threshold.

As ``test_blind``, with ``veilmatch serve`` and ``veilmatch work`` as they run: bytes from the
socket, log files, the metrics' page, the administration's answers, what the worker prints. Only
what is a time is made alike before the comparison.
"""

from __future__ import annotations

import json
import re
import socket
import time
from dataclasses import dataclass, fields
from pathlib import Path

import httpx

from tests.integration.service.processes import PROGRAM, Program, free_port
from tests.integration.service.stores import open_store
from tests.integration.service.world import SMALL, Device, World
from veilmatch.access.operators import NewOperator, Operators
from veilmatch.access.roles import Role
from veilmatch.access.sessions import Sessions
from veilmatch.clock import system_clock
from veilmatch.service.app import STORE_KEY
from veilmatch.store.crypter import load_crypter

_MATCHES = SMALL.min_shares - 1
_PLACES = ("/queue", "/queue/items", "/retention", "/reports/dead", "/webhooks/dead", "/quotas")
_AT = re.compile(rb"\b1[0-9]{9}\b")  # seconds since 1970
_TIMED = re.compile(
    rb"^(veilmatch_(?:request|group_commit)_seconds_(?:bucket|sum)\S*) .*$", re.MULTILINE
)
_AGE = re.compile(
    rb"^(veilmatch_(?:oldest_waiting|review_timer_done_timestamp)_seconds\S*) .*$", re.MULTILINE
)


@dataclass(frozen=True)
class Seen:
    """Everything that a run lets out, as bytes; ``share_count`` alone is the inside."""

    replies: bytes
    log: bytes
    metrics: bytes
    administration: bytes
    worker: bytes
    share_count: int


class _Run:
    """One run in a folder of its own, on the ports that both runs use."""

    def __init__(self, world: World, folder: Path, ports: tuple[int, int], known: int) -> None:
        self.world, self.folder, self.ports = world, folder, ports
        self.device = Device()
        self.sent = self.device.make(world.current, known=known, unknown=6 - known)
        self.data, self.config = folder / "data", folder / "serve.toml"
        folder.mkdir()
        values = {
            "data": str(self.data),
            "site": str(world.site),
            "port": ports[0],
            "metrics_port": ports[1],
            "min_delay_s": 0,
            "access_log": True,
            "review_every_s": 0,
            "administration": True,
            "administration_step_up": False,
        }
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        self.config.write_text(text)
        self.replies = self.metrics = self.administration = b""

    def _ask(self, method: str, path: str, body: bytes = b"", token: str = "") -> bytes:
        """Ask over a socket of our own, and take every byte that comes back."""
        head = f"{method} {path} HTTP/1.1\r\nHost: s\r\nContent-Length: {len(body)}\r\n"
        head += f"Authorization: Bearer {token}\r\n" if token else ""
        said = b""
        with socket.create_connection(("127.0.0.1", self.ports[0]), timeout=30) as connection:
            connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)
            while part := connection.recv(65_536):
                said += part
        return said

    def _wait(self, service: Program) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert service.process.poll() is None, service.log
            try:  # no request: how often one asks is not to be counted
                socket.create_connection(("127.0.0.1", self.ports[0]), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the service did not start")

    def _serve(self, steps: list[tuple[str, str, bytes]], token: str) -> None:
        command: list[str | Path] = [*PROGRAM, "serve", "--config", self.config]
        with Program(command, self.folder / "serve.log") as service:
            self._wait(service)
            for method, path, body in steps:
                self.replies += self._ask(method, path, body)
            for place in _PLACES:
                self.administration += self._ask("GET", f"/admin/v1{place}", token=token)
            page = f"http://127.0.0.1:{self.ports[1]}/metrics"
            self.metrics += httpx.get(page, trust_env=False).content
            assert service.stop() == 0

    def _work(self) -> None:
        command: list[str | Path] = [*PROGRAM, "work", "--data", self.data]
        command += ["--site", self.world.site, "--secrets", self.world.secrets]
        with Program([*command, "--once", "--json"], self.folder / "work.log") as worker:
            assert worker.process.wait(120) == 0, worker.log

    def _engineer(self) -> str:
        with open_store(self.data) as store, store.database.transaction() as connection:
            crypter = load_crypter(self.data / STORE_KEY, make=False)
            new = NewOperator("olga", frozenset({Role.OPERATOR}), "", "https://id", "olga")
            made = Operators(store.database, crypter, system_clock).add(connection, new)
            return Sessions(store.database, system_clock).open_in(connection, made)

    def play(self) -> Seen:
        device, release, sent = self.device, self.world.current, self.sent
        token, batch = self._engineer(), device.batch(release, sent)
        vouchers, gone = "/v1/vouchers", device.deletion([one.asset_id for one in sent][:2])
        self._serve(
            [
                ("POST", vouchers, batch),
                ("POST", vouchers, batch),
                ("POST", vouchers, batch[:-1]),
                ("GET", "/readyz", b""),
            ],
            token,
        )
        time.sleep(1.1)  # times are whole seconds: now what was sealed is due
        self._work()
        with open_store(self.data) as store:
            share_count = len(store.shares())
        self._serve(
            [
                ("POST", vouchers, batch),
                ("DELETE", vouchers, gone),
                ("DELETE", vouchers, gone),
                ("POST", vouchers, batch),
                ("POST", vouchers, device.batch(release, [sent[5]])),
                ("GET", "/readyz", b""),
            ],
            token,
        )
        self._work()
        return Seen(
            self.replies,
            _AT.sub(b"T", (self.folder / "serve.log").read_bytes()),
            _AGE.sub(rb"\1 T", _TIMED.sub(rb"\1 T", self.metrics)),
            _AT.sub(b"T", self.administration),
            (self.folder / "work.log").read_bytes(),
            share_count,
        )


def test_processes_with_matches_below_the_threshold_look_like_those_without(
    world: World, tmp_path: Path
) -> None:
    ports = (free_port(), free_port())
    with_matches = _Run(world, tmp_path / "with", ports, _MATCHES).play()
    without = _Run(world, tmp_path / "without", ports, 0).play()
    # The runs do differ inside, or the comparison would prove nothing.
    assert (with_matches.share_count, without.share_count) == (_MATCHES, 0)
    for one in fields(Seen):
        if one.name != "share_count":
            assert getattr(with_matches, one.name) == getattr(without, one.name), one.name
    assert without.replies.count(b"HTTP/1.1 204 No Content\r\n") == 7
    assert without.replies.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert without.administration.count(b"HTTP/1.1 200 OK\r\n") == 2 * len(_PLACES)
    assert without.log.count(b'"route": "/v1/vouchers"') == 8
    assert b"veilmatch_vouchers_total 12.0" in without.metrics
    assert b'"vouchers": 6' in without.worker
