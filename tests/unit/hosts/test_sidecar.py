"""The sidecar's answers: alike for every picture that was stored, named for every other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from tests.unit.client.house import (
    DAY,
    NOW,
    FakeService,
    Naps,
    make_policy,
    picture,
    publish,
    running_service,
)
from veilmatch.client.session import ClientOptions
from veilmatch.hosts.accounts import HostAccounts, LentTransport
from veilmatch.hosts.sidecar import SidecarSettings, create_sidecar
from veilmatch.secret import SecretBytes

TOKEN = "0123456789abcdef" * 4


@pytest.fixture
def service() -> Iterator[FakeService]:
    with running_service(publish(known=[picture(0)])) as running:
        yield running


Starter = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def start(tmp_path: Path, service: FakeService) -> Starter:
    HostAccounts.create(tmp_path / "host", service.url, make_policy())

    @contextmanager
    def run(*, now: int = NOW, token: str = "", max_len: int = 1 << 20) -> Iterator[httpx.Client]:
        settings = SidecarSettings(
            tmp_path / "host",
            token=SecretBytes(token.encode()) if token else None,
            max_picture_len=max_len,
            send_every_s=0.05,
        )
        transport = LentTransport(service.url, sleep=Naps())
        options = ClientOptions(clock=lambda: now, transport=transport)
        config = uvicorn.Config(
            create_sidecar(settings, options), host="127.0.0.1", port=0, log_level="critical"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()

    return run


def scan(client: httpx.Client, data: bytes) -> httpx.Response:
    return client.post("/scan", content=data, headers={"Veilmatch-User": "17"})


def wait_until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_listed_picture_and_any_other_are_answered_alike(
    start: Starter, service: FakeService
) -> None:
    with start() as client:
        answers = [
            client.post("/scan", content=picture(n), headers={"Veilmatch-User": "17"})
            for n in (0, 1, 0)
        ]
        assert {(a.status_code, a.content) for a in answers} == {(200, b'{"stored":true}')}
        for answer in answers:
            del answer.headers["date"]
        assert len({tuple(sorted(a.headers.items())) for a in answers}) == 1
        wait_until(lambda: len(service.vouchers) == 2)
        status = client.get("/status").json()
        assert (status["stored"], status["users"], status["refused"]) == (3, 1, 0)


def test_what_is_stored_is_sent_at_the_latest_by_the_next_start(
    start: Starter, service: FakeService
) -> None:
    service.faults.statuses = []
    with start() as client:
        service.faults.drop_replies = 1  # no answer ever comes back
        assert scan(client, picture(1)).status_code == 200
    service.faults.drop_replies = 0
    with start() as client:
        wait_until(lambda: client.get("/status").json()["users_waiting"] == 0)
    assert len(service.vouchers) == 1


@pytest.mark.parametrize("data", [b"no picture", picture(1)[:500], b""])
def test_what_cannot_be_hashed_never_reads_as_stored(start: Starter, data: bytes) -> None:
    with start() as client:
        answer = client.post("/scan", content=data, headers={"Veilmatch-User": "17"})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:veilmatch:problem:not-hashed"
        assert client.get("/status").json()["refused"] == 1


def test_deleting(start: Starter, service: FakeService) -> None:
    with start() as client:
        named = {"Veilmatch-User": "17", "Veilmatch-Asset": "5"}
        client.post("/scan", content=picture(1), headers=named)
        wait_until(lambda: len(service.vouchers) == 1)
        other = {**named, "Veilmatch-User": "18"}
        assert client.request("DELETE", "/scan", headers=other).status_code == 204
        assert len(service.vouchers) == 1
        assert client.request("DELETE", "/scan", headers=named).status_code == 204
        wait_until(lambda: not service.vouchers)
        taken = client.post("/scan", content=picture(1), headers=named)
        assert (taken.status_code, taken.json()["title"]) == (409, "Asset taken")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/scan", {}, 400),
        ("POST", "/scan", {"Veilmatch-User": "x" * 300}, 400),
        ("POST", "/scan", {"Veilmatch-User": "17", "Veilmatch-Asset": ""}, 400),
        ("DELETE", "/scan", {"Veilmatch-User": "17"}, 400),
        ("GET", "/scan", {}, 405),
        ("POST", "/other", {}, 404),
        ("POST", "/scan/", {}, 404),
    ],
)
def test_malformed_requests(
    start: Starter, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    with start() as client:
        content = picture(1) if method == "POST" else None
        answer = client.request(method, path, content=content, headers=headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert client.get("/healthz").status_code == 200


def test_sizes_are_checked_before_the_body_is_read(start: Starter) -> None:
    with start(max_len=1000) as client:
        assert scan(client, picture(1)).status_code == 413

        def pieces() -> Iterator[bytes]:
            yield picture(1)

        answer = client.post("/scan", content=pieces(), headers={"Veilmatch-User": "17"})
        assert answer.status_code == 411


def test_a_token_where_one_is_set(start: Starter) -> None:
    with start(token=TOKEN) as client:
        assert scan(client, picture(1)).status_code == 401
        assert client.get("/status").status_code == 401
        wrong = {"Authorization": f"Bearer {TOKEN[:-1]}", "Veilmatch-User": "17"}
        assert client.post("/scan", content=picture(1), headers=wrong).status_code == 401
        right = {"Authorization": f"Bearer {TOKEN}", "Veilmatch-User": "17"}
        assert client.post("/scan", content=picture(1), headers=right).status_code == 200


def test_without_a_release_that_may_be_used_nothing_is_stored(
    start: Starter, service: FakeService
) -> None:
    with start(now=NOW + 60 * DAY) as client:
        answer = scan(client, picture(1))
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "60"
        assert client.get("/status").json()["notice"]
    assert not service.vouchers


def test_without_a_token_only_this_machines_names_are_answered(start: Starter) -> None:
    """A page whose name leads to 127.0.0.1 still sends its own name."""
    with start() as client:
        led_here = {"Host": "evil.example", "Veilmatch-User": "17"}
        assert client.post("/scan", content=picture(1), headers=led_here).status_code == 401
        assert client.get("/status", headers=led_here).status_code == 401
        assert client.get("/status", headers={"Host": "localhost:8473"}).json()["stored"] == 0
    with start(token=TOKEN) as client:
        shown = {"Host": "sidecar.example", "Authorization": f"Bearer {TOKEN}"}
        assert client.get("/status", headers=shown).status_code == 200
