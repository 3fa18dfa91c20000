"""A soak: intake and worker at 70 % of what they can take together, for ten minutes.

Client, service, worker and PostgreSQL share this machine. First the rate is measured at which
the worker keeps up with full load; then 70 % of it is sent for ``VEILMATCH_SOAK_S`` seconds
(600). Memory is read every second; its growth is the median of the last fifth over the median
of the second fifth. The first fifth is warming up: caches fill, and the allocator settles.
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
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _rss(pid: int) -> int:
    """Resident memory of a process, bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


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
        common = ["--data", data, "--site", world.site, "--database", url]
        work = [*PROGRAM, "work", *common, "--secrets", world.secrets, "--interval", "0.2"]
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
    rate = max(load.sent - (_waiting(url) - before), load.sent // 10) / taken
    while _waiting(url) > load.sent // 20:
        time.sleep(1)
    return rate


def _growth(samples: list[int]) -> float:
    fifth = max(1, len(samples) // 5)
    return statistics.median(samples[-fifth:]) / statistics.median(samples[fifth : 2 * fifth])


def run() -> list[Record]:
    """Soak, and report growth of memory and p99 of the first and the last minute."""
    with tempfile.TemporaryDirectory(prefix="vmsoak-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with _programs(folder) as (service, worker, release, url):
            rate = _probe(service, release, url)
            load = _Load(rate=LOAD * rate / BATCH)
            sender = threading.Thread(target=load.run, args=(service.port, release, SOAK_S))
            memory: dict[str, list[int]] = {"intake": [], "worker": []}
            begin = time.perf_counter()
            sender.start()
            while sender.is_alive():
                memory["intake"].append(_rss(service.process.pid))
                memory["worker"].append(_rss(worker.process.pid))
                time.sleep(1)
            left = _waiting(url)
            if worker.process.poll() is not None or load.refused:
                sys.exit(f"error: the worker ended, or {load.refused} batches were refused")
    minute = min(60.0, SOAK_S / 5)
    first = sorted(w for at, w in load.waits if minute <= at - begin < 2 * minute)
    last = sorted(w for at, w in load.waits if at - begin >= SOAK_S - minute)
    p99 = [waits[len(waits) * 99 // 100] * 1e3 for waits in (first, last)]
    growth = {name: _growth(samples) for name, samples in memory.items()}
    print(
        f"{SOAK_S:.0f} s at {load.sent / SOAK_S:,.0f} vouchers/s ({LOAD:.0%} of {rate:,.0f}/s "
        f"that intake and worker take together); memory intake {growth['intake']:.3f}, worker "
        f"{growth['worker']:.3f} of before; p99 {p99[0]:.0f} ms, then {p99[1]:.0f} ms; "
        f"{left} vouchers wait at the end"
    )
    return [
        Record("soak_memory", "intake", None, round(growth["intake"], 4), "ratio", None),
        Record("soak_memory", "worker", None, round(growth["worker"], 4), "ratio", None),
        Record("soak_p99", "first", None, round(p99[0], 1), "ms", None),
        Record("soak_p99", "last", "first", round(p99[1], 1), "ms", round(p99[1] / p99[0], 3)),
    ]
