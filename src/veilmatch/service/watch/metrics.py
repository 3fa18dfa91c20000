"""Metrics for Prometheus. None of them depends on a match: the intake knows of none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http.server import HTTPServer
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import start_http_server
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from veilmatch.intakestore.retention import Backlog
from veilmatch.service.watch.events import METHODS, ROUTES, TIMERS, Events

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


_BACKLOG = {
    "waiting_vouchers": "Vouchers in segments that wait to be matched.",
    "waiting_segments": "Segments that wait to be matched.",
    "held_segments": "Segments that an operator must look at.",
    "oldest_waiting_seconds": "Age of the oldest segment that waits; 0 if none does.",
    "open_segments": "Segments that still take vouchers.",
    "leased_segments": "Segments that a worker has now.",
    "segment_attempts": "The most often that a waiting segment was leased; 20 holds it.",
}


def waiting_gauges(registry: CollectorRegistry) -> dict[str, Gauge]:
    """Make the gauges of what waits; none of them depends on a match."""
    return {
        name: Gauge(f"veilmatch_{name}", words, registry=registry)
        for name, words in _BACKLOG.items()
    }


def show_waiting(gauges: Mapping[str, Gauge], waiting: Backlog) -> None:
    """Show what waits to be matched."""
    gauges["waiting_vouchers"].set(waiting.vouchers)
    gauges["waiting_segments"].set(waiting.segments)
    gauges["held_segments"].set(waiting.held)
    gauges["oldest_waiting_seconds"].set(waiting.oldest_age_s)
    gauges["open_segments"].set(waiting.open)
    gauges["leased_segments"].set(waiting.leased)
    gauges["segment_attempts"].set(waiting.attempts)


class Exposed:
    """Metrics in a registry of their own, as text and over HTTP."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # times nobody asked for
        self.registry = CollectorRegistry(auto_describe=True)

    def to_bytes(self) -> bytes:
        """Return the text form."""
        return generate_latest(self.registry)

    def serve(self, port: int) -> HTTPServer:
        """Serve ``/metrics`` on the loopback address, in a thread of its own."""
        server, _thread = start_http_server(port, addr="127.0.0.1", registry=self.registry)
        return server


class Metrics(Exposed):
    """The service's counters.

    Args:
        timer: Seconds that only grow; a test gives one that stands still.
    """

    def __init__(self, timer: Callable[[], float] = time.perf_counter) -> None:
        super().__init__()
        self.timer = timer
        self._requests = Counter(
            "veilmatch_requests",
            "Requests answered.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "veilmatch_request_seconds",
            "Seconds from a request's head to its answer.",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._vouchers = Counter(
            "veilmatch_vouchers", "Vouchers acknowledged.", registry=self.registry
        )
        self._deletions = Counter(
            "veilmatch_deletions", "Deletions acknowledged.", registry=self.registry
        )
        self.in_flight = Gauge(
            "veilmatch_in_flight_bytes", "Bytes of bodies held in memory.", registry=self.registry
        )
        self.timer_rounds_failed = Counter(
            "veilmatch_timer_failures",
            "Rounds of what runs by the clock that failed; they are tried again.",
            ["timer"],
            registry=self.registry,
        )
        for name in sorted(TIMERS):  # zero is shown too, so that a rule sees the first failure
            self.timer_rounds_failed.labels(name)
        self.expired_vouchers = Counter(
            "veilmatch_expired_vouchers",
            "Vouchers destroyed unmatched, because they waited longer than hard_age_s.",
            registry=self.registry,
        )
        self._children: dict[tuple[str, str, int], Any] = {}
        self._histograms = {route: self._seconds.labels(route) for route in sorted(ROUTES)}
        self._make_states()

    def _make_states(self) -> None:
        """Make what tells of the store, the release and the timers, not of requests."""
        self._backlog = waiting_gauges(self.registry)
        self._alarm = Gauge(
            "veilmatch_retention_alarm",
            "1 while something waits longer than alarm_age_s.",
            registry=self.registry,
        )
        self.commit_seconds = Histogram(
            "veilmatch_group_commit_seconds",
            "Seconds until a group of batches was durable, or was refused.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.release_expires = Gauge(
            "veilmatch_release_expires_timestamp_seconds",
            "When the release's timestamp ends, seconds since 1970; then devices refuse it.",
            registry=self.registry,
        )
        self.timer_failures = Counter(
            "veilmatch_review_timer_failures",
            "Runs of what casework does by the clock that failed, by this process.",
            ["step"],
            registry=self.registry,
        )
        self.timer_done = Gauge(
            "veilmatch_review_timer_done_timestamp_seconds",
            "When the step was last done by any process, seconds since 1970.",
            ["step"],
            registry=self.registry,
        )

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answer."""
        key = (route, method, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._requests.labels(route, method, str(status))
        child.inc()
        self._histograms[route].observe(seconds)

    def count_vouchers(self, count: int) -> None:
        """Count vouchers that were acknowledged."""
        self._vouchers.inc(count)

    def count_deletions(self, count: int) -> None:
        """Count deletions that were acknowledged."""
        self._deletions.inc(count)

    def show_backlog(self, waiting: Backlog, *, is_alarm: bool) -> None:
        """Show what waits to be matched, and whether it waits too long."""
        show_waiting(self._backlog, waiting)
        self._alarm.set(int(is_alarm))


_WITH_MORE = (
    "/v1/releases",
    "/v1/accounts",
    "/admin/v1",
    "/review",
    "/appeal",
    "/numbers",
    "/transparency",
)


def route_of(path: str) -> str:
    """Return the listed route that a path belongs to: never the path itself."""
    if path in ROUTES:
        return path
    for route in _WITH_MORE:
        if path.startswith(route + "/"):
            return route
    return "other"


class Watch:
    """Counts every answer, and logs it where that is wanted.

    Args:
        app: What answers.
        metrics: Where answers are counted.
        events: Where they are logged; None logs none.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, events: Events | None = None) -> None:
        self._app, self._metrics, self._events = app, metrics, events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = 500, self._metrics.timer()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            route = route_of(scope["path"])
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.count_request(route, method, status, self._metrics.timer() - begun)
            if self._events is not None:
                event = "request" if status < 400 else "request refused"
                self._events.say(event, route=route, method=method, status=status)
