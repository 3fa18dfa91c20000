"""kill -9 at any moment: nothing acknowledged is lost, nothing counts twice."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.integration.service.processes import free_port
from tests.integration.service.stores import OpenStore, open_store
from tests.integration.service.world import SMALL, Device, World
from tests.nursery import ONE_WORKER, SERVICE, Nursery
from tests.tally import Tally
from veilmatch.voucher.asset import Kind

pytestmark = pytest.mark.faults

KILLS = 24  # at least 20 that hit a running process
_SENDERS = 4


class _Sender(threading.Thread):
    """Sends batches for as long as it may, and remembers which were acknowledged."""

    def __init__(self, address: str, batches: dict[int, bytes]) -> None:
        super().__init__()
        self._address, self._batches = address, batches
        self.acknowledged: set[int] = set()
        self.attempted: set[int] = set()
        self.answers = 0
        self.others: set[int] = set()
        self.ended = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self._address, trust_env=False, timeout=5) as http:
            for number in itertools.cycle(self._batches):
                if self.ended.is_set():
                    break
                # Also after a failure the next one: what was not acknowledged may stay away.
                self.attempted.add(number)
                try:
                    answer = http.post("/v1/vouchers", content=self._batches[number])
                except httpx.TransportError:
                    time.sleep(0.002)
                else:
                    self.answers += 1
                    if answer.status_code == 204:
                        self.acknowledged.add(number)
                    else:
                        self.others.add(answer.status_code)


def _wait(address: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{address}/healthz", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.005)
        else:
            return
    raise AssertionError("the service did not start")


def test_killed_server_keeps_what_it_acknowledged(
    world: World, tmp_path: Path, tally: Tally
) -> None:
    device, release = Device(), world.current
    made = [device.make(release, known=1, unknown=2) for _ in range(500)]
    batches = {number: device.batch(release, sent) for number, sent in enumerate(made)}
    data, port, chance = tmp_path / "data", free_port(), random.Random(os.urandom(8))
    address, killed = f"http://127.0.0.1:{port}", 0
    serve: list[str | Path] = ["serve", "--data", data, "--site", world.site]
    serve += ["--port", str(port), "--segment-age", "1", "--min-delay", "0"]
    senders = [
        _Sender(address, {n: batches[n] for n in batches if n % _SENDERS == part})
        for part in range(_SENDERS)
    ]
    with Nursery(tmp_path / "serve.log", SERVICE) as nursery:
        for sender in senders:
            sender.start()
        try:
            for turn in range(KILLS):
                running = nursery.start(*serve)
                if turn % 6:  # every sixth is killed while it starts
                    _wait(address)
                time.sleep(chance.uniform(0.0, 0.2))
                killed += nursery.kill(running) == -signal.SIGKILL
        finally:
            for sender in senders:
                sender.ended.set()
            for sender in senders:
                sender.join()
        assert "Traceback" not in nursery.log
    acknowledged = {number for sender in senders for number in sender.acknowledged}
    attempted = {number for sender in senders for number in sender.attempted}
    with open_store(data) as store:
        found = store.waiting_bodies()
        present = {number for number, sent in enumerate(made) if sent[0].body in found}
        for number, sent in enumerate(made):
            times = {found[one.body] for one in sent}
            assert times == ({1} if number in present else {0}), "a batch is there once or not"
        assert acknowledged <= present <= attempted
        assert sum(found.values()) == 3 * len(present)
        # And with the server back, the device's next try fills what is missing, once.
        store.intake.store_batches([device.accepted(release, sent) for sent in made])
        store.execute("UPDATE segment SET lease_expires_at = 0")
        assert store.waiting_bodies() == {one.body: 1 for sent in made for one in sent}
    tally.kill("intake", killed)
    tally.add("vouchers accounted for", 3 * len(made))
    assert killed >= 20
    assert len(acknowledged) >= 20
    assert not any(sender.others for sender in senders)


def _fill(store: OpenStore, world: World) -> None:
    """Many small segments: accounts that open, one too few, synthetics among them."""
    release, batches = world.current, []
    for known, synthetic in [(4, 0), (5, 2), (9, 3), (3, 0), (3, 6), (0, 8), (6, 1)]:
        device, second = Device(), None
        second = Device(device.account)
        sent = device.make(release, known=known, unknown=6)
        for start in range(0, len(sent), 2):
            batches.append(device.accepted(release, sent[start : start + 2]))
        if synthetic:
            made = second.make(release, unknown=synthetic, kind=Kind.SYNTHETIC)
            batches += [second.accepted(release, [one]) for one in made]
    random.Random(5).shuffle(batches)
    for batch in batches:
        store.intake.store_batches([batch])
        store.intake.seal_all()


def test_killed_worker_opens_what_an_undisturbed_one_opens(
    world: World, tmp_path: Path, tally: Tally
) -> None:
    disturbed, calm, chance = tmp_path / "disturbed", tmp_path / "calm", random.Random()
    with open_store(disturbed) as store:
        _fill(store, world)
    shutil.copytree(disturbed, calm)
    with open_store(calm) as store:
        store.worker(world).run()
        expected, shares = store.opened(), store.shares()
    assert sorted(len(items) for items in expected.values()) == [4, 5, 6, 9]
    killed = killed_opening = 0
    work: list[str | Path] = ["work", "--data", disturbed, "--site", world.site]
    work += ["--secrets", world.secrets]
    with Nursery(tmp_path / "work.log", ONE_WORKER) as nursery:
        for _ in range(KILLS):  # while segments wait
            running = nursery.start(*work, "--once")
            time.sleep(chance.uniform(0.0, 0.1))
            killed += nursery.kill(running) == -signal.SIGKILL
        assert nursery.run(*work, "--once") == 0, nursery.log
        with open_store(disturbed) as store:
            assert store.opened() == expected
            for table in ("case_file", "case_item"):
                store.execute(f"DELETE FROM {table}")
            store.execute("UPDATE account SET checked_version = 0")
        for _ in range(KILLS // 2):  # while it opens
            running = nursery.start(*work, "--once")
            time.sleep(chance.uniform(0.0, 0.1))
            killed_opening += nursery.kill(running) == -signal.SIGKILL
        assert nursery.run(*work, "--once") == 0, nursery.log
        assert "Traceback" not in nursery.log
    with open_store(disturbed) as store:
        assert store.opened() == expected
        assert store.shares() == shares
        assert store.work.pending_count() == (0, 0)
    assert list((disturbed / "segments").iterdir()) == []
    tally.kill("worker at its segments", killed)
    tally.kill("worker at an opening", killed_opening)
    assert killed + killed_opening >= 20


def test_two_workers_at_once_open_what_one_opens(world: World, tmp_path: Path) -> None:
    both, one = tmp_path / "both", tmp_path / "one"
    with open_store(both) as store:
        _fill(store, world)
    shutil.copytree(both, one)
    with open_store(one) as store:
        store.worker(world).run()
        expected, shares = store.opened(), store.shares()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with open_store(both) as mine:
                mine.worker(world).run()
        except Exception as exc:  # noqa: BLE001  handed to the test below
            failures.append(exc)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with open_store(both) as store:
        assert store.opened() == expected
        assert store.shares() == shares
        assert store.work.pending_count() == (0, 0)


@pytest.mark.parametrize("seed", range(6))
def test_order_replay_and_second_device_change_nothing(
    world: World, tmp_path: Path, seed: int
) -> None:
    """Whole batches in any order and any number, both devices offering the same pictures."""
    chance, release = random.Random(seed), world.current
    first = Device()
    second = Device(first.account)
    known = SMALL.min_shares + seed
    sent = first.make(release, known=known, unknown=7)
    synthetic = first.make(release, unknown=2, kind=Kind.SYNTHETIC)
    # The second device makes vouchers of its own for the very same ids.
    ids = [one.asset_id for one in sent]
    again = second.make(release, known=known, unknown=7, ids=ids)
    batches = [first.accepted(release, [one]) for one in synthetic]
    for device, vouchers in ((first, sent), (second, again)):
        cut = chance.randrange(1, len(vouchers))
        batches += [device.accepted(release, part) for part in (vouchers[:cut], vouchers[cut:])]
    batches += chance.choices(batches, k=5)
    chance.shuffle(batches)
    with open_store(tmp_path / "data") as store:
        while batches:
            group, batches = batches[:2], batches[2:]
            store.intake.store_batches(group)
            if chance.random() < 0.5:
                store.intake.seal_all()
                store.worker(world).run()
        store.intake.seal_all()
        store.worker(world).run()
        (opened,) = store.opened().values()
        assert {value[3:] for value in opened} == set(release.hashes[:known])
        assert len(store.shares()) == known + 2
        assert store.cases.item_count(first.pseudonym) == known
