"""Busy, broken disk, broken database, faults of ours: always one fixed answer."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
from pathlib import Path

import httpx
import pytest

from tests.integration.service.world import Device, World
from tests.unit.service.conftest import Player, Running
from veilmatch.errors import ConfigError, Error, StoreError
from veilmatch.intakestore.intake_store import IntakeStore
from veilmatch.intakestore.limits import IntakeLimits
from veilmatch.service import problems
from veilmatch.service.app import create_app
from veilmatch.service.intake import InFlight
from veilmatch.service.settings import ServiceSettings
from veilmatch.store.segments import SegmentWriter


def _expect(answer: httpx.Response, problem: problems.Problem) -> None:
    fixed = problems.answer(problem)
    assert answer.status_code == problem.status
    assert answer.headers["Content-Type"] == problems.MEDIA_TYPE
    assert answer.content == bytes(fixed.body)
    assert answer.headers.get("Retry-After") == fixed.headers.get("Retry-After")


def _batch(world: World, device: Device | None = None) -> bytes:
    device = device or Device()
    return device.batch(world.current, device.make(world.current, unknown=1))


def test_too_many_bytes_in_flight_is_busy(play: Player, world: World) -> None:
    body = _batch(world)

    async def scenario(service: Running) -> None:
        answer = await service.http.post("/v1/vouchers", content=body)
        _expect(answer, problems.BUSY)
        assert answer.headers["Retry-After"] == "2"

    play(scenario, max_in_flight_len=len(body) - 1)


def test_bytes_in_flight_are_given_back(play: Player, world: World) -> None:
    """As many bytes as one body needs, and many bodies one after the other, good and bad."""
    body = _batch(world)

    async def scenario(service: Running) -> None:
        for _ in range(3):
            assert (await service.http.post("/v1/vouchers", content=body)).status_code == 204
            _expect(
                await service.http.post("/v1/vouchers", content=bytes(len(body))),
                problems.MALFORMED,
            )

    play(scenario, max_in_flight_len=len(body))


def test_requests_at_once_are_bounded(play: Player, world: World) -> None:
    bodies = [_batch(world) for _ in range(6)]

    async def scenario(service: Running) -> None:
        answers = await asyncio.gather(
            *(service.http.post("/v1/vouchers", content=body) for body in bodies)
        )
        assert sorted(answer.status_code for answer in answers) == [204, 204, 429, 429, 429, 429]

    play(scenario, max_in_flight_len=2 * len(bodies[0]), gather_ms=200)


def test_in_flight_never_goes_below_or_beyond() -> None:
    held = InFlight(10)
    assert held.take(10)
    assert not held.take(1)
    held.give(10)
    assert held.take(10)


def test_too_large(play: Player, world: World) -> None:
    async def scenario(service: Running) -> None:
        _expect(await service.http.post("/v1/vouchers", content=bytes(101)), problems.TOO_LARGE)

    play(scenario, max_body_len=100)


@pytest.mark.parametrize("value", ["", "x", "-1", "1e3", "٣", " 5 5"])
def test_length_that_is_no_number(play: Player, value: str) -> None:
    async def scenario(service: Running) -> None:
        request = httpx.Request(
            "POST",
            "http://service/v1/vouchers",
            content=b"x",
            headers=[(b"Content-Length", value.encode())],
        )
        _expect(await service.http.send(request), problems.LENGTH)

    play(scenario)


@pytest.mark.parametrize("digits", [18, 19, 5000])
def test_length_of_many_digits_is_too_large(play: Player, digits: int) -> None:
    async def scenario(service: Running) -> None:
        request = httpx.Request(
            "POST",
            "http://service/v1/vouchers",
            content=b"x",
            headers={"Content-Length": "9" * digits},
        )
        _expect(await service.http.send(request), problems.TOO_LARGE)

    play(scenario)


def test_over_quota_is_not_allowed(play: Player, world: World) -> None:
    device = Device()

    async def scenario(service: Running) -> None:
        for expected in (204, 403):
            answer = await service.http.post("/v1/vouchers", content=_batch(world, device))
            assert answer.status_code == expected
        _expect(answer, problems.POLICY)
        assert (await service.http.post("/v1/vouchers", content=_batch(world))).status_code == 204

    play(scenario, limits=IntakeLimits(account_quota=1))


def test_disk_that_fails_is_unavailable_and_nothing_is_lost(
    play: Player, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = _batch(world)

    def full(*_: object) -> list[int]:
        raise StoreError("a segment cannot be written")

    async def scenario(service: Running) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(SegmentWriter, "append", full)
            answer = await service.http.post("/v1/vouchers", content=body)
            _expect(answer, problems.UNAVAILABLE)
            assert answer.headers["Retry-After"] == "2"
        assert (await service.http.post("/v1/vouchers", content=body)).status_code == 204

    play(scenario)


def test_database_that_fails_is_unavailable(play: Player, world: World, tmp_path: Path) -> None:
    device, body = Device(), _batch(world)

    async def scenario(service: Running) -> None:
        with sqlite3.connect(tmp_path / "data" / "store.sqlite") as connection:
            connection.execute("ALTER TABLE voucher RENAME TO hidden")
        for method, content in (("POST", body), ("DELETE", device.deletion([bytes(16)]))):
            answer = await service.http.request(method, "/v1/vouchers", content=content)
            _expect(answer, problems.UNAVAILABLE)
        with sqlite3.connect(tmp_path / "data" / "store.sqlite") as connection:
            connection.execute("ALTER TABLE hidden RENAME TO voucher")
        connection.close()
        assert (await service.http.post("/v1/vouchers", content=body)).status_code == 204

    play(scenario)


def test_fault_of_ours_in_a_group_answers_every_request(
    play: Player, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError

    async def scenario(service: Running) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(IntakeStore, "store_batches", fault)
            answers = await asyncio.gather(
                *(service.http.post("/v1/vouchers", content=_batch(world)) for _ in range(3))
            )
        for answer in answers:
            _expect(answer, problems.UNAVAILABLE)
        assert (await service.http.post("/v1/vouchers", content=_batch(world))).status_code == 204

    play(scenario)


def test_fault_of_ours_is_internal(
    play: Player, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError

    async def scenario(service: Running) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("veilmatch.service.intake.accept_vouchers", fault)
            answer = await service.http.post("/v1/vouchers", content=_batch(world))
        _expect(answer, problems.INTERNAL)

    play(scenario)


def test_damaged_manifest_on_the_site_is_unavailable(
    world: World, tmp_path: Path, play: Player
) -> None:
    """Found when the service looks for releases; what was read before is still accepted."""
    folder = world.site / "releases" / (b"\x07" * 32).hex()

    async def scenario(service: Running) -> None:
        folder.mkdir()
        (folder / "manifest.json").write_bytes(b"{}")
        answer = await service.http.post("/v1/vouchers", content=_batch(world))
        _expect(answer, problems.UNAVAILABLE)
        shutil.rmtree(folder)
        assert (await service.http.post("/v1/vouchers", content=_batch(world))).status_code == 204

    try:
        play(scenario)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_half_built_release_hurts_nobody(world: World, play: Player) -> None:
    folder = world.site / "releases" / (b"\x08" * 32).hex()

    async def scenario(service: Running) -> None:
        folder.mkdir()
        assert (await service.http.post("/v1/vouchers", content=_batch(world))).status_code == 204

    try:
        play(scenario)
    finally:
        folder.rmdir()


def test_nothing_is_logged_of_what_is_sent(
    play: Player, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    device = Device()
    caplog.set_level(logging.DEBUG)

    async def scenario(service: Running) -> None:
        good = _batch(world, device)
        for content in (good, good[:-1], b"x"):
            await service.http.post("/v1/vouchers", content=content)

    play(scenario)
    ours = [one for one in caplog.records if not one.name.startswith(("httpx", "httpcore"))]
    for record in ours:
        assert device.pseudonym.hex() not in record.getMessage()
        assert repr(device.pseudonym)[2:-1] not in record.getMessage()


def test_what_a_stopped_service_holds_is_sealed(play: Player, world: World, tmp_path: Path) -> None:
    async def scenario(service: Running) -> None:
        assert (await service.http.post("/v1/vouchers", content=_batch(world))).status_code == 204

    play(scenario)
    connection = sqlite3.connect(tmp_path / "data" / "store.sqlite")
    assert connection.execute("SELECT state FROM segment").fetchall() == [("sealed",)]
    connection.close()


def test_segment_is_sealed_by_the_timer(play: Player, world: World, tmp_path: Path) -> None:
    async def scenario(service: Running) -> None:
        assert (await service.http.post("/v1/vouchers", content=_batch(world))).status_code == 204
        connection = sqlite3.connect(tmp_path / "data" / "store.sqlite")
        try:
            for _ in range(100):
                if connection.execute("SELECT state FROM segment").fetchall() == [("sealed",)]:
                    return
                await asyncio.sleep(0.05)
        finally:
            connection.close()
        pytest.fail("the timer sealed nothing")

    play(scenario, limits=IntakeLimits(segment_max_age_s=0))


def test_site_without_a_release_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        create_app(ServiceSettings(data=tmp_path / "data", site=tmp_path / "site"))
    assert list(tmp_path.iterdir()) == []


def test_lost_store_key_is_refused(world: World, tmp_path: Path, play: Player) -> None:
    async def scenario(service: Running) -> None:
        await service.http.post("/v1/vouchers", content=_batch(world))

    play(scenario)
    (tmp_path / "data" / "store.key").unlink()
    with pytest.raises(ConfigError):
        create_app(ServiceSettings(data=tmp_path / "data", site=world.site))
    assert not (tmp_path / "data" / "store.key").exists()


def test_every_error_class_has_a_fixed_answer() -> None:
    """No class of the tree falls through without an answer, and none shows its message."""

    def classes(top: type[Error]) -> list[type[Error]]:
        return [top, *(one for sub in top.__subclasses__() for one in classes(sub))]

    for kind in classes(Error):
        error = kind.__new__(kind)
        Error.__init__(error, "a private message")
        problem = problems.problem_of(error)
        assert problem in problems.ALL
        assert b"private" not in bytes(problems.answer(problem).body)
    assert len({problem.slug for problem in problems.ALL}) == len(problems.ALL)
    statuses = [problem.status for problem in problems.ALL if problem is not problems.PLATFORM]
    assert len(set(statuses)) == len(statuses)
