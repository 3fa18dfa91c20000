"""What goes over the wire, and what every kind of answer means."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import httpx
import pytest

from veilmatch.errors import ConfigError, NetworkError
from veilmatch.report.model.answers import Action
from veilmatch.report.parse import MAX_LEN
from veilmatch.reporting.settings import TEST_HOST, Credentials
from veilmatch.reporting.transport import CyberTipline
from veilmatch.secret import SecretBytes

Handler = Callable[[httpx.Request], httpx.Response]
LATIN = {"Content-Type": "text/xml;charset=ISO-8859-1", "Request-ID": "req-1"}


def _body(handler: Handler) -> CyberTipline:
    client = httpx.Client(transport=httpx.MockTransport(handler))
    return CyberTipline(TEST_HOST, Credentials("user", SecretBytes(b"word")), client)


def _xml(text: str) -> Handler:
    return lambda _: httpx.Response(200, headers=LATIN, content=text.encode("utf-8"))


def _answer(code: int, extra: str = "") -> Handler:
    return _xml(
        f'<?xml version="1.0" encoding="UTF-8"?><reportResponse><responseCode>{code}'
        f"</responseCode><responseDescription>für</responseDescription>{extra}</reportResponse>"
    )


def test_every_call_has_its_address_method_and_credentials() -> None:
    seen: list[tuple[str, str, str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Basic dXNlcjp3b3Jk"
        kind = request.headers.get("content-type", "").split(";")[0]
        seen.append((request.method, request.url.path.rsplit("/", 1)[1], kind))
        return _answer(0, "<reportId>5</reportId>")(request)

    body = _body(handler)
    body.check_status()
    body.open_report(b"<report/>")
    body.send_file(5, b"bytes")
    body.describe_file(5, "aa", b"<fileDetails/>")
    body.finish_report(5)
    body.retract_report(5)
    form = "application/x-www-form-urlencoded"
    assert seen == [
        ("GET", "status", ""),
        ("POST", "submit", "text/xml"),
        ("POST", "upload", "multipart/form-data"),
        ("POST", "fileinfo", "text/xml"),
        ("POST", "finish", form),
        ("POST", "retract", form),
    ]


def test_bytes_are_read_whatever_the_header_says() -> None:
    answer = _body(_answer(0, "<reportId>5</reportId>")).open_report(b"")
    assert (answer.action, answer.report_number, answer.request_id) == (Action.CONTINUE, 5, "req-1")
    assert answer.is_outcome_known


def test_an_upload_answers_its_id_and_digest() -> None:
    extra = "<reportId>5</reportId><fileId>ab</fileId><hash>cd</hash>"
    answer = _body(_answer(0, extra)).send_file(5, b"x")
    assert (answer.file_id, answer.file_md5) == ("ab", "cd")


def test_finish_lists_files() -> None:
    answer = _body(
        _xml(
            "<reportDoneResponse><responseCode>0</responseCode><reportId>5</reportId><files>"
            "<fileId>a</fileId><fileId>b</fileId></files></reportDoneResponse>"
        )
    ).finish_report(5)
    assert (answer.action, answer.file_ids) == (Action.CONTINUE, ("a", "b"))


@pytest.mark.parametrize(
    ("code", "action", "is_known"),
    [
        (1000, Action.RETRY, False),
        (4100, Action.STOP_REVIEWER, True),
        (2000, Action.STOP_OPERATOR, True),
        (5001, Action.REOPEN, True),
        (5102, Action.DONE, True),
        (8888, Action.STOP_UNKNOWN, True),
    ],
)
def test_errors_come_with_http_200(code: int, action: Action, is_known: bool) -> None:
    answer = _body(_answer(code)).finish_report(5)
    assert (answer.action, answer.code, answer.is_outcome_known) == (action, code, is_known)
    assert answer.problem


@pytest.mark.parametrize(
    ("status", "action", "is_known"),
    [
        (401, Action.STOP_OPERATOR, True),
        (403, Action.STOP_OPERATOR, True),
        (429, Action.RETRY, False),
        (500, Action.RETRY, False),
        (503, Action.RETRY, False),
        (302, Action.STOP_UNKNOWN, True),
        (404, Action.STOP_UNKNOWN, True),
    ],
)
def test_http_errors_have_their_actions(status: int, action: Action, is_known: bool) -> None:
    headers = {"Location": "http://192.0.2.1/"}
    answer = _body(lambda _: httpx.Response(status, headers=headers)).open_report(b"")
    assert (answer.action, answer.is_outcome_known) == (action, is_known)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"<other/>",
        b"<reportResponse><responseCode>zero</responseCode></reportResponse>",
        b"<reportResponse/>",
        b'<!DOCTYPE x [<!ENTITY e "0">]><reportResponse><responseCode>&e;</responseCode>'
        b"</reportResponse>",
        b"<reportResponse>" + b" " * MAX_LEN + b"</reportResponse>",
    ],
)
def test_an_unreadable_answer_says_nothing_about_the_effect(content: bytes) -> None:
    answer = _body(lambda _: httpx.Response(200, content=content)).send_file(5, b"x")
    assert (answer.action, answer.is_outcome_known) == (Action.RETRY, False)


@pytest.mark.parametrize(
    ("error", "is_known"),
    [
        (httpx.ConnectError, True),
        (httpx.ConnectTimeout, True),
        (httpx.ReadTimeout, False),
        (httpx.ReadError, False),
        (httpx.WriteError, False),
        (httpx.RemoteProtocolError, False),
    ],
)
def test_a_broken_connection_is_told_from_one_that_never_was(
    error: type[httpx.TransportError], is_known: bool
) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise error("made up")

    answer = _body(handler).finish_report(5)
    assert (answer.action, answer.is_outcome_known) == (Action.RETRY, is_known)


def test_the_schema_is_fetched_or_an_error_is_raised() -> None:
    assert _body(lambda _: httpx.Response(200, content=b"<xsd/>")).fetch_schema() == b"<xsd/>"
    with pytest.raises(ConfigError):
        _body(lambda _: httpx.Response(401)).fetch_schema()
    with pytest.raises(NetworkError):
        _body(lambda _: httpx.Response(500)).fetch_schema()

    def broken(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("made up")

    with pytest.raises(NetworkError):
        _body(broken).fetch_schema()


def test_the_window_is_a_day_or_an_hour_after_the_last_change() -> None:
    body = _body(_answer(0))
    assert body.window_ends_at(0, 10) == 24 * 3600
    assert body.window_ends_at(0, 24 * 3600) == 25 * 3600


def test_no_redirect_is_followed() -> None:
    with CyberTipline(TEST_HOST, Credentials("u", SecretBytes(b"w"))) as body:
        assert not body._client.follow_redirects
        assert body._client.timeout.read == 60.0


def test_an_answer_longer_than_any_should_be_is_not_read_to_its_end() -> None:
    read: list[int] = []

    def endless() -> Iterator[bytes]:
        while len(read) < 64:
            read.append(1)
            yield b" " * (1 << 20)

    answer = _body(lambda _: httpx.Response(200, headers=LATIN, content=endless())).check_status()
    assert (answer.action, answer.problem) == (Action.RETRY, "unreadable")
    assert not answer.is_outcome_known
    assert len(read) <= MAX_LEN // (1 << 20) + 1


def test_a_compressed_answer_is_not_unpacked() -> None:
    headers = {**LATIN, "Content-Encoding": "gzip"}
    packed = gzip.compress(b"<reportResponse/>")
    answer = _body(lambda _: httpx.Response(200, headers=headers, content=packed)).check_status()
    assert answer.problem == "unreadable"
