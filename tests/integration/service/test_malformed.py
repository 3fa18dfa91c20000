"""Ten thousand malformed requests: no 5xx, no word beyond the fixed answers, still healthy."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.service.processes import Service
from tests.integration.service.world import Device, World
from tests.leaks import find_inside
from veilmatch.intakestore.limits import IntakeLimits
from veilmatch.service import problems
from veilmatch.service.app import create_app
from veilmatch.service.settings import ServiceSettings

IN_PROCESS, OVER_SOCKETS = 9_000, 1_000
_FIXED = {bytes(problems.answer(problem).body): problem.status for problem in problems.ALL}

Mutation = Callable[[random.Random, bytearray], bytearray]


def _flip(chance: random.Random, data: bytearray) -> bytearray:
    for _ in range(chance.choice([1, 1, 2, 8])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def _cut(chance: random.Random, data: bytearray) -> bytearray:
    return data[: chance.randrange(len(data))]


def _lengthen(chance: random.Random, data: bytearray) -> bytearray:
    return data + chance.randbytes(chance.choice([1, 16, 4096]))


def _overwrite(chance: random.Random, data: bytearray) -> bytearray:
    start = chance.randrange(min(len(data), 260))
    data[start : start + 4] = chance.choice([b"\xff" * 4, bytes(4), chance.randbytes(4)])
    return data


def _splice(chance: random.Random, data: bytearray) -> bytearray:
    a, b = sorted(chance.randrange(len(data)) for _ in range(2))
    return data[:a] + data[b:] + data[a:b]


def _noise(chance: random.Random, data: bytearray) -> bytearray:
    return bytearray(data[:5] + chance.randbytes(chance.randrange(600)))


_MUTATIONS: list[Mutation] = [_flip, _cut, _lengthen, _overwrite, _splice, _noise]
_PATHS = ["/v1/vouchers"] * 12 + [
    "/v1/releases/metadata/{}.json",
    "/v1/releases/../../store.key",
    "/v1/accounts/{}/suspension",
    "/v1/accounts/%00/devices/%ff/revocation",
    "/",
    "/v1/vouchers/",
    "/admin/v1/settings",
    "/metrics",
]
_METHODS = ["POST"] * 8 + ["DELETE"] * 4 + ["PUT", "GET", "PATCH", "X" * 40, "head"]


def _mutate(chance: random.Random, seeds: list[bytes]) -> bytes:
    return bytes(chance.choice(_MUTATIONS)(chance, bytearray(chance.choice(seeds))))


def _headers(chance: random.Random, body: bytes) -> list[tuple[bytes, bytes]]:
    length = chance.choice([str(len(body))] * 12 + ["", "-1", "9" * 30, "0x10", "\u0665"])
    more = [
        (b"authorization", chance.choice([b"Bearer ", b"Bearer \xff", b"Basic eA=="])),
        (b"range", chance.choice([b"bytes=0-", b"bytes=-", b"\x00"])),
        (b"content-type", chance.randbytes(6)),
    ]
    return [(b"content-length", length.encode()), *chance.sample(more, chance.randrange(3))]


async def _call(app: Any, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    """Ask the application itself, so that nothing in front tidies the request up."""
    status, parts, said = 0, [], False

    async def receive() -> dict[str, Any]:
        nonlocal said
        if said:
            return {"type": "http.disconnect"}
        said = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(parts)


def test_malformed_requests_in_process(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    chance, device, release = random.Random(seed), Device(), world.current
    good = device.batch(release, device.make(release, unknown=2))
    seeds = [good, device.deletion([os.urandom(16)] * 3)]
    settings = ServiceSettings(
        data=tmp_path / "data", site=world.site, limits=IntakeLimits(min_delay_s=0), gather_ms=0
    )
    answers: Counter[int] = Counter()

    async def scenario() -> None:
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            for _ in range(IN_PROCESS):
                body, method = _mutate(chance, seeds), chance.choice(_METHODS)
                path = chance.choice(_PATHS).format(chance.randbytes(16).hex())
                scope = {
                    "type": "http",
                    "asgi": {"version": "3.0", "spec_version": "2.4"},
                    "http_version": "1.1",
                    "method": method,
                    "scheme": "http",
                    "path": path,
                    "raw_path": path.encode(),
                    "query_string": chance.randbytes(3),
                    "root_path": "",
                    "headers": _headers(chance, body),
                    "client": ("192.0.2.1", 5),
                    "server": ("service", 80),
                    "state": {},
                }
                status, said = await _call(app, scope, body)
                answers[status] += 1
                where = f"seed {seed}: {method} {path} {status}"
                assert 200 <= status < 500, where
                assert said in _FIXED or status in (200, 204, 206), where
                assert said in _FIXED or not find_inside(said.decode("latin-1")), where
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://s") as http:
                assert (await http.post("/v1/vouchers", content=good)).status_code == 204
                assert (await http.get("/readyz")).status_code == 200

    asyncio.run(scenario())
    with capsys.disabled():
        print(f"\n{IN_PROCESS} malformed requests in process: {dict(sorted(answers.items()))}")
    assert answers.total() == IN_PROCESS


def test_malformed_requests_over_sockets(
    service: Service, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    chance, device, release = random.Random(seed), Device(), world.current
    good = device.batch(release, device.make(release, unknown=1))
    answers: Counter[str] = Counter()
    for _ in range(OVER_SOCKETS):
        body = _mutate(chance, [good])
        head = (
            f"{chance.choice(['POST', 'DELETE', 'GET', 'BREW'])} /v1/vouchers "
            f"HTTP/{chance.choice(['1.1', '1.1', '1.0', '3.7'])}\r\nHost: x\r\n"
            f"Content-Length: {chance.choice([len(body)] * 4 + [-1, 'x'])}\r\n"
            "Connection: close\r\n"
        ).encode()
        raw = bytearray(head + chance.choice([b"\r\n", b"\r\n", b"X: \x00\r\n\r\n"]) + body)
        if chance.random() < 0.3:
            raw = _flip(chance, raw)
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            said = b""
            with_reset = False
            try:
                while part := connection.recv(65_536):
                    said += part
            except ConnectionResetError:
                with_reset = True
        status = said[9:12].decode("ascii", "replace") if said else "closed"
        answers[status] += 1
        assert status[0] in "24c", f"seed {seed}: {said[:200]!r} {with_reset}"
        assert not find_inside(said.decode("latin-1"))
        assert b"/" not in said.partition(b"\r\n\r\n")[2].replace(b"application/", b"")
    answer = httpx.post(f"{service.address}/v1/vouchers", content=good, trust_env=False)
    assert answer.status_code == 204
    assert "Traceback" not in service.log
    with capsys.disabled():
        print(f"\n{OVER_SOCKETS} malformed requests over sockets: {dict(sorted(answers.items()))}")
