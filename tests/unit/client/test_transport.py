"""The transport: what each answer becomes, how long it waits, what it never says."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from tests.unit.client.house import Naps
from veilmatch.client.transport import Patience, Transport, check_server
from veilmatch.errors import (
    ConfigError,
    EncodingError,
    EpochError,
    Error,
    LengthError,
    MetadataError,
    NetworkError,
    PolicyError,
    SignatureError,
)

URL = "https://photos.example"
Handler = Callable[[httpx.Request], httpx.Response]


def transport(handler: Handler, naps: Naps | None = None, **patience: float) -> Transport:
    return Transport(
        URL,
        adapter=httpx.MockTransport(handler),
        sleep=naps or Naps(),
        uniform=lambda low, high: high,
        patience=Patience(**patience),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, EncodingError),
        (401, SignatureError),
        (403, PolicyError),
        (404, NetworkError),
        (409, EpochError),
        (413, LengthError),
        (429, NetworkError),
        (500, NetworkError),
        (503, NetworkError),
        (200, NetworkError),
        (302, NetworkError),
    ],
)
def test_answers_become_named_errors(status: int, error: type[Error]) -> None:
    secret = "a-text-of-the-server"

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            status, json={"title": secret, "detail": secret}, headers={"Location": "/"}
        )

    with pytest.raises(error) as caught:
        transport(answer).send_vouchers(b"body")
    assert type(caught.value) is error or isinstance(caught.value, NetworkError)
    assert secret not in str(caught.value) + caught.value.hint


def test_waits_double_up_to_the_bound() -> None:
    naps = Naps()
    with pytest.raises(NetworkError):
        transport(
            lambda request: httpx.Response(503), naps, attempts=6, base_s=1.0, cap_s=5.0
        ).send_vouchers(b"body")
    assert naps.taken == [1, 2, 4, 5, 5]


def test_retry_after_is_honoured_on_top_of_the_jitter() -> None:
    naps = Naps()
    with pytest.raises(NetworkError):
        transport(
            lambda request: httpx.Response(429, headers={"Retry-After": "7"}), naps, attempts=3
        ).send_vouchers(b"body")
    assert naps.taken == [7.5, 8.0]


def test_retry_after_as_a_date() -> None:
    naps, moment = Naps(), datetime.now(UTC) + timedelta(seconds=20)
    header = {"Retry-After": format_datetime(moment, usegmt=True)}
    with pytest.raises(NetworkError):
        transport(
            lambda request: httpx.Response(503, headers=header), naps, attempts=2
        ).send_vouchers(b"body")
    assert 15 < naps.taken[0] < 22


@pytest.mark.parametrize("value", ["soon", "-5", "", "9" * 400, "Mon, 99 Foo 2020"])
def test_odd_retry_after(value: str) -> None:
    naps = Naps()
    with pytest.raises(NetworkError):
        transport(
            lambda request: httpx.Response(429, headers={"Retry-After": value}), naps, attempts=2
        ).send_vouchers(b"body")
    assert all(nap <= 0.5 for nap in naps.taken)


def test_longer_wait_than_the_bound_is_not_waited() -> None:
    naps = Naps()
    with pytest.raises(NetworkError, match="busy"):
        transport(
            lambda request: httpx.Response(429, headers={"Retry-After": "3600"}), naps
        ).send_vouchers(b"body")
    assert naps.taken == []


def test_broken_connections_are_tried_again() -> None:
    tries: list[bytes] = []

    def flaky(request: httpx.Request) -> httpx.Response:
        tries.append(request.read())
        if len(tries) < 3:
            raise httpx.ConnectError("refused")
        return httpx.Response(204)

    transport(flaky).send_vouchers(b"body")
    assert tries == [b"body"] * 3


@pytest.mark.parametrize(
    "failure", [httpx.ReadTimeout("slow"), httpx.ConnectError("no"), httpx.ReadError("broken")]
)
def test_unreachable_service(failure: httpx.TransportError) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise failure

    with pytest.raises(NetworkError) as caught:
        transport(fail).fetch_file("metadata/timestamp.json", 100)
    assert caught.value.hint


def test_endless_answer_is_cut_off() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(1000)

    stream = httpx.Response(200, stream=_Stream(endless()))
    with pytest.raises(MetadataError, match="longer"):
        transport(lambda request: stream).fetch_file("shards/00", 10_000)


def test_slow_answer_is_given_up() -> None:
    def trickle() -> Iterator[bytes]:
        for _ in range(1000):
            time.sleep(0.01)
            yield b"x"

    stream = httpx.Response(200, stream=_Stream(trickle()))
    with pytest.raises(NetworkError, match="too slowly"):
        transport(lambda request: stream, file_s=0.05).fetch_file("shards/00", 10_000)


class _Stream(httpx.SyncByteStream):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces


def test_missing_file_is_said_at_once() -> None:
    naps = Naps()
    for status in (403, 404):
        answer = httpx.Response(status)
        made = transport(lambda request, a=answer: a, naps)  # type: ignore[misc]
        assert made.find_file("metadata/2.root.json", 10) is None
        with pytest.raises(NetworkError, match="no such file"):
            made.fetch_file("metadata/2.root.json", 10)
    assert naps.taken == []


@pytest.mark.parametrize(
    ("releases", "asked"),
    [
        (None, "https://photos.example/v1/releases/shards/00"),
        ("https://static.example/lists/", "https://static.example/lists/shards/00"),
    ],
)
def test_release_files_may_lie_elsewhere(releases: str | None, asked: str) -> None:
    seen: list[str] = []

    def note(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, stream=httpx.ByteStream(b"data"))

    made = Transport(URL, releases=releases, adapter=httpx.MockTransport(note))
    assert made.fetch_file("shards/00", 4) == b"data"
    assert seen == [asked]


def test_nothing_private_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        transport(lambda request: httpx.Response(204)).send_vouchers(b"private-body")
    assert "private-body" not in caplog.text


@pytest.mark.parametrize(
    "server",
    [
        "",
        "photos.example",
        "ftp://photos.example",
        "https://",
        "https://user:password@photos.example",
        "https://photos.example/?x=1",
        "https://photos.example/#x",
        "http://photos.example",
        "http://10.0.0.1",
        "https://[::1",
        "https://photos.example:99999999",
    ],
)
def test_unusable_addresses(server: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_server(server)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("server", "kept"),
    [
        ("https://photos.example/", "https://photos.example"),
        ("https://photos.example/match/", "https://photos.example/match"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
    ],
)
def test_usable_addresses(server: str, kept: str) -> None:
    assert check_server(server) == kept


def test_address_with_a_path_is_kept_in_requests() -> None:
    asked: list[str] = []

    def note(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(204)

    Transport(f"{URL}/match", adapter=httpx.MockTransport(note)).send_deletion(b"body")
    assert asked == ["/match/v1/vouchers"]


def test_of_an_answer_to_vouchers_nothing_is_read() -> None:
    read: list[bytes] = []

    def endless() -> Iterator[bytes]:
        while len(read) < 100:
            read.append(b"x" * 1024)
            yield read[-1]

    with pytest.raises(PolicyError):
        transport(lambda request: httpx.Response(403, content=endless())).send_vouchers(b"body")
    assert read == []
