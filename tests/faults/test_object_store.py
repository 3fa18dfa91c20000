"""An object store that is away, slow, or cuts connections: intake goes on, nothing is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.databases import Cluster
from tests.faults.devices import Senders, make_plan
from tests.faults.house import House, run_undisturbed
from tests.faults.object_store import BUCKET, object_store
from tests.integration.service.processes import free_port
from tests.integration.service.world import World
from tests.nursery import SERVICE, Nursery
from tests.tally import Tally
from veilmatch.service.app import SEGMENTS, STORE_KEY

pytestmark = pytest.mark.faults

KILLS = 16
_AWAY_S = 4.0
_STALL_S = 5.0  # an answer that waits for the object store would take longer
_MAX_PER_S = 12.0  # tries of one process, while every one of them fails


def test_a_slow_and_failing_object_store(
    world: World, postgres_cluster: Cluster, tmp_path: Path, tally: Tally
) -> None:
    """Two intakes on one machine, the worker on another: only the store is between them."""
    plan, chance = make_plan(world, 3), random.Random(os.urandom(8))
    expected = run_undisturbed(world, plan, tmp_path / "calm")
    url, log = postgres_cluster.create(), tmp_path / "programs.log"
    first = range(0, len(plan.batches), 2)
    with (
        object_store(tmp_path) as store,
        Nursery(log, SERVICE, store.environment) as nursery,
    ):
        blobs = f"s3://{BUCKET}/some/prefix"
        house = House(nursery, world, tmp_path / "data", url, blobs, elsewhere=tmp_path / "far")
        house.prepare()
        (tmp_path / "far").mkdir()
        shutil.copy(house.data / STORE_KEY, tmp_path / "far")
        ports = [free_port(), free_port()]
        running = [house.begin_serving(port=port) for port in ports]
        running.append(house.work())

        # Away: whoever asks is turned away or hears nothing. Vouchers are taken all the same.
        store.weather.rate, store.weather.faults = 1.0, ("503", "cut before", "silent")
        with Senders(plan, ports, numbers=first) as senders:
            senders.wait()
            begun, asked = time.monotonic(), store.weather.counts.total()
            time.sleep(_AWAY_S)
            tries = store.weather.counts.total() - asked
            assert tries <= 3 * _MAX_PER_S * (time.monotonic() - begun), "tries are bounded"
        assert set(plan.answers) == {204}
        assert plan.slowest_s < _STALL_S
        assert list((house.data / SEGMENTS).iterdir()), "they wait here"

        # Bad: every second request meets a fault, and programs are killed as well.
        store.weather.rate, store.weather.faults = 0.5, type(store.weather)().faults
        with Senders(plan, ports) as senders:
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.1, 0.5))
                index = chance.randrange(len(running))
                name = "intake" if index < len(ports) else "worker"
                tally.kill(name, nursery.kill(running[index]) == -signal.SIGKILL)
                running[index] = (
                    house.begin_serving(port=ports[index]) if name == "intake" else house.work()
                )
            senders.wait()
        assert set(plan.answers) <= {204, 503}
        for child in running:
            nursery.kill(child)

        # Fine again.
        store.weather.rate = 0.0
        house.drain()
        house.check_accounts(plan, expected)
        assert nursery.run(*house.work_options("--once")) == 0
        assert store.names() == [], "nothing stays behind in the store"
        assert not list((house.data / SEGMENTS).iterdir())
        assert not (tmp_path / "far" / SEGMENTS).exists()
    for what, count in store.weather.counts.items():
        tally.add(f"object store: {what}", count)
    tally.add("vouchers accounted for", plan.ledger().total())
    postgres_cluster.drop(url)
