"""SIGKILL at random moments, a service that misbehaves at random: nothing lost, nothing doubled.

From the decision on: two people confirm cases while workers are killed; every confirmed case ends
as reported, with one finished report and one receipt that is an entry of the log.

``VEILMATCH_REPORT_KILLS`` sets the number of kills (300), ``VEILMATCH_REPORT_SEED`` the seed.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.report.harness import (
    DecidingHouse,
    contents_of,
    open_outbox,
    running_simulator,
)
from tests.tally import Tally
from veilmatch.casework.measures.export import read_export
from veilmatch.numbers.audit import audit_export
from veilmatch.privatelog.log import PrivateLog
from veilmatch.reporting.outbox import Outbox
from veilmatch.reporting.reconcile import list_reports, reconcile
from veilmatch.reporting.tables import State
from veilmatch.reporting.transport import NAME
from veilmatch.reportsim.book import BookedReport
from veilmatch.reportsim.faults import FaultPlan
from veilmatch.transparency.key import SignatureType, derive_signer

KILLS = int(os.environ.get("VEILMATCH_REPORT_KILLS", "300"))
SEED = int(os.environ.get("VEILMATCH_REPORT_SEED", "7"))
FAULT_RATE = 0.15
FILE_COUNT = 2
ROOT = Path(__file__).parents[3]
MAX_LIFE_S = 0.5  # opening the database looks for migrations first
DRAIN_S = 120


class Workers:
    """Worker processes, one at a time, started from a zygote and killed at will."""

    def __init__(self, folder: Path, address: str) -> None:
        command = [sys.executable, "-m", "tests.integration.report.zygote"]
        self._zygote = subprocess.Popen(
            [*command, str(folder), address],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self) -> int:
        return int(self._ask("start"))

    def kill(self, child: int) -> None:
        os.kill(child, signal.SIGKILL)
        assert self._zygote.stdin is not None
        self._zygote.stdin.write("dead\n")
        self._zygote.stdin.flush()

    def stop(self) -> None:
        self._zygote.communicate()
        assert self._zygote.returncode == 0

    def _ask(self, line: str) -> str:
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(line + "\n")
        self._zygote.stdin.flush()
        return self._zygote.stdout.readline()


def _is_sent(outbox: Outbox) -> bool:
    return all(line.state is State.FINISHED for line in list_reports(outbox.database))


def _kill_often(
    pair: list[Workers],
    outbox: Outbox,
    house: DecidingHouse,
    rng: random.Random,
    confirmed: set[bytes],
) -> Counter[str]:
    """Kill ``KILLS`` workers, two at work side by side with leases of a second.

    New cases are confirmed meanwhile, so that there is always work.
    """
    states: Counter[str] = Counter()
    for _ in range(0, KILLS, 2):
        waiting = [line for line in list_reports(outbox.database) if line.finished_at is None]
        if len(waiting) < 8:
            confirmed.add(house.confirm(FILE_COUNT))
        children = [(workers, workers.start()) for workers in pair]
        rng.shuffle(children)
        for workers, child in children:
            time.sleep(rng.uniform(0, MAX_LIFE_S))
            workers.kill(child)
        if rng.random() < 0.2:
            house.advance()
        states.update(
            line.state.value for line in list_reports(outbox.database) if line.finished_at is None
        )
    return states


def _drain(workers: Workers, outbox: Outbox) -> None:
    child = workers.start()
    limit = time.monotonic() + DRAIN_S
    while not _is_sent(outbox) and time.monotonic() < limit:
        time.sleep(0.1)
    workers.kill(child)


def _check_book(finished: list[BookedReport], confirmed: set[bytes]) -> None:
    noted = Counter(bytes.fromhex(one.report.additional_info or "") for one in finished)
    assert confirmed - noted.keys() == set(), "a confirmed report was lost"
    assert noted == Counter(confirmed), "a report was doubled"
    for one in finished:
        key = bytes.fromhex(one.report.additional_info or "")
        expected = [
            hashlib.md5(content, usedforsecurity=False).hexdigest()
            for content in contents_of(key, FILE_COUNT)
        ]
        assert sorted(file.md5 for file in one.files.values()) == sorted(expected)
        for file_id, file in one.files.items():
            assert file.details is not None
            assert (file.details.report_id, file.details.file_id) == (one.number, file_id)


def _check_log(house: DecidingHouse, confirmed_count: int) -> None:
    """Audit the private log: one finish receipt for each reported case, by its entries alone."""
    desk = house.house.desk
    signer = derive_signer("op.example/private", SignatureType.ED25519, bytes(32))
    head = PrivateLog(desk.database, desk.crypter, desk.clock, signer).sign_head()
    export = read_export(desk)
    report = audit_export(export.to_lines(), [signer.key], [head])
    assert report.exit_code == 0, report.to_json()
    reported = [one for one in desk.log.read() if one.record.kind == "case.reported"]
    assert len(reported) == confirmed_count


@pytest.mark.faults
def test_kills_lose_and_double_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tally: Tally
) -> None:
    rng, confirmed = random.Random(SEED), set[bytes]()
    outbox = open_outbox(tmp_path)
    house = DecidingHouse(outbox, tmp_path, rng)
    with running_simulator(FaultPlan(FAULT_RATE, seed=SEED)) as site:
        pair = [Workers(tmp_path, site.address) for _ in range(2)]
        try:
            states = _kill_often(pair, outbox, house, rng, confirmed)
            _drain(pair[0], outbox)
        finally:
            for workers in pair:
                workers.stop()
        book = site.simulator.book
        house.advance()
        states_of_cases = house.states()
        found = reconcile(outbox.database, NAME, confirmed)
        openings = sum(line.open_count for line in list_reports(outbox.database))
        with capsys.disabled():
            print(
                f"\n{KILLS} kills, {len(confirmed)} confirmed, {len(book.finished)} finished, "
                f"{found.receipt_count} receipts, {len(found.discrepancies)} discrepancies; "
                f"{openings} openings, {book.counts()}, "
                f"faults {sum(site.simulator.plan.counts.values())}; "
                f"unfinished at kills {dict(states)}; cases {states_of_cases}"
            )
        tally.kill("worker of reports", KILLS)
        tally.add("reports reconciled", len(confirmed))
        assert _is_sent(outbox), [line.state for line in list_reports(outbox.database)]
        assert found.agrees, found.discrepancies
        assert states_of_cases == {"reported": len(confirmed)}
        _check_log(house, len(confirmed))
        assert found.receipt_count == len(confirmed) == len(book.finished)
        numbers = {line.report_number for line in list_reports(outbox.database)}
        assert numbers == set(book.finished)
        _check_book(list(book.finished.values()), confirmed)
        # On a busy machine a worker gets less far before it is killed.
        assert sum(site.simulator.plan.counts.values()) > KILLS // 50
        assert {"queued", "open"} <= states.keys()
    outbox.database.close()
