"""What runs by the clock goes on after whatever failure, and says so."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service.stores import open_store
from tests.integration.service.world import World
from veilmatch.errors import StoreError
from veilmatch.intakestore.limits import RetentionLimits
from veilmatch.intakestore.retention import Collector
from veilmatch.service.app import Surroundings, create_app
from veilmatch.service.settings import ServiceSettings
from veilmatch.service.watch.events import Events
from veilmatch.service.watch.metrics import Metrics
from veilmatch.service.watch.timers import repeat


@pytest.mark.parametrize("fault", [PermissionError, StoreError, ZeroDivisionError, RuntimeError])
def test_a_step_that_fails_twice_is_counted_told_once_and_done_again(
    fault: type[Exception],
) -> None:
    metrics, stream = Metrics(lambda: 0.0), io.StringIO()

    async def scenario() -> int:
        done, calls = asyncio.Event(), 0
        loop = asyncio.get_running_loop()

        def step() -> None:
            nonlocal calls
            calls += 1
            if calls <= 2:
                raise fault("private words that no log may hold")
            loop.call_soon_threadsafe(done.set)

        events = Events(lambda: 0, stream)
        timer = asyncio.create_task(repeat("collect", step, 0.001, metrics, events))
        await asyncio.wait_for(done.wait(), 10)
        while "works again" not in stream.getvalue():
            await asyncio.sleep(0.001)
        timer.cancel()
        return calls

    assert asyncio.run(scenario()) >= 3
    assert b'veilmatch_timer_failures_total{timer="collect"} 2.0' in metrics.to_bytes()
    assert b'veilmatch_timer_failures_total{timer="seal"} 0.0' in metrics.to_bytes()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(one["event"], one["timer"]) for one in lines] == [
        ("timer failed", "collect"),
        ("timer works again", "collect"),
    ]
    assert lines[0]["kind"] == fault.__name__
    assert "dropped" not in lines[0]
    assert "private" not in stream.getvalue()


def test_a_blob_store_that_breaks_while_the_service_runs_is_told(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real service: uploads fail with an error that no one expects; then they work."""
    monkeypatch.setattr("veilmatch.service.app._TIMER_S", 0.005)
    metrics, stream = Metrics(lambda: 0.0), io.StringIO()
    faults: Iterator[int] = iter(range(3))

    def upload(*_: object) -> int:
        if next(faults, None) is not None:
            raise PermissionError
        return 0

    monkeypatch.setattr("veilmatch.intakestore.intake_store.IntakeStore.upload_sealed", upload)
    around = Surroundings(metrics=metrics, events=Events(lambda: 0, stream))

    async def scenario() -> None:
        app = create_app(ServiceSettings(data=tmp_path / "data", site=world.site), around)
        async with app.router.lifespan_context(app):
            for _ in range(1000):
                if "timer works again" in stream.getvalue():
                    return
                await asyncio.sleep(0.01)
        raise AssertionError("the timer did not go on")

    asyncio.run(scenario())
    assert b'veilmatch_timer_failures_total{timer="upload"} 3.0' in metrics.to_bytes()


def test_a_file_that_may_not_be_deleted_is_a_named_error(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(tmp_path) as store:
        folder = tmp_path / "segments"
        folder.mkdir(exist_ok=True)
        (folder / f"{'ab' * 16}.segment").write_bytes(b"left by a kill")

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError

        collector = Collector(store.database, folder, RetentionLimits(), lambda: 0)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", refuse)
            with pytest.raises(StoreError):
                collector.collect_orphans()
        assert collector.collect_orphans() == 1
