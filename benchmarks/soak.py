"""A soak: intake and worker at 70 % of what they can take together, for ten minutes.

Client, service, worker and PostgreSQL share this machine. First the rate is measured at which
the worker keeps up with full load; then 70 % of it is sent for ``VEILMATCH_SOAK_S`` seconds
(600). The first fifth is warming up: caches fill, and the allocator settles. What follows is
cut into thirds, and the last is compared with the first: the median of the resident memory,
read every second, of the intake and of the worker with all their processes, and the 99th
percentile of the answers' times. It fails if memory grew by more than 5 %, if the percentile
is more than half as long again, if a batch was refused or a process ended, or if the worker
did not keep up.
"""

from __future__ import annotations

import http.client
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from tests.integration.service.processes import PROGRAM, Program, Service
from tests.integration.service.world import Device, Published, World
from tools.postgres import start, stop

from benchmarks.harness import Record
from veilmatch.hazmat.signing import derive_key_id
from veilmatch.release.manifest import Parameters
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database
from veilmatch.voucher.batch import build_voucher_batch
from veilmatch.voucher.voucher import VERSION, layout_of

SOAK_S = float(os.environ.get("VEILMATCH_SOAK_S", "600"))
LOAD = 0.7
PROBE_S = min(30.0, SOAK_S / 4)
BATCH = 32
CONNECTIONS = 6
MAX_GROWTH, MAX_SLOWER, MAX_BEHIND_S = 1.05, 1.5, 20.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _rss(pid: int) -> int:
    """Resident memory of a process and of those that it started, bytes; 0 if it has ended."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(one) for task in tasks for one in (task / "children").read_text().split()]
    except OSError:
        return 0
    return own + sum(map(_rss, children))


class _Source:
    """Signed batches of fresh vouchers of full size; what is inside is random."""

    def __init__(self, release: Published) -> None:
        layout = layout_of(release.built.manifest.parameters)
        self._release = release
        self._device = Device()
        self._key_id = derive_key_id(self._device.key.public_key)
        self._head = bytes([VERSION]) + self._device.pseudonym + release.release_id
        self._rest = os.urandom(layout.voucher_len - len(self._head) - 16 - len(self._key_id))

    def next(self) -> bytes:
        vouchers = [self._head + os.urandom(16) + self._key_id + self._rest for _ in range(BATCH)]
        device = self._device
        return build_voucher_batch(device.identity, device.key, self._release.release_id, vouchers)


@dataclass
class _Load:
    """What is sent: as fast as it goes, or at a rate."""

    rate: float = 0.0  # batches a second over all connections; 0: no limit
    sent: int = 0
    refused: int = 0
    waits: list[tuple[float, float]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, port: int, release: Published, seconds: float) -> None:
        """Send for so long."""
        threads = [
            threading.Thread(target=self._send, args=(port, _Source(release), k))
            for k in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.ended.set()
        for thread in threads:
            thread.join()

    def _send(self, port: int, source: _Source, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        step = CONNECTIONS / self.rate if self.rate else 0.0
        due = time.perf_counter() + number * step / CONNECTIONS
        while not self.ended.is_set():
            body = source.next()
            if step:
                time.sleep(max(0.0, due - time.perf_counter()))
                due = max(due + step, time.perf_counter() - step)
            begin = time.perf_counter()
            connection.request("POST", "/v1/vouchers", body)
            answer = connection.getresponse()
            answer.read()
            with self.lock:
                self.sent += BATCH * (answer.status == 204)
                self.refused += answer.status != 204
                self.waits.append((begin, time.perf_counter() - begin))
        connection.close()


@contextmanager
def _programs(folder: Path) -> Iterator[tuple[Service, Program, Published, str]]:
    """PostgreSQL, the service and one worker."""
    cluster = folder / "pg"
    cluster_url = start(cluster)
    try:
        with psycopg.connect(cluster_url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE veilmatch")
        url = cluster_url.replace("/postgres?", "/veilmatch?")
        database = Database(url)
        database.migrate()
        database.close()
        world, data = World(folder / "site", folder / "secrets"), folder / "data"
        release = world.publish(Parameters(min_shares=31))
        load_crypter(data / "store.key")
        options = ("--database", url, "--segment-age", "2", "--min-delay", "0")
        common: list[str | Path] = ["--data", data, "--site", world.site, "--database", url]
        work: list[str | Path] = [
            *PROGRAM,
            "work",
            *common,
            "--secrets",
            world.secrets,
            "--interval",
            "0.2",
        ]
        with (
            Service(data, world.site, folder / "log", *options) as service,
            Program(work, folder / "work.log") as worker,
        ):
            yield service.wait(), worker, release, url
    finally:
        stop(cluster)


def _waiting(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM voucher WHERE state = 'waiting'").fetchone()
    return int(row[0]) if row else 0


def _probe(service: Service, release: Published, url: str) -> float:
    """Vouchers a second that intake and worker take together: sent, less what piles up."""
    load, before = _Load(), _waiting(url)
    begin = time.perf_counter()
    load.run(service.port, release, PROBE_S)
    taken = time.perf_counter() - begin
    kept_up = load.sent - (_waiting(url) - before)
    if load.refused or kept_up <= 0:
        sys.exit(f"error: {load.refused} batches were refused, {kept_up} vouchers done in time")
    deadline = time.monotonic() + 20 * PROBE_S
    while _waiting(url) > load.sent // 20:
        if time.monotonic() > deadline:
            sys.exit("error: the worker does not catch up after the load has ended")
        time.sleep(1)
    return kept_up / taken


@dataclass(frozen=True)
class _Sample:
    """One second of the soak."""

    at_s: float
    intake_len: int
    worker_len: int


def _p99_ms(load: _Load, begin: float, first_s: float, last_s: float) -> float:
    """The 99th percentile of the answers to what was sent within a part of the soak."""
    waits = sorted(w for at, w in load.waits if first_s <= at - begin < last_s)
    if not waits:
        sys.exit("error: a part of the soak has no answer at all")
    return waits[len(waits) * 99 // 100] * 1e3


def _soak(
    service: Service, worker: Program, release: Published, url: str, rate: float
) -> tuple[_Load, float, list[_Sample], int]:
    """Send at the rate and watch. Returns load, its beginning, samples, vouchers that wait."""
    load, samples = _Load(rate=LOAD * rate / BATCH), list[_Sample]()
    sender = threading.Thread(target=load.run, args=(service.port, release, SOAK_S), daemon=True)
    begin = time.perf_counter()
    sender.start()
    while sender.is_alive():
        lengths = _rss(service.process.pid), _rss(worker.process.pid)
        samples.append(_Sample(time.perf_counter() - begin, *lengths))
        for program, name in ((service, "intake"), (worker, "worker")):
            if program.process.poll() is not None:
                sys.exit(f"error: the {name} ended:\n{program.log[-2000:]}")
        time.sleep(1)
    if load.refused:
        sys.exit(f"error: {load.refused} batches were refused")
    return load, begin, samples, _waiting(url)


def _print_table(load: _Load, begin: float, samples: list[_Sample]) -> None:
    """Print each tenth of the soak."""
    print("from s   vouchers/s   p99 ms   intake MiB   worker MiB")
    for tenth in range(10):
        first, last = SOAK_S * tenth / 10, SOAK_S * (tenth + 1) / 10
        sent = BATCH * sum(1 for at, _ in load.waits if first <= at - begin < last)
        here = [one for one in samples if first <= one.at_s < last]
        lengths = [
            statistics.median(values) / 2**20 if values else float("nan")
            for values in ([one.intake_len for one in here], [one.worker_len for one in here])
        ]
        print(
            f"{first:6.0f} {sent / (last - first):12,.0f} {_p99_ms(load, begin, first, last):8.0f}"
            f" {lengths[0]:12.1f} {lengths[1]:12.1f}"
        )


def _judge(growth: dict[str, float], slower: float, left: int, sent: int) -> None:
    """End with an error if a limit is passed."""
    faults = [
        f"the {name}'s memory is {ratio:.3f} of before, more than {MAX_GROWTH}"
        for name, ratio in growth.items()
        if ratio > MAX_GROWTH
    ]
    if slower > MAX_SLOWER:
        faults.append(f"p99 is {slower:.2f} of before, more than {MAX_SLOWER}")
    if left > sent / SOAK_S * MAX_BEHIND_S:
        faults.append(f"{left} vouchers wait at the end: the worker did not keep up")
    if faults:
        sys.exit("error: " + "; ".join(faults))


def run() -> list[Record]:
    """Soak, print what happened, and fail if memory or the answers' times grew."""
    with tempfile.TemporaryDirectory(prefix="vmsoak-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with _programs(folder) as (service, worker, release, url):
            rate = _probe(service, release, url)
            load, begin, samples, left = _soak(service, worker, release, url, rate)
    warm, third = SOAK_S / 5, SOAK_S * 4 / 15
    first = [one for one in samples if warm <= one.at_s < warm + third]
    last = [one for one in samples if SOAK_S - third <= one.at_s]
    growth = {
        "intake": statistics.median(one.intake_len for one in last)
        / statistics.median(one.intake_len for one in first),
        "worker": statistics.median(one.worker_len for one in last)
        / statistics.median(one.worker_len for one in first),
    }
    p99 = (
        _p99_ms(load, begin, warm, warm + third),
        _p99_ms(load, begin, SOAK_S - third, SOAK_S),
    )
    _print_table(load, begin, samples)
    print(
        f"{SOAK_S:.0f} s at {load.sent / SOAK_S:,.0f} vouchers/s ({LOAD:.0%} of {rate:,.0f}/s "
        f"that intake and worker take together); memory intake {growth['intake']:.3f}, worker "
        f"{growth['worker']:.3f} of before; p99 {p99[0]:.0f} ms, then {p99[1]:.0f} ms; "
        f"{left} vouchers wait at the end"
    )
    _judge(growth, p99[1] / p99[0], left, load.sent)
    return [
        Record("soak_memory", "intake", None, round(growth["intake"], 4), "ratio", None),
        Record("soak_memory", "worker", None, round(growth["worker"], 4), "ratio", None),
        Record("soak_p99", "first", None, round(p99[0], 1), "ms", None),
        Record("soak_p99", "last", "first", round(p99[1], 1), "ms", round(p99[1] / p99[0], 3)),
    ]
