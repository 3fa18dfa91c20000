"""SIGKILL at random moments, a service that misbehaves at random: nothing lost, nothing doubled.

The number of kills is ``VEILMATCH_REPORT_KILLS``, 300 unless told; the time is bounded.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.report.harness import (
    contents_of,
    open_outbox,
    queue_report,
    running_simulator,
)
from veilmatch.reporting.outbox import Outbox
from veilmatch.reporting.reconcile import list_reports, reconcile
from veilmatch.reporting.tables import State
from veilmatch.reporting.transport import NAME
from veilmatch.reportsim.book import BookedReport
from veilmatch.reportsim.faults import FaultPlan

KILLS = int(os.environ.get("VEILMATCH_REPORT_KILLS", "300"))
FAULT_RATE = 0.15
FILE_COUNT = 2
ROOT = Path(__file__).parents[3]
MAX_LIFE_S = 0.3
DRAIN_S = 120


class Workers:
    """One worker process at a time, started from the zygote and killed at will."""

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
    workers: Workers, outbox: Outbox, rng: random.Random, confirmed: set[bytes]
) -> Counter[str]:
    """Kill ``KILLS`` workers; new cases are confirmed meanwhile, so that there is always work."""
    states: Counter[str] = Counter()
    for kill in range(KILLS):
        waiting = [line for line in list_reports(outbox.database) if line.finished_at is None]
        if len(waiting) < 6:
            key = rng.randbytes(16)
            queue_report(outbox, key, FILE_COUNT)
            confirmed.add(key)
        child = workers.start()
        time.sleep(rng.uniform(0, MAX_LIFE_S))
        workers.kill(child)
        states.update(line.state.value for line in list_reports(outbox.database))
        del kill
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


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what a killed process wrote is kept there too."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.faults
def test_kills_lose_and_double_nothing(
    quick_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, confirmed = random.Random(7), set[bytes]()
    outbox = open_outbox(quick_folder)
    with running_simulator(FaultPlan(FAULT_RATE, seed=7)) as site:
        workers = Workers(quick_folder, site.address)
        try:
            states = _kill_often(workers, outbox, rng, confirmed)
            _drain(workers, outbox)
        finally:
            workers.stop()
        book = site.simulator.book
        found = reconcile(outbox.database, NAME, confirmed)
        openings = sum(line.open_count for line in list_reports(outbox.database))
        with capsys.disabled():
            print(
                f"\n{KILLS} kills, {len(confirmed)} confirmed, {len(book.finished)} finished, "
                f"{found.receipt_count} receipts, {len(found.discrepancies)} discrepancies; "
                f"{openings} openings, {book.counts()}, "
                f"faults {sum(site.simulator.plan.counts.values())}; seen at kills {dict(states)}"
            )
        assert _is_sent(outbox), [line.state for line in list_reports(outbox.database)]
        assert found.agrees, found.discrepancies
        assert found.receipt_count == len(confirmed) == len(book.finished)
        numbers = {line.report_number for line in list_reports(outbox.database)}
        assert numbers == set(book.finished)
        _check_book(list(book.finished.values()), confirmed)
        assert sum(site.simulator.plan.counts.values()) > KILLS // 10
        assert {"open", "finished"} <= states.keys()
    outbox.database.close()
