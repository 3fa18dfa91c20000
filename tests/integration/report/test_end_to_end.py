"""Real sockets, real XML: every fault on every call, and the report still arrives once."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.report.harness import (
    Site,
    contents_of,
    open_outbox,
    queue_report,
    running_simulator,
)
from tests.unit.report.test_check import XSD
from veilmatch.report.model.answers import Action
from veilmatch.reporting.outbox import Outbox
from veilmatch.reporting.reconcile import list_reports, reconcile
from veilmatch.reporting.settings import Credentials
from veilmatch.reporting.tables import State
from veilmatch.reporting.transport import NAME, CyberTipline
from veilmatch.reporting.worker import ReportWorker, WorkerSettings
from veilmatch.reportsim.faults import RANDOM_FAULTS, Fault
from veilmatch.reportsim.server import PASSWORD, USER
from veilmatch.secret import SecretBytes

KEY = b"e" * 16
SETTINGS = WorkerSettings(lease_s=60, base_s=0, hold_s=0)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_simulator(xsd=XSD.read_bytes()) as site:
        yield site


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = open_outbox(tmp_path)
    yield outbox
    outbox.database.close()


def _send(outbox: Outbox, body: CyberTipline) -> None:
    ReportWorker(outbox, {NAME: body}, lambda: 1_000, lambda: 0.0, SETTINGS).run_due()


def _check_sent(site: Site, outbox: Outbox, before: set[int]) -> None:
    assert reconcile(outbox.database, NAME, {KEY}).agrees
    (line,) = list_reports(outbox.database)
    new = set(site.simulator.book.finished) - before
    assert new == {line.report_number}
    (number,) = new
    files = site.simulator.book.finished[number].files.values()
    expected = [hashlib.md5(one, usedforsecurity=False).hexdigest() for one in contents_of(KEY, 2)]
    assert sorted(one.md5 for one in files) == sorted(expected)


@pytest.mark.parametrize("path", ["/submit", "/upload", "/fileinfo", "/finish"])
@pytest.mark.parametrize("fault", [*RANDOM_FAULTS, Fault.UNAUTHORIZED])
def test_every_fault_on_every_call(site: Site, outbox: Outbox, path: str, fault: Fault) -> None:
    before = set(site.simulator.book.finished)
    site.simulator.plan.order(path, fault.value)
    queue_report(outbox, KEY, 2)
    with site.body() as body:
        _send(outbox, body)
    _check_sent(site, outbox, before)


def test_faults_while_taking_back(site: Site, outbox: Outbox) -> None:
    before = set(site.simulator.book.finished)
    site.simulator.plan.order("/upload", Fault.CUT_AFTER.value)
    for fault in (Fault.CUT_AFTER, Fault.ERROR_BEFORE):
        site.simulator.plan.order("/retract", fault.value)
    queue_report(outbox, KEY, 2)
    with site.body() as body:
        _send(outbox, body)
    _check_sent(site, outbox, before)


def test_no_log_line_holds_anything_private(
    site: Site, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        queue_report(outbox, KEY, 2)
        with site.body() as body:
            _send(outbox, body)
    assert caplog.records  # the client library logs addresses and header names
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    md5 = hashlib.md5(contents_of(KEY, 2)[0], usedforsecurity=False).hexdigest()
    for private in ("acct-000123", "192.0.2.7", "u@example.test", "harmless", basic, md5):
        assert private not in caplog.text


def test_status_schema_and_credentials(site: Site) -> None:
    with site.body() as body:
        assert body.check_status().action is Action.CONTINUE
        assert body.fetch_schema() == XSD.read_bytes()
    wrong = Credentials("somebody", SecretBytes(b"else"))
    with CyberTipline(site.address, wrong) as body:
        assert body.check_status().action is Action.STOP_OPERATOR


def test_nobody_there_is_waited_for(outbox: Outbox) -> None:
    with running_simulator() as gone:
        address = gone.address
    queue_report(outbox, KEY, 1)
    settings = WorkerSettings(base_s=60)
    known = Credentials("u", SecretBytes(b"w"))
    with CyberTipline(address, known, timeout_s=2) as body:
        ReportWorker(outbox, {NAME: body}, lambda: 1_000, lambda: 0.0, settings).run_due()
    (line,) = list_reports(outbox.database)
    assert (line.state, line.reason, line.attempts) == (State.QUEUED, "unreachable", 1)
