"""The simulator behind a real socket of this machine, and a store around an outbox."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from tests.unit.casework.house import House, opened
from tests.unit.report.examples import CONTEXT, fit_details, fit_draft, fit_report
from veilmatch.casework.after.progress import Progress
from veilmatch.casework.after.reports import ReportPolicy, Reports
from veilmatch.casework.after.source import CaseFacts, Described
from veilmatch.report.check import check_report
from veilmatch.reporting.outbox import Outbox
from veilmatch.reporting.settings import Credentials
from veilmatch.reporting.transport import NAME, CyberTipline
from veilmatch.reportsim.book import Book
from veilmatch.reportsim.faults import FaultPlan
from veilmatch.reportsim.server import PASSWORD, USER, Simulator
from veilmatch.review.exposure import ExposurePolicy
from veilmatch.review.settings import ReviewPolicy
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database

CREDENTIALS = Credentials(USER, SecretBytes(PASSWORD.encode()))


@dataclass
class Site:
    """A running simulator."""

    simulator: Simulator
    address: str

    def body(self, timeout_s: float = 5.0) -> CyberTipline:
        return CyberTipline(self.address, CREDENTIALS, timeout_s=timeout_s)


@contextmanager
def running_simulator(plan: FaultPlan | None = None, xsd: bytes = b"") -> Iterator[Site]:
    simulator = Simulator(Book(time.monotonic, os.urandom), plan, xsd)
    config = uvicorn.Config(simulator.app, log_level="critical", access_log=False)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Site(simulator, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


def open_outbox(folder: Path) -> Outbox:
    database = Database(folder / "store.sqlite")
    return Outbox(database, load_crypter(folder / "store.key"), folder / "report-files")


def contents_of(key: bytes, file_count: int) -> tuple[bytes, ...]:
    """Made-up bytes, other ones for each report and file."""
    return tuple(b"harmless %s %d " % (key.hex().encode(), k) * 50 for k in range(file_count))


def queue_report(outbox: Outbox, key: bytes, file_count: int) -> None:
    """Queue a made-up report whose note is its key, so that the simulator's side can be told."""
    checked = check_report(fit_draft(key.hex(), file_count), CONTEXT)
    assert outbox.add(key, NAME, checked, contents_of(key, file_count), int(time.time()))


class CaseSource:
    """Describes a case by its id, so that the simulator's side can be told."""

    def describe(self, facts: CaseFacts) -> Described:
        count = len(facts.files)
        details = tuple(fit_details() for _ in facts.files)
        report = fit_report(facts.case_id.hex())
        return Described(report, details, contents_of(facts.case_id, count))


class DecidingHouse:
    """Two people who confirm one case after the other, each with its report."""

    def __init__(self, outbox: Outbox, folder: Path, rng: random.Random) -> None:
        # Nobody really looks here: a budget would only end the test.
        policy = ReviewPolicy(exposure=ExposurePolicy(budget=10**9, spell_s=10**9))
        self.house = House(outbox.database, load_crypter(folder / "store.key"), policy)
        self.house.after = Reports(self.house.desk, outbox, CaseSource(), policy=ReportPolicy(NAME))
        self._rng = rng

    def confirm(self, file_count: int) -> bytes:
        """Open a case, have both confirm it. Returns its id, which is its report's key."""
        self.house.now = int(time.time())
        numbers = self._rng.sample(range(1, 40), file_count)
        items = [opened(self._rng.getrandbits(60), picture) for picture in numbers]
        case_id = self.house.open_case(*items, account=self._rng.randbytes(16))
        self.house.confirm(case_id)
        return case_id

    def advance(self) -> int:
        """Bring receipts into the log. Returns how many cases are reported now."""
        return Progress(self.house.desk).run().reported

    def states(self) -> dict[str, int]:
        """Count the cases by state."""
        return self.house.queue.count_waiting()
