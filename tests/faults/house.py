"""The real processes on one store, and the accounts that are drawn up at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import text

from tests.faults.devices import Plan
from tests.integration.service.processes import free_port
from tests.integration.service.stores import OpenStore, open_store
from tests.integration.service.world import World
from tests.nursery import Nursery
from veilmatch.errors import StoreError
from veilmatch.ingest.accept import accept_vouchers
from veilmatch.service.app import STORE_KEY
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database
from veilmatch.voucher.voucher import layout_of

_START_S, _DRAIN_S = 30.0, 60.0


@dataclass(frozen=True)
class Outcome:
    """What is open in the end.

    Attributes:
        opened: The image hashes of each case, by account.
        shares: Account and id of every share.
    """

    opened: dict[bytes, frozenset[bytes]]
    shares: set[tuple[bytes, bytes]]


def outcome_of(store: OpenStore) -> Outcome:
    """What is open in a store."""
    return Outcome(store.opened(), store.shares())


def run_undisturbed(
    world: World, plan: Plan, folder: Path, left_out: Sequence[int] = ()
) -> Outcome:
    """The same batches, once each and in order, into a store of one process."""
    release = world.current
    layouts = {release.release_id: layout_of(release.built.manifest.parameters)}
    with open_store(folder) as store:
        for number, body in enumerate(plan.batches):
            if number not in left_out:
                store.intake.store_batches([accept_vouchers(body, layouts)])
        store.intake.seal_all()
        store.worker(world).run()
        return outcome_of(store)


def read_ledger(store: OpenStore) -> dict[str, Counter[tuple[bytes, bytes]]]:
    """Account and id of every voucher's row, by its state."""
    with store.database.transaction() as connection:
        rows = connection.execute(text("SELECT account, asset_id, state FROM voucher")).all()
    found: dict[str, Counter[tuple[bytes, bytes]]] = {}
    for row in rows:
        found.setdefault(row.state, Counter())[(bytes(row.account), bytes(row.asset_id))] += 1
    return found


def _tell_difference(ledger: dict[str, Counter[tuple[bytes, bytes]]], plan: Plan) -> str:
    """Which vouchers are missing, doubled or in another state, by batch."""
    found: Counter[tuple[bytes, bytes]] = sum(ledger.values(), Counter())
    missing, doubled = plan.ledger() - found, found - plan.ledger()
    others = {state: rows for state, rows in ledger.items() if state != "processed"}
    batch_of = {one: number for number, batch in enumerate(plan.members) for one in batch}

    def batches(rows: Counter[tuple[bytes, bytes]]) -> list[int]:
        return sorted(batch_of[one] for one in rows)

    states = {state: batches(rows) for state, rows in others.items()}
    return f"missing: {batches(missing)}; doubled: {batches(doubled)}; not processed: {states}"


@dataclass
class House:
    """Intakes and workers as processes, on one store.

    Attributes:
        nursery: Where they are born.
        world: The releases.
        data: The store's folder.
        url: The PostgreSQL server; a file in ``data`` without it.
        blobs: Where sealed segments go.
        elsewhere: The workers' folder, where they run on another machine.
        ports: Of the intakes that were started.
        intakes: The processes that are to be stopped.
    """

    nursery: Nursery
    world: World
    data: Path
    url: str | None = None
    blobs: str | None = None
    elsewhere: Path | None = None
    ports: list[int] = field(default_factory=list)
    intakes: list[int] = field(default_factory=list)

    def prepare(self) -> None:
        """Make the store's key and, on a server, the tables."""
        self.data.mkdir(parents=True, exist_ok=True)
        if self.url:
            database = Database(self.url)
            database.migrate()
            database.close()
            load_crypter(self.data / STORE_KEY)

    def _common(self, data: Path) -> list[str | Path]:
        made: list[str | Path] = ["--data", data, "--site", self.world.site]
        made += ["--database", self.url] if self.url else []
        return [*made, "--blobs", self.blobs] if self.blobs else made

    def serve(self, *options: str, port: int | None = None, age_s: int = 1) -> int:
        """Start an intake and wait until it answers. Returns its process."""
        child = self.begin_serving(*options, port=port, age_s=age_s)
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if self.ask("/healthz").status_code == 200:
                    self.intakes.append(child)
                    return child
            time.sleep(0.02)
        raise AssertionError(self.nursery.log[-3000:])

    def begin_serving(self, *options: str, port: int | None = None, age_s: int = 1) -> int:
        """Start an intake without waiting for it."""
        port = port or free_port()
        self.ports = [*(one for one in self.ports if one != port), port]
        limits = ["--segment-age", str(age_s), "--min-delay", "0"]
        return self.nursery.start(
            "serve", *self._common(self.data), "--port", str(port), *limits, *options
        )

    def ask(self, path: str, port: int | None = None) -> httpx.Response:
        """Ask the newest intake, or the one on that port."""
        return httpx.get(
            f"http://127.0.0.1:{port or self.ports[-1]}{path}", trust_env=False, timeout=10
        )

    def work_options(self, *options: str) -> list[str | Path]:
        """The command line of a worker."""
        common = self._common(self.elsewhere or self.data)
        return ["work", *common, "--secrets", self.world.secrets, *options]

    def work(self, *options: str) -> int:
        """Start a worker. Returns its process."""
        return self.nursery.start(*self.work_options("--interval", "0.1", *options))

    def stop(self, child: int) -> int:
        """Ask a process to end, and wait until it has."""
        os.kill(child, signal.SIGTERM)
        return self.nursery.join(child)

    def stop_all(self) -> None:
        """Stop every intake as an operator does."""
        while self.intakes:
            assert self.stop(self.intakes.pop()) == 0, self.nursery.log[-3000:]

    def kill_all(self) -> None:
        """kill -9 of every intake that is still there."""
        while self.intakes:
            self.nursery.kill(self.intakes.pop())

    def drain(self) -> None:
        """Start an intake that seals what is open, and let workers finish."""
        serve = self.serve(age_s=0)
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline:
            status = self.nursery.run(*self.work_options("--drain", "--interval", "0.2"))
            with open_store(self.data, self.url) as store, contextlib.suppress(StoreError):
                if status == 0 and store.work.is_drained():
                    break
            time.sleep(0.2)
        else:
            raise AssertionError(self.nursery.log[-3000:])
        self.intakes.remove(serve)
        self.nursery.kill(serve)

    def check_accounts(self, plan: Plan, expected: Outcome) -> None:
        """Everything that was sent is in the ledger once, and opens as if undisturbed."""
        assert len(plan.acknowledged) == len(plan.batches)
        with open_store(self.data, self.url) as store:
            ledger = read_ledger(store)
            assert ledger == {"processed": plan.ledger()}, _tell_difference(ledger, plan)
            assert outcome_of(store) == expected
        assert self.nursery.own_tracebacks() == []
