"""The example's layout with real users: ``serve`` and ``work`` under two uids, one PostgreSQL.

Each user has a folder and a copy of the store key of its own; sealed segments meet in one
folder of a shared group. Nothing of one user's folder can be read by the other.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from tests.databases import Cluster
from tests.integration.service.processes import Program, free_port
from tests.integration.service.world import SMALL, Device, World
from veilmatch.casework.case_store import CaseStore
from veilmatch.service.app import open_data

SERVE, WORK, GROUP = 64_001, 64_002, 64_000


def _as(uid: int, *words: object) -> list[str]:
    """Build a command line that runs as a user, with the umask of the units."""
    drop = ["setpriv", f"--reuid={uid}", f"--regid={GROUP}", "--clear-groups"]
    drop += ["--inh-caps=-all", "--bounding-set=-all"]
    return [*drop, "sh", "-c", 'umask 0007; exec "$@"', "sh", *map(str, words)]


@cache
def _program() -> list[str]:
    """Find an interpreter that another user can start, with all that this one has.

    This one may lie in a folder that only root enters; then the system's, of the same version.
    """
    path = os.pathsep.join([*sys.path, *filter(None, [os.environ.get("PYTHONPATH")])])
    system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for interpreter in (sys.executable, system):
        words = ["env", f"PYTHONPATH={path}", interpreter, "-m", "veilmatch.cli.main"]
        done = subprocess.run(_as(SERVE, *words, "doctor"), capture_output=True, check=False)
        if done.returncode == 0:
            return words
    return []


class _Relay(socketserver.BaseRequestHandler):
    """Passes bytes to the cluster's socket, whose folder no other user may enter."""

    place = ""

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(self.place)
            ends = {self.request: there, there: self.request}
            while True:
                ready, _, _ = select.select(list(ends), [], [])
                for one in ready:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    ends[one].sendall(data)


@contextmanager
def _reachable(url: str) -> Iterator[str]:
    """Give a URL that another user can use too."""
    parsed = make_url(url)
    host = parsed.query.get("host")
    if not isinstance(host, str) or not host.startswith("/"):
        yield url
        return
    place = f"{host}/.s.PGSQL.{parsed.port or 5432}"
    handler = type("Relay", (_Relay,), {"place": place})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        port = server.server_address[1]
        yield parsed.set(host="127.0.0.1", port=port, query={}).render_as_string(False)
        server.shutdown()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may enter."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root, with setpriv, can start programs as other users")
    if not _program():
        pytest.skip("another user cannot reach an interpreter or this tree")
    made = Path(tempfile.mkdtemp(prefix="veilmatch-users-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def _own(path: Path, uid: int, mode: int, gid: int = GROUP) -> Path:
    path.mkdir(exist_ok=True)
    for one in [path, *path.rglob("*")]:
        os.chown(one, uid, gid)
    path.chmod(mode)
    return path


def _read_as(uid: int, path: Path) -> int:
    done = subprocess.run(_as(uid, "cat", path), capture_output=True, check=False)
    return done.returncode


def test_serve_and_work_under_two_users(
    world: World, folder: Path, postgres_cluster: Cluster
) -> None:
    empty = postgres_cluster.create_empty()
    with _reachable(empty) as url:
        _play(world, folder, url)
    postgres_cluster.drop(empty)


def _play(world: World, folder: Path, url: str) -> None:
    program = _program()
    shutil.copytree(world.site, folder / "site")
    shutil.copytree(world.secrets, folder / "secrets")
    secrets = _own(folder / "secrets", WORK, 0o700)
    serve, work = _own(folder / "serve", SERVE, 0o700), _own(folder / "work", WORK, 0o700)
    blobs = _own(folder / "segments", 0, 0o2770)
    more = ["--database", url, "--blobs", blobs]
    migrate = _as(SERVE, *program, "admin", "migrate", "--data", serve, "--database", url)
    subprocess.run(migrate, check=True, capture_output=True)
    # What the guide says: each user its own copy of the key.
    shutil.copyfile(serve / "store.key", work / "store.key")
    os.chown(work / "store.key", WORK, GROUP)
    (work / "store.key").chmod(0o600)

    device, port = Device(), free_port()
    sent = device.make(world.current, known=SMALL.min_shares, unknown=3)
    command = [*program, "serve", "--data", serve, "--site", folder / "site", "--port", port]
    command += ["--segment-age", "1", "--min-delay", "0", *more]
    with Program(_as(SERVE, *command), folder / "serve.log") as running:
        address = f"http://127.0.0.1:{port}"
        _wait(address, running)
        body = device.batch(world.current, sent)
        answer = httpx.post(f"{address}/v1/vouchers", content=body, trust_env=False)
        assert answer.status_code == 204
        _work_until_opened(folder, world, more, url, device, running)
        assert httpx.get(f"{address}/readyz", trust_env=False).status_code == 200
        assert running.stop() == 0, running.log
    # Neither reads what is the other's, and the intake reads no alpha.
    (secret, *_) = secrets.glob("*.secret")
    assert _read_as(WORK, secret) == 0
    assert _read_as(SERVE, secret) != 0
    assert _read_as(SERVE, work / "store.key") != 0
    assert _read_as(WORK, serve / "store.key") != 0
    # The worker has deleted the other user's segment: nothing is left lying.
    assert list(blobs.rglob("*.segment")) == []


def _wait(address: str, running: Program) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert running.process.poll() is None, running.log
        try:
            if httpx.get(f"{address}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(running.log)


def _work_until_opened(
    folder: Path,
    world: World,
    more: list[object],
    url: str,
    device: Device,
    running: Program,
) -> None:
    """Run the worker under its own user until the account's case is there."""
    command = [*_program(), "work", "--data", folder / "work", "--site", folder / "site"]
    command += ["--secrets", folder / "secrets", "--interval", "0.2", *more]
    database, crypter = open_data(folder / "serve", url)
    cases = CaseStore(database, crypter)
    try:
        with Program(_as(WORK, *command), folder / "work.log") as worker:
            deadline = time.monotonic() + 60
            while cases.item_count(device.pseudonym) < SMALL.min_shares:
                assert worker.process.poll() is None, worker.log
                assert time.monotonic() < deadline, worker.log + running.log
                time.sleep(0.1)
            assert worker.stop() == 0, worker.log
    finally:
        database.close()
