"""A full disk under the service, under its database and under a device: refused, kept, resumed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tools import postgres

from tests.faults.devices import Plan, Senders, make_plan
from tests.faults.disk import SmallDisk, small_disk
from tests.faults.house import House, run_undisturbed
from tests.integration.service.world import World
from tests.nursery import Nursery
from tests.tally import Tally
from tests.unit.client.house import (
    asset_kinds,
    make_client,
    options,
    publish,
    running_service,
    write_pictures,
)
from veilmatch.client.sdk import Client
from veilmatch.errors import StoreError
from veilmatch.service import problems

pytestmark = pytest.mark.faults

ROUNDS = 3
_DISK_LEN = 24 << 20
_LEFT_LEN = 16 << 10  # at most so much is left: some vouchers still get in
_WAIT_S = 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", _DISK_LEN) as made:
        yield made


def _wait_for(house: House, path: str, status: int, full: SmallDisk | None = None) -> None:
    """Wait for an answer; a disk that shall be full is kept so, whatever a worker deletes."""
    deadline = time.monotonic() + _WAIT_S
    while (answer := house.ask(path)).status_code != status:
        assert time.monotonic() < deadline, (path, answer.status_code)
        if full is not None:
            full.fill()
        time.sleep(0.05)


def _wait_for_refusals(plan: Plan, count: int, full: SmallDisk) -> None:
    deadline = time.monotonic() + _WAIT_S
    while plan.answers[503] < count:
        assert time.monotonic() < deadline, plan.answers
        full.fill()
        time.sleep(0.01)


def _check_refusals(plan: Plan) -> None:
    """Nothing but 503, each the fixed answer: no path, no message of the system."""
    text = json.dumps(
        {
            "type": "urn:veilmatch:problem:unavailable",
            "title": problems.UNAVAILABLE.title,
            "status": 503,
            "detail": problems.UNAVAILABLE.detail,
        },
        separators=(",", ":"),
    )
    assert set(plan.odd) == {(503, problems.MEDIA_TYPE, text)}
    assert set(plan.answers) == {204, 503}


def test_a_full_disk_is_refused_and_nothing_is_lost(
    url: str | None,
    world: World,
    nursery: Nursery,
    disk: SmallDisk,
    tmp_path: Path,
    tally: Tally,
) -> None:
    """Segments on the small disk; the embedded database too."""
    plan, chance = make_plan(world, ROUNDS), random.Random(os.urandom(8))
    expected = run_undisturbed(world, plan, tmp_path / "calm")
    parts = [range(k, len(plan.batches), ROUNDS) for k in range(ROUNDS)]
    house = House(nursery, world, disk.folder / "data", url)
    house.prepare()
    house.serve()
    work = house.work()
    for part in parts:
        refused = plan.answers[503]
        disk.fill(chance.randrange(_LEFT_LEN))
        with Senders(plan, house.ports, numbers=part) as senders:
            time.sleep(chance.uniform(0.0, 0.1))
            _wait_for_refusals(plan, refused + 5, disk)
            _wait_for(house, "/readyz", 503, disk)
            assert house.ask("/healthz").status_code == 200
            _wait_for_refusals(plan, plan.answers[503] + 3, disk)
            disk.empty()
            senders.wait()
        _wait_for(house, "/readyz", 200)
        tally.add("times a disk was full")
    house.stop_all()
    nursery.kill(work)
    house.drain()
    house.check_accounts(plan, expected)
    _check_refusals(plan)
    tally.add("vouchers accounted for", plan.ledger().total())


def test_a_service_that_cannot_start_says_why(
    world: World, nursery: Nursery, disk: SmallDisk
) -> None:
    house, before = House(nursery, world, disk.folder / "data"), len(nursery.log)
    disk.fill()
    assert nursery.join(house.begin_serving()) == 3, nursery.log
    said = nursery.log[before:]
    assert said.startswith("error:"), said
    assert "\nhint:" in said
    disk.empty()
    house.serve()
    house.stop_all()
    assert "Traceback" not in nursery.log


def test_a_full_disk_of_the_database_server(
    world: World, nursery: Nursery, tmp_path: Path, tally: Tally
) -> None:
    """PostgreSQL may stop altogether; with room again and started again, all goes on."""
    if postgres.find_binaries() is None:
        assert not os.environ.get("VEILMATCH_TEST_POSTGRES"), "a server without its programs"
        pytest.skip("PostgreSQL is not installed; apt-get install postgresql")
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"veilmatch-full-{os.getpid()}"
    plan = make_plan(world, 3)
    expected = run_undisturbed(world, plan, tmp_path / "calm")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)  # the place it is mounted on
        disk = stack.enter_context(small_disk(folder, 160 << 20))
        url = postgres.start(folder, is_synced=False)
        stack.callback(postgres.stop, folder)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE chaos")
        chaos = url.replace("/postgres?", "/chaos?")
        house = House(nursery, world, tmp_path / "data", chaos)
        house.prepare()
        house.serve()
        work = house.work()
        with Senders(plan, house.ports) as senders:
            senders.wait(share=0.1)
            disk.fill()
            refused = plan.answers[503]
            _wait_for_refusals(plan, refused + 5, disk)
            _wait_for(house, "/readyz", 503, disk)
            assert house.ask("/healthz").status_code == 200
            disk.empty()
            with contextlib.suppress(SystemExit):  # it may have gone on by itself
                postgres.start(folder, is_synced=False)
            senders.wait()
        _wait_for(house, "/readyz", 200)
        house.stop_all()
        nursery.kill(work)
        house.drain()
        house.check_accounts(plan, expected)
        _check_refusals(plan)
    tally.add("times a disk was full")
    tally.add("vouchers accounted for", plan.ledger().total())


def test_a_full_disk_of_a_device(disk: SmallDisk, tmp_path: Path, tally: Tally) -> None:
    """The device's outbox: what could not be kept is named, and added again later."""
    photos, count = tmp_path / "photos", 40
    write_pictures(photos, count)
    failed = 0
    with running_service(publish()) as service:
        with make_client(disk.folder, service.url) as client:
            client.update_release()
        for leave_len in (0, 4 << 10, 40 << 10, 150 << 10):
            disk.fill(leave_len)
            with contextlib.ExitStack() as stack:
                try:
                    client = stack.enter_context(
                        Client.open(disk.folder / "device.db", options=options(service.url))
                    )
                    client.add_folder(photos)
                    client.send()
                except StoreError:
                    failed += 1
            disk.empty()
            tally.add("times a disk was full")
        assert failed >= 2
        with Client.open(disk.folder / "device.db", options=options(service.url)) as client:
            client.add_folder(photos)
            client.send()
            kinds = asset_kinds(client)
            assert set(service.vouchers) == set(kinds)
            assert len(kinds) == count
            assert json.loads(client.export_account())["upload_count"] == count
        assert all(len(bodies) == 1 for bodies in service.bodies.values())
