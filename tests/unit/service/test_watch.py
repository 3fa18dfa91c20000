"""Log lines and metrics: only what is listed, and the same whatever matches."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilmatch.errors import SignatureError, StoreError
from veilmatch.service.watch.events import (
    EVENTS,
    Events,
    ListedHandler,
    describe_fault,
)
from veilmatch.service.watch.metrics import Metrics, route_of

SECRET = "5ec3e75ec3e75ec3e75ec3e75ec3e700"  # the same in every process of a test run


def _fail(error: Exception) -> None:
    raise error


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def events(stream: io.StringIO) -> Events:
    return Events(lambda: 7, stream)


def test_what_is_listed_is_logged(events: Events, stream: io.StringIO) -> None:
    events.say("request", route="/v1/vouchers", method="POST", status=204)
    assert _lines(stream) == [
        {
            "at": 7,
            "event": "request",
            "level": "info",
            "route": "/v1/vouchers",
            "method": "POST",
            "status": 204,
        }
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"account": SECRET},
        {"route": SECRET},
        {"route": f"/v1/releases/{SECRET}"},
        {"method": SECRET},
        {"status": SECRET},
        {"status": int(SECRET, 16)},
        {"status": -1},
        {"status": True},
        {"route": bytes.fromhex(SECRET)},
        {"route": [SECRET]},
        {"level_": SECRET},
    ],
)
def test_a_secret_in_a_field_is_dropped_and_counted(
    events: Events, stream: io.StringIO, fields: dict[str, object]
) -> None:
    events.say("request", **fields)
    assert SECRET not in stream.getvalue()
    assert str(int(SECRET, 16)) not in stream.getvalue()
    assert _lines(stream) == [{"at": 7, "event": "request", "level": "info", "dropped": 1}]


def test_an_event_that_is_not_listed_is_dropped(events: Events, stream: io.StringIO) -> None:
    events.warn(f"account {SECRET} matched", route="/v1/vouchers")
    (line,) = _lines(stream)
    assert line["event"] == "dropped"
    assert SECRET not in stream.getvalue()


@given(
    st.sampled_from(sorted(EVENTS)),
    st.dictionaries(
        st.sampled_from(["route", "method", "kind", "place", "level", "account", "port", "status"]),
        st.one_of(st.text(), st.binary(), st.integers(), st.floats(), st.none()),
    ),
)
def test_no_value_outside_the_list_is_ever_written(event: str, fields: dict[str, object]) -> None:
    stream = io.StringIO()
    fields.pop("level", None)
    Events(lambda: 7, stream).say(event, **fields)
    (line,) = _lines(stream)
    for name, value in line.items():
        if name not in ("event", "at", "level", "dropped"):
            assert EVENTS[event][name](value)


def test_what_libraries_log_loses_its_message(events: Events, stream: io.StringIO) -> None:
    logger = logging.getLogger("a library")
    logger.handlers, logger.propagate = [ListedHandler(events)], False
    logger.warning("account %s has a match", SECRET)
    try:
        _fail(StoreError(f"key {SECRET}"))
    except StoreError:
        logger.exception("failed for %s", SECRET)
    first, second = _lines(stream)
    assert SECRET not in stream.getvalue()
    assert first["event"] == second["event"] == "server message"
    assert second["kind"] == "StoreError"
    assert str(second["place"]).startswith("test_watch.py:")


def test_a_fault_is_its_class_and_its_place() -> None:
    try:
        _fail(SignatureError(SECRET))
    except SignatureError as exc:
        said = describe_fault(exc)
    assert said["kind"] == "SignatureError"
    assert SECRET not in str(said)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/vouchers", "/v1/vouchers"),
        (f"/v1/releases/shards/{SECRET}", "/v1/releases"),
        (f"/v1/accounts/{SECRET}/suspension", "/v1/accounts"),
        (f"/{SECRET}", "other"),
        ("/v1/vouchersx", "other"),
        ("", "other"),
    ],
)
def test_a_path_is_never_a_label(path: str, route: str) -> None:
    assert route_of(path) == route


def test_metrics_over_http_on_the_loopback_address(tmp_path: Path) -> None:
    metrics = Metrics(lambda: 0.0)
    metrics.count_request("/v1/vouchers", "POST", 204, 0.02)
    metrics.count_vouchers(32)
    server = metrics.serve(0)
    try:
        answer = httpx.get(f"http://127.0.0.1:{server.server_port}/metrics", trust_env=False)
    finally:
        server.shutdown()
        server.server_close()
    wanted = 'veilmatch_requests_total{method="POST",route="/v1/vouchers",status="204"} 1.0'
    assert wanted in answer.text
    assert "veilmatch_vouchers_total 32.0" in answer.text
    assert server.server_address[0] == "127.0.0.1"
