"""The alarm of retention shows from the running service: metrics, log lines, no repetition."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import httpx

from tests.integration.service.stores import open_store
from tests.integration.service.world import Device, World
from veilmatch.clock import system_clock
from veilmatch.intakestore.limits import IntakeLimits, RetentionLimits
from veilmatch.intakestore.retention import Collector
from veilmatch.service.app import SEGMENTS, Surroundings, create_app
from veilmatch.service.settings import ServiceSettings
from veilmatch.service.watch.backlog import BacklogWatch
from veilmatch.service.watch.events import Events
from veilmatch.service.watch.metrics import Metrics
from veilmatch.store.database import Database

HOUR = 3600
LIMITS = RetentionLimits(alarm_age_s=48 * HOUR, hard_age_s=168 * HOUR)


class _Clock:
    def __init__(self) -> None:
        self.now = system_clock()

    def __call__(self) -> int:
        return self.now


class _Scene:
    """Two vouchers that wait, and the watch that looks at them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.clock, self.metrics, self.stream = _Clock(), Metrics(lambda: 0.0), io.StringIO()
        self.watch = BacklogWatch(
            database,
            Collector(database, folder, LIMITS, self.clock),
            LIMITS,
            self.clock,
            self.metrics,
            Events(self.clock, self.stream),
        )

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def metric(self, name: str) -> float:
        for line in self.metrics.to_bytes().decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        raise AssertionError(f"there is no metric {name}")


def _fill(data: Path, world: World) -> None:
    device = Device()
    with open_store(data) as store:
        made = device.make(world.current, unknown=2)
        store.intake.store_batches([device.accepted(world.current, made)])


def test_an_alarm_is_said_once_and_shown_while_it_lasts(world: World, tmp_path: Path) -> None:
    _fill(tmp_path, world)
    with open_store(tmp_path) as store:
        scene = _Scene(store.database, tmp_path / SEGMENTS)
        scene.watch.look()
        assert scene.lines() == []
        assert scene.metric("veilmatch_waiting_vouchers") == 2
        assert scene.metric("veilmatch_waiting_segments") == 1
        assert scene.metric("veilmatch_retention_alarm") == 0
        scene.clock.now += 49 * HOUR
        for _ in range(3):
            scene.watch.look()
        (line,) = scene.lines()
        assert line["event"] == "retention alarm"
        assert line["level"] == "warning"
        assert (line["segments"], line["vouchers"]) == (1, 2)
        assert 49 * HOUR <= int(str(line["age_s"])) < 50 * HOUR
        assert scene.metric("veilmatch_retention_alarm") == 1
        assert scene.metric("veilmatch_oldest_waiting_seconds") == line["age_s"]
        store.execute("UPDATE segment SET state = 'done'")
        scene.watch.look()
        assert scene.lines()[1:] == [
            {"at": scene.clock.now, "event": "retention alarm over", "level": "info"}
        ]
        assert scene.metric("veilmatch_retention_alarm") == 0
        assert scene.metric("veilmatch_oldest_waiting_seconds") == 0


def test_what_is_destroyed_unmatched_is_counted_and_said(world: World, tmp_path: Path) -> None:
    _fill(tmp_path, world)
    with open_store(tmp_path) as store:
        scene = _Scene(store.database, tmp_path / SEGMENTS)
        scene.clock.now += 169 * HOUR
        scene.watch.collect()
        scene.watch.collect()
        assert scene.metric("veilmatch_expired_vouchers_total") == 2
        assert scene.metric("veilmatch_waiting_vouchers") == 0
        assert [(one["event"], one.get("vouchers")) for one in scene.lines()] == [
            ("vouchers expired", 2)
        ]


def test_held_segments_are_said_when_there_are_more(world: World, tmp_path: Path) -> None:
    _fill(tmp_path, world)
    with open_store(tmp_path) as store:
        store.execute("UPDATE segment SET state = 'held'")
        scene = _Scene(store.database, tmp_path / SEGMENTS)
        scene.watch.look()
        scene.watch.look()
        assert scene.metric("veilmatch_held_segments") == 1
        assert [(one["event"], one["segments"]) for one in scene.lines()] == [("segments held", 1)]


def test_a_service_that_starts_over_an_old_backlog_says_so_at_once(
    world: World, tmp_path: Path
) -> None:
    _fill(tmp_path / "data", world)
    stream, metrics = io.StringIO(), Metrics(lambda: 0.0)
    around = Surroundings(
        clock=lambda: system_clock() + 49 * HOUR,
        metrics=metrics,
        events=Events(system_clock, stream),
    )
    settings = ServiceSettings(
        data=tmp_path / "data", site=world.site, limits=IntakeLimits(), retention=LIMITS
    )

    async def scenario() -> httpx.Response:
        app = create_app(settings, around)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://s") as http:
                return await http.get("/readyz")

    # It can take vouchers all the same: an alarm for people, no reason to turn devices away.
    assert asyncio.run(scenario()).status_code == 200
    assert json.loads(stream.getvalue().splitlines()[0])["event"] == "retention alarm"
    assert b"veilmatch_retention_alarm 1.0" in metrics.to_bytes()
