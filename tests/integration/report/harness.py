"""The simulator behind a real socket of this machine, and a store around an outbox."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from tests.unit.report.examples import CONTEXT, fit_draft
from veilmatch.report.check import check_report
from veilmatch.reporting.outbox import Outbox
from veilmatch.reporting.settings import Credentials
from veilmatch.reporting.transport import NAME, CyberTipline
from veilmatch.reportsim.book import Book
from veilmatch.reportsim.faults import FaultPlan
from veilmatch.reportsim.server import PASSWORD, USER, Simulator
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
