"""Two intakes, two workers and the database itself, killed with -9 at random moments.

Devices send batches cut short, twice, in another order and to either intake, until each was
acknowledged. Afterwards every acknowledged voucher is in the ledger exactly once, and what
opened is what an undisturbed run of the same vouchers opens.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from tools import postgres

from tests.faults.devices import Senders, make_plan
from tests.faults.house import House, run_undisturbed
from tests.integration.service.processes import free_port
from tests.integration.service.world import World
from tests.nursery import Nursery
from tests.tally import Tally

pytestmark = pytest.mark.faults

KILLS = 120  # of processes; the database's own kills come on top
DATABASE_KILLS = 8
_PROCESSES = 4  # two intakes, then two workers
_LIMIT_S = 240


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server of this test alone, so that it may be killed."""

    folder: Path
    url: str

    def kill(self) -> None:
        """kill -9 of the postmaster; its children end by themselves, mid-transaction."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(SystemExit):
                postgres.start(self.folder, is_synced=False)
                return
            time.sleep(0.2)
        raise AssertionError("the database did not start again")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if postgres.find_binaries() is None:
        assert not os.environ.get("VEILMATCH_TEST_POSTGRES"), "a server without its programs"
        pytest.skip("PostgreSQL is not installed; apt-get install postgresql")
    # A socket's path may have about 100 characters, and only its owner may enter the folder.
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"veilmatch-chaos-{os.getpid()}"
    url = postgres.start(folder, is_synced=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE chaos")
    yield Server(folder, url.replace("/postgres?", "/chaos?"))
    postgres.stop(folder)


class Chaos:
    """Two intakes, two workers, and what kills them."""

    def __init__(self, house: House, server: Server) -> None:
        self._house, self._server = house, server
        self._ports = [free_port(), free_port()]
        self._running = [self._start(index) for index in range(_PROCESSES)]
        self.kills: Counter[str] = Counter()

    def _start(self, index: int) -> int:
        if index < len(self._ports):
            return self._house.begin_serving(port=self._ports[index])
        return self._house.work()

    def kill_one(self, chance: random.Random) -> None:
        index = chance.randrange(_PROCESSES)
        if self._house.nursery.kill(self._running[index]) == -signal.SIGKILL:
            self.kills["intake" if index < len(self._ports) else "worker"] += 1
        self._running[index] = self._start(index)

    def kill_database(self) -> None:
        self._server.kill()
        self.kills["database"] += 1

    def stop(self) -> None:
        for child in self._running:
            self._house.nursery.kill(child)


def test_nothing_is_lost_or_doubled_whatever_is_killed(
    world: World, nursery: Nursery, server: Server, tmp_path: Path, tally: Tally
) -> None:
    chance, plan = random.Random(os.urandom(8)), make_plan(world, 6)
    expected = run_undisturbed(world, plan, tmp_path / "calm")
    house = House(nursery, world, tmp_path / "data", server.url)
    house.prepare()
    started = time.monotonic()
    chaos = Chaos(house, server)
    try:
        with Senders(plan, house.ports) as senders:
            while chaos.kills.total() < KILLS + DATABASE_KILLS:
                assert time.monotonic() - started < _LIMIT_S, chaos.kills
                time.sleep(chance.uniform(0.02, 0.35))
                if chaos.kills["database"] * KILLS < DATABASE_KILLS * (
                    chaos.kills.total() - chaos.kills["database"]
                ):
                    chaos.kill_database()
                chaos.kill_one(chance)
            senders.wait(_LIMIT_S)
    finally:
        chaos.stop()
    house.drain()
    house.check_accounts(plan, expected)
    assert set(plan.answers) <= {204, 503, 429}
    for what, count in chaos.kills.items():
        tally.kill(what, count)
    tally.add("requests cut", plan.cut)
    tally.add("answers 503", plan.answers[503])
    tally.add("vouchers accounted for", plan.ledger().total())
