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
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
from tools import postgres

from tests.integration.service.processes import free_port
from tests.integration.service.stores import OpenStore, open_store
from tests.integration.service.world import Device, Published, World, make_world
from tests.nursery import SERVICE, Nursery
from veilmatch.errors import StoreError
from veilmatch.service.app import STORE_KEY
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database
from veilmatch.voucher.asset import Kind

pytestmark = pytest.mark.faults

KILLS = 120  # of processes; the database's own kills come on top
DATABASE_KILLS = 8
_SENDERS = 3
_LIMIT_S = 240


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


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


@dataclass
class Plan:
    """What the devices send, and which of it was acknowledged."""

    batches: list[bytes] = field(default_factory=list)
    members: list[list[tuple[bytes, bytes]]] = field(default_factory=list)  # account, asset id
    acknowledged: set[int] = field(default_factory=set)
    answers: Counter[int] = field(default_factory=Counter)
    cut: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, device: Device, release: Published, known: int, unknown: int, kind: Kind) -> None:
        sent = device.make(release, known=known, unknown=unknown, kind=kind)
        for start in range(0, len(sent), 3):
            part = sent[start : start + 3]
            self.batches.append(device.batch(release, part))
            self.members.append([(device.pseudonym, one.asset_id) for one in part])


def make_plan(world: World) -> Plan:
    plan, release = Plan(), world.current
    for known, synthetic in [(4, 0), (5, 2), (9, 3), (3, 0), (3, 6), (0, 8), (6, 1)] * 6:
        device = Device()
        plan.add(device, release, known, 14, Kind.REAL)
        if synthetic:
            plan.add(Device(device.account), release, 0, synthetic, Kind.SYNTHETIC)
    return plan


class Sender(threading.Thread):
    """Sends its part of the plan until each batch was acknowledged, and some of it again."""

    def __init__(self, plan: Plan, mine: list[int], ports: list[int], seed: int) -> None:
        super().__init__()
        self._plan, self._mine, self._ports = plan, mine, ports
        self._chance = random.Random(seed)
        self.ended = threading.Event()

    def run(self) -> None:
        waiting = list(self._mine)
        with httpx.Client(trust_env=False, timeout=5) as http:
            while not self.ended.is_set():
                # What was acknowledged comes again now and then: a device that lost the reply.
                number = self._chance.choice(waiting or self._mine)
                port = self._chance.choice(self._ports)
                if self._chance.random() < 0.05:
                    self._cut(port, self._plan.batches[number])
                    continue
                if self._send(http, port, number) and number in waiting:
                    waiting.remove(number)

    def _send(self, http: httpx.Client, port: int, number: int) -> bool:
        try:
            answer = http.post(
                f"http://127.0.0.1:{port}/v1/vouchers", content=self._plan.batches[number]
            )
        except httpx.TransportError:
            time.sleep(0.01)
            return False
        with self._plan.lock:
            self._plan.answers[answer.status_code] += 1
            if answer.status_code == 204:
                self._plan.acknowledged.add(number)
        if answer.status_code != 204:
            time.sleep(0.02)
        return answer.status_code == 204

    def _cut(self, port: int, body: bytes) -> None:
        """Begin a request and go away in the middle of its body."""
        head = f"POST /v1/vouchers HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as one:
            one.sendall(head.encode() + body[: self._chance.randrange(len(body))])
        self._plan.cut += 1


class Chaos:
    """The processes, and what kills them."""

    def __init__(self, nursery: Nursery, world: World, data: Path, server: Server) -> None:
        self.ports = [free_port(), free_port()]
        common: list[str | Path] = ["--data", data, "--site", world.site]
        common += ["--database", server.url]
        options = ["--segment-age", "1", "--min-delay", "0"]
        self._commands = [
            *(["serve", *common, "--port", str(port), *options] for port in self.ports),
            *(["work", *common, "--secrets", world.secrets, "--interval", "0.1"],) * 2,
        ]
        self._nursery, self._server = nursery, server
        self._running = [nursery.start(*command) for command in self._commands]
        self.kills: Counter[str] = Counter()

    def kill_one(self, chance: random.Random) -> None:
        index = chance.randrange(len(self._running))
        if self._nursery.kill(self._running[index]) == -signal.SIGKILL:
            self.kills[str(self._commands[index][0])] += 1
        self._running[index] = self._nursery.start(*self._commands[index])

    def kill_database(self) -> None:
        self._server.kill()
        self.kills["database"] += 1

    def stop(self) -> None:
        for child in self._running:
            self._nursery.kill(child)


def _run_undisturbed(world: World, plan: Plan, folder: Path) -> tuple[Counter[int], int]:
    """The same batches, once each and in order, into a store of one process."""
    from veilmatch.ingest.accept import accept_vouchers
    from veilmatch.voucher.voucher import layout_of

    release = world.current
    layouts = {release.release_id: layout_of(release.built.manifest.parameters)}
    with open_store(folder) as store:
        for body in plan.batches:
            store.intake.store_batches([accept_vouchers(body, layouts)])
        store.intake.seal_all()
        store.worker(world).run()
        return _sizes(store), len(store.shares())


def _sizes(store: OpenStore) -> Counter[int]:
    return Counter(len(items) for items in store.opened().values())


def test_nothing_is_lost_or_doubled_whatever_is_killed(
    world: World, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, chance = tmp_path / "data", random.Random(os.urandom(8))
    data.mkdir()
    plan = make_plan(world)
    expected, share_count = _run_undisturbed(world, plan, tmp_path / "calm")
    database = Database(server.url)
    database.migrate()
    database.close()
    load_crypter(data / STORE_KEY)
    started = time.monotonic()
    with Nursery(tmp_path / "programs.log", SERVICE) as nursery:
        chaos = Chaos(nursery, world, data, server)
        numbers = list(range(len(plan.batches)))
        senders = [Sender(plan, numbers[k::_SENDERS], chaos.ports, k) for k in range(_SENDERS)]
        for sender in senders:
            sender.start()
        try:
            while chaos.kills.total() < KILLS + DATABASE_KILLS:
                assert time.monotonic() - started < _LIMIT_S, chaos.kills
                time.sleep(chance.uniform(0.02, 0.35))
                if chaos.kills["database"] * KILLS < DATABASE_KILLS * (
                    chaos.kills.total() - chaos.kills["database"]
                ):
                    chaos.kill_database()
                chaos.kill_one(chance)
            while len(plan.acknowledged) < len(plan.batches):
                assert time.monotonic() - started < _LIMIT_S, len(plan.acknowledged)
                time.sleep(0.1)
        finally:
            for sender in senders:
                sender.ended.set()
            for sender in senders:
                sender.join()
            chaos.stop()
        _drain(nursery, world, data, server)
        assert "Traceback" not in nursery.log, nursery.log[-3000:]
    with open_store(data, server.url) as store:
        ledger = _ledger(store)
        assert ledger == Counter(one for part in plan.members for one in part)
        assert _sizes(store) == expected
        assert len(store.shares()) == share_count
    refused = {status for status in plan.answers if status not in (204, 503, 429)}
    with capsys.disabled():
        print(
            f"\nkilled: {dict(chaos.kills)}, {chaos.kills.total()} in all; answers "
            f"{dict(plan.answers)}, {plan.cut} requests cut; {len(ledger)} vouchers acknowledged "
            f"and there once; {share_count} shares and cases of {dict(expected)} as undisturbed"
        )
    assert not refused
    assert chaos.kills.total() >= KILLS + DATABASE_KILLS


def _drain(nursery: Nursery, world: World, data: Path, server: Server) -> None:
    """Start the intake once more, so that it seals what is open, and let a worker finish."""
    common: list[str | Path] = ["--data", data, "--site", world.site, "--database", server.url]
    port = free_port()
    serve = nursery.start(
        *("serve", *common, "--port", str(port), "--segment-age", "0", "--min-delay", "0")
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
            break
        time.sleep(0.05)
    work = ["work", *common, "--secrets", world.secrets, "--drain", "--interval", "0.2"]
    while time.monotonic() < deadline:
        status = nursery.run(*work)
        with open_store(data, server.url) as store, contextlib.suppress(StoreError):
            if status == 0 and store.work.pending_count() == (0, 0):
                break
        time.sleep(0.2)
    else:
        raise AssertionError(nursery.log[-3000:])
    nursery.kill(serve)


def _ledger(store: OpenStore) -> Counter[tuple[bytes, bytes]]:
    """Every voucher's row, all of them processed."""
    from sqlalchemy import text

    with store.database.transaction() as connection:
        rows = connection.execute(text("SELECT account, asset_id, state FROM voucher")).all()
    assert {row.state for row in rows} == {"processed"}
    return Counter((bytes(row.account), bytes(row.asset_id)) for row in rows)
