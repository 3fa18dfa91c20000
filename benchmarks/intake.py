"""Durable intake: batches of 32 vouchers of full size into PostgreSQL and folder segments.

Client and service run on this machine, as separate processes. Every answer means that the
group's segment was synced and its rows committed. The vouchers have the right form and a
good batch signature; their slots are random, which the intake cannot tell.

The baseline of the throughput writes the same bytes to the same disk, one write and one
fdatasync for each batch, and does nothing else. The baseline of the CPU time does the
cryptography alone: SHA-256 and AES-256-GCM for each body, one signature check for each batch
over its digests.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.integration.service.processes import Service
from tests.integration.service.world import Device, Published, World
from tools.postgres import find_binaries, start, stop

from benchmarks.harness import Record
from veilmatch.hazmat.signing import derive_key_id
from veilmatch.release.manifest import Parameters
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database
from veilmatch.voucher.batch import build_voucher_batch
from veilmatch.voucher.voucher import VERSION, layout_of

BATCH = 32
BATCHES = int(os.environ.get("VEILMATCH_BENCH_BATCHES", "1000"))
WARM = 40
CONNECTIONS = 12
_TICKS = os.sysconf("SC_CLK_TCK")


def _make_batches(release: Published, count: int) -> list[bytes]:
    """Make signed batches of distinct vouchers; a few devices take turns."""
    layout = layout_of(release.built.manifest.parameters)
    devices = [Device() for _ in range(16)]
    heads = [bytes([VERSION]) + device.pseudonym + release.release_id for device in devices]
    found = []
    for number in range(count):
        device, head = devices[number % len(devices)], heads[number % len(devices)]
        key_id = derive_key_id(device.key.public_key)
        rest = os.urandom(layout.voucher_len - len(head) - 16 - len(key_id))
        vouchers = [head + os.urandom(16) + key_id + rest for _ in range(BATCH)]
        found.append(build_voucher_batch(device.identity, device.key, release.release_id, vouchers))
    return found


class _Sender(threading.Thread):
    """Sends its share of the batches over one connection."""

    def __init__(self, port: int, batches: list[bytes]) -> None:
        super().__init__()
        self._port, self._batches = port, batches
        self.waits: list[float] = []
        self.refused = 0

    def run(self) -> None:
        """Send all of them, one after the other."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        for body in self._batches:
            begin = time.perf_counter()
            connection.request("POST", "/v1/vouchers", body)
            answer = connection.getresponse()
            answer.read()
            self.refused += answer.status != 204
            self.waits.append(time.perf_counter() - begin)
        connection.close()


def _send(port: int, batches: list[bytes]) -> tuple[float, list[float]]:
    """Send batches over several connections. Returns seconds taken, and each answer's wait."""
    senders = [_Sender(port, batches[n::CONNECTIONS]) for n in range(CONNECTIONS)]
    begin = time.perf_counter()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    taken = time.perf_counter() - begin
    if any(sender.refused for sender in senders):
        sys.exit("error: the service refused batches")
    return taken, sorted(wait for sender in senders for wait in sender.waits)


def _cpu_s(pid: int) -> tuple[float, float]:
    """CPU seconds of a process and its threads: its own, and the system's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) / _TICKS, int(fields[12]) / _TICKS


def _write_bare(folder: Path, batches: list[bytes]) -> float:
    """Write the same bytes with a sync after each batch. Returns seconds."""
    handle = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT, 0o600)
    begin = time.perf_counter()
    for body in batches:
        os.write(handle, body)
        os.fdatasync(handle)
    taken = time.perf_counter() - begin
    os.close(handle)
    (folder / "bare").unlink()
    return taken


def _cryptography_us(batches: list[bytes]) -> float:
    """CPU time for each voucher of the cryptography alone, in microseconds."""
    device = Ed25519PrivateKey.generate()
    public, message = device.public_key(), os.urandom(32 * BATCH)
    signature = device.sign(message)
    length = len(batches[0]) // BATCH
    begin = time.thread_time()
    for body in batches:
        public.verify(signature, message)
        view = memoryview(body)
        for place in range(0, BATCH * length, length):
            voucher = view[place : place + length]
            hashlib.sha256(voucher).digest()
            AESGCM(os.urandom(32)).encrypt(bytes(12), voucher, b"place")
    return (time.thread_time() - begin) / (len(batches) * BATCH) * 1e6


@contextlib.contextmanager
def _service(folder: Path) -> Iterator[tuple[Service, Published, str]]:
    """A fresh cluster, a fresh database, a published release, and the service."""
    cluster = folder / "pg"
    cluster_url = start(cluster)
    try:
        with psycopg.connect(cluster_url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE veilmatch")
        url = cluster_url.replace("/postgres?", "/veilmatch?")
        database = Database(url)
        database.migrate()
        database.close()
        world = World(folder / "site", folder / "secrets")
        release = world.publish(Parameters(min_shares=31))
        load_crypter(folder / "data" / "store.key")
        options = ("--database", url)
        with Service(folder / "data", world.site, folder / "log", *options) as running:
            yield running.wait(), release, url
    finally:
        stop(cluster)


def run() -> list[Record]:
    """Measure throughput and the service's CPU per voucher, each beside its baseline."""
    if find_binaries() is None:
        print("intake: PostgreSQL is not installed; left out")
        return []
    with tempfile.TemporaryDirectory(prefix="vmbench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the cluster's owner must reach its own folder in it
        with _service(folder) as (service, release, url):
            batches = _make_batches(release, WARM + BATCHES)
            _send(service.port, batches[:WARM])
            timed = batches[WARM:]
            bare_before = _write_bare(folder, timed)
            before = _cpu_s(service.process.pid)
            taken, waits = _send(service.port, timed)
            after = _cpu_s(service.process.pid)
            bare_us = _cryptography_us(timed[:100])
            bare = min(bare_before, _write_bare(folder, timed))
            with psycopg.connect(url) as connection:
                row = connection.execute("SELECT count(*) FROM voucher").fetchone()
            if row is None or row[0] != len(batches) * BATCH:
                sys.exit("error: not every acknowledged voucher is there")
    count = len(timed) * BATCH
    own, system = (then - now for now, then in zip(before, after, strict=True))
    cpu = own + system
    p99 = waits[len(waits) * 99 // 100]
    client = resource.getrusage(resource.RUSAGE_SELF)
    parser = "httptools" if find_spec("httptools") else "h11"
    print(
        f"{count} vouchers of {len(timed[0]) // BATCH} bytes, HTTP by {parser}: "
        f"{count / taken:,.0f} durable/s, p99 {p99 * 1e3:.0f} ms; "
        f"bare writes with fdatasync {count / bare:,.0f}/s: {bare / taken:.2f} of it\n"
        f"CPU at intake {cpu / count * 1e6:.1f} us each (its own {own / count * 1e6:.1f}, system "
        f"{system / count * 1e6:.1f}); bare cryptography {bare_us:.1f} us: "
        f"{cpu / count * 1e6 / bare_us:.1f} times it; "
        f"client's CPU {(client.ru_utime + client.ru_stime):.1f} s"
    )
    wall_us, bare_wall_us, cpu_us = (x / count * 1e6 for x in (taken, bare, cpu))
    return [
        Record(
            "intake", "postgresql", "fdatasync", round(wall_us, 2), "us", round(bare / taken, 3)
        ),
        Record("intake", "fdatasync", None, round(bare_wall_us, 2), "us", None),
        Record(
            "intake_cpu",
            "postgresql",
            "cryptography",
            round(cpu_us, 2),
            "us",
            round(bare_us / cpu_us, 3),
        ),
        Record("intake_cpu", "cryptography", None, round(bare_us, 2), "us", None),
    ]
