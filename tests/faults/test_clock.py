"""Clocks that jump by a day under running programs, and by a month over what waits."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.databases import Cluster
from tests.faults.devices import Senders, make_plan
from tests.faults.house import House, read_ledger, run_undisturbed
from tests.faults.jumping_clock import VARIABLE
from tests.integration.service.processes import free_port
from tests.integration.service.stores import open_store
from tests.integration.service.world import World
from tests.nursery import SERVICE, Nursery
from tests.tally import Tally

pytestmark = pytest.mark.faults

JUMPS = 16
DAY_S = 86_400
_SETTINGS = (
    "tests.faults.jumping_clock",
    *SERVICE,
    "veilmatch.service.app:_COLLECT_S=1",
)


class WrongClock:
    """What the programs believe: the real time plus a number of seconds, changed at any time."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self.set(0)
        self.environment = {VARIABLE: str(self._file)}

    def set(self, offset_s: int) -> None:
        """Set all clocks at once."""
        new = self._file.with_suffix(".new")
        new.write_text(str(offset_s))
        new.replace(self._file)


def test_clocks_jump_under_everything(
    world: World, postgres_cluster: Cluster, tmp_path: Path, tally: Tally
) -> None:
    clock, chance = WrongClock(tmp_path), random.Random(os.urandom(8))
    plan = make_plan(world, 3)
    expected = run_undisturbed(world, plan, tmp_path / "calm")
    url, ports = postgres_cluster.create(), [free_port(), free_port()]
    with Nursery(tmp_path / "programs.log", _SETTINGS, clock.environment) as nursery:
        house = House(nursery, world, tmp_path / "data", url)
        house.prepare()
        running = [house.begin_serving(port=port) for port in ports]
        workers = [house.work(), house.work()]
        with Senders(plan, ports) as senders:
            for turn in range(JUMPS):
                # Never twice the same, so that each turn is a jump of one or two days.
                clock.set(DAY_S * (turn % 3 - 1))
                tally.add("jumps of the clock")
                time.sleep(chance.uniform(0.3, 1.0))
                index = chance.randrange(2)  # perhaps with a lease in its hands
                assert nursery.kill(workers[index]) == -signal.SIGKILL, nursery.log[-3000:]
                tally.kill("worker")
                workers[index] = house.work()
            senders.wait()
        assert set(plan.answers) <= {204, 503}
        for child in (*running, *workers):
            nursery.kill(child)
        # Whatever is leased, sealed or delayed by a clock of another day comes to its end.
        clock.set(-DAY_S)
        house.drain()
        house.check_accounts(plan, expected)
    tally.add("vouchers accounted for", plan.ledger().total())
    postgres_cluster.drop(url)


def test_a_month_ahead_destroys_nothing_that_waits(
    world: World, tmp_path: Path, tally: Tally
) -> None:
    """A clock that is wrong for a while; without the watch every waiting voucher would go."""
    clock, plan = WrongClock(tmp_path), make_plan(world, 1)
    expected = run_undisturbed(world, plan, tmp_path / "calm")
    with Nursery(tmp_path / "programs.log", _SETTINGS, clock.environment) as nursery:
        house = House(nursery, world, tmp_path / "data")
        house.prepare()
        serve = house.serve()
        with Senders(plan, house.ports) as senders:
            senders.wait()
        for offset_s in (30 * DAY_S, 0, 400 * DAY_S):
            clock.set(offset_s)
            tally.add("jumps of the clock")
            time.sleep(3.5)  # several rounds of the collector
        house.stop_all()
        serve = house.serve()  # and whoever starts again with the wrong clock
        time.sleep(2.5)
        nursery.kill(serve)
        house.intakes.clear()
        with open_store(house.data) as store:
            assert read_ledger(store) == {"waiting": plan.ledger()}
        before = len(nursery.log)
        assert nursery.run("admin", "check", "--data", house.data) == 0, nursery.log[before:]
        assert "the clock jumped" in nursery.log[before:]
        clock.set(0)
        house.drain()
        house.check_accounts(plan, expected)
    tally.add("vouchers accounted for", plan.ledger().total())
