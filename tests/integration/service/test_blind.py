"""Below the threshold nothing that leaves the service says whether anything matched.

Two runs of the same steps, one with matches and one without: replies, log lines, metrics,
and what the worker prints are compared byte for byte. The clock stands still in both.
"""

from __future__ import annotations

import asyncio
import io
import re
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.integration.service.stores import OpenStore, open_store
from tests.integration.service.world import SMALL, Device, World
from veilmatch.cli.operator.service_commands import _tell
from veilmatch.intakestore.limits import IntakeLimits
from veilmatch.service.app import Surroundings, create_app
from veilmatch.service.settings import ServiceSettings
from veilmatch.service.watch.events import Events
from veilmatch.service.watch.metrics import Metrics
from veilmatch.service.watch.roles import WorkMetrics
from veilmatch.service.watch.voice import Voice
from veilmatch.store.database import read_counters

_MATCHES = SMALL.min_shares - 1
_NOW = 1_900_000_000


@dataclass(frozen=True)
class Seen:
    """Everything that a run lets out, as bytes."""

    replies: tuple[bytes, ...]
    lines: str
    metrics: bytes
    worker: str
    counters: str
    share_count: int


def _never(text: str) -> None:
    raise AssertionError(text)


class _Run:
    """One run in a folder of its own."""

    def __init__(self, world: World, folder: Path, known: int) -> None:
        self.world, self.data, self.known = world, folder / "data", known
        self.device = Device()
        self.sent = self.device.make(world.current, known=known, unknown=6 - known)
        self.replies: list[bytes] = []
        self.stream, self.metrics = io.StringIO(), Metrics(lambda: 0.0)
        self.work_metrics, self.work_stream = WorkMetrics(), io.StringIO()

    async def _ask(self, http: httpx.AsyncClient, method: str, path: str, body: bytes) -> None:
        answer = await http.request(method, path, content=body)
        head = "\r\n".join(f"{k!r}: {v!r}" for k, v in answer.headers.raw)
        self.replies.append(f"{answer.status_code}\r\n{head}\r\n\r\n".encode() + answer.content)

    async def _serve(self, steps: list[tuple[str, str, bytes]]) -> None:
        settings = ServiceSettings(
            data=self.data,
            site=self.world.site,
            limits=IntakeLimits(min_delay_s=0),
            access_log=True,
        )
        around = Surroundings(
            clock=lambda: _NOW,
            timer=lambda: 0.0,
            metrics=self.metrics,
            events=Events(lambda: _NOW, self.stream),
        )
        app = create_app(settings, around)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://s") as http:
                for method, path, body in steps:
                    await self._ask(http, method, path, body)

    def _work(self, store: OpenStore) -> str:
        """Look once, as ``veilmatch work --log --metrics-port`` does; what it shows and says."""
        done = store.worker(self.world).run()
        _tell(
            done, self.work_metrics, Voice("work", Events(lambda: _NOW, self.work_stream), _never)
        )
        self.work_metrics.look(store.database, lambda: _NOW)
        shown = self.work_metrics.to_bytes().decode()
        return f"{done}\n{self.work_stream.getvalue()}\n{shown}"

    def play(self) -> Seen:
        device, release, sent = self.device, self.world.current, self.sent
        batch = device.batch(release, sent)
        ids = [one.asset_id for one in sent]
        vouchers, gone = "/v1/vouchers", device.deletion(ids[:2])
        asyncio.run(
            self._serve(
                [
                    ("POST", vouchers, batch),
                    ("POST", vouchers, batch),
                    ("POST", vouchers, batch[:-1]),
                    ("GET", "/readyz", b""),
                ]
            )
        )
        with open_store(self.data) as store:
            store.execute("UPDATE segment SET not_before = 0")
            worker = self._work(store)
            share_count = len(store.shares())
        asyncio.run(
            self._serve(
                [
                    ("POST", vouchers, batch),
                    ("DELETE", vouchers, gone),
                    ("DELETE", vouchers, gone),
                    ("POST", vouchers, batch),
                    ("POST", vouchers, device.batch(release, [sent[5]])),
                    ("GET", "/v1/releases/metadata/timestamp.json", b""),
                    ("GET", "/readyz", b""),
                ]
            )
        )
        with open_store(self.data) as store:
            worker += self._work(store)
            counters = str(sorted(read_counters(store.database).items()))
        lines, metrics = self.stream.getvalue(), self.metrics.to_bytes()
        return Seen(tuple(self.replies), lines, metrics, worker, counters, share_count)


def test_a_run_with_matches_below_the_threshold_looks_like_one_without(
    world: World, tmp_path: Path
) -> None:
    with_matches = _Run(world, tmp_path / "with", _MATCHES).play()
    without = _Run(world, tmp_path / "without", 0).play()
    # The runs do differ inside, or the comparison would prove nothing.
    assert (with_matches.share_count, without.share_count) == (_MATCHES, 0)
    assert with_matches.replies == without.replies
    assert with_matches.lines == without.lines
    assert with_matches.metrics == without.metrics
    assert with_matches.worker == without.worker
    assert "veilmatch_work_vouchers_total 6.0" in without.worker
    assert '"event": "segments processed"' in without.worker
    assert with_matches.counters == without.counters
    assert len(without.replies) == 11
    assert without.lines.count("\n") == 11
    assert b"veilmatch_vouchers_total 25.0" in without.metrics
    assert b"veilmatch_group_commit_seconds_count 5.0" in without.metrics
    (ends,) = re.findall(
        rb"(?m)^veilmatch_release_expires_timestamp_seconds (\S+)$", without.metrics
    )
    assert float(ends) > time.time()
