"""A real client updates across a prune; what a kill or a download in the middle meets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.attacks.scene import HONEST, PEOPLE, Scene, build
from tests.publication import DAY, Publisher
from tests.unit.client.house import NOW
from veilmatch.cli.main import run
from veilmatch.client.transport import Transport
from veilmatch.errors import ConfigError, Error, NetworkError, StoreError
from veilmatch.release.signed_metadata import build_targets, metadata_to_bytes
from veilmatch.site.pruning import PrunePlan, plan_prune, prune
from veilmatch.site.repository import Repository

GRACE = 7 * DAY
LATER = NOW + 60 * DAY  # what was made at NOW expired 30 days ago, with its metadata


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A client that uses release 1 of a site, over a real line."""
    public = tmp_path / "site" / "public"
    public.mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=public))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        made = Scene(public, f"http://127.0.0.1:{server.server_address[1]}", tmp_path)
        yield made
        made.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _site(scene: Scene) -> Path:
    return scene.public.parent


def _publish(scene: Scene, epoch: int, now: int = NOW) -> None:
    scene.publisher.now = now
    scene.publisher.publish(build(epoch, created_at=now), signers=HONEST)
    scene.upload()


def _plan(scene: Scene, now: int = LATER, keep: int = 1) -> PrunePlan:
    return plan_prune(_site(scene), keep=keep, grace_s=GRACE, now=now)


def _files(scene: Scene) -> set[str]:
    found = (path for path in scene.public.rglob("*") if path.is_file())
    return {path.relative_to(scene.public).as_posix() for path in found}


def test_nothing_goes_that_has_not_expired(scene: Scene) -> None:
    _publish(scene, 2)
    plan = _plan(scene, now=NOW + 29 * DAY)
    assert (plan.kept_epochs, plan.gone_epochs) == ((1, 2), ())
    # Snapshots live for a week: the first is of no use to anybody after that and the grace.
    assert [one.path.name for one in plan.goes] == ["1.snapshot.json"]
    assert _plan(scene, now=NOW + 7 * DAY).goes == ()
    assert _plan(scene, now=NOW + 30 * DAY + GRACE - 1).gone_epochs == ()


def test_a_client_updates_across_a_prune(scene: Scene) -> None:
    _publish(scene, 2)
    _publish(scene, 3, now=LATER)
    before, plan = _files(scene), _plan(scene)
    assert (plan.kept_epochs, plan.gone_epochs) == ((3,), (1, 2))
    kinds = [one.what for one in plan.goes]
    assert kinds == sorted(kinds, key=["snapshot", "targets", "file", "shard"].index)
    assert {"snapshot", "targets", "file", "shard"} == set(kinds)
    assert _files(scene) == before  # a plan removes nothing
    assert prune(plan, before=LATER - GRACE) == len(plan.goes)
    gone = before - _files(scene)
    assert gone == {one.path.relative_to(scene.public).as_posix() for one in plan.goes}
    assert not any(name.startswith("log/") or "root" in name for name in gone)
    assert _plan(scene).goes == ()
    scene.now = LATER
    assert scene.client.update_release().epoch == 3
    with scene.fresh_client() as fresh:
        assert fresh.update_release().epoch == 3
    _publish(scene, 4, now=LATER + DAY)
    scene.now = LATER + DAY
    assert scene.client.update_release().epoch == 4


def test_the_newest_stay_although_they_expired(scene: Scene) -> None:
    _publish(scene, 2)
    _publish(scene, 3, now=LATER)
    plan = _plan(scene, keep=2)
    assert (plan.kept_epochs, plan.gone_epochs) == ((2, 3), (1,))
    # An expired release that is still the published one stays, too: nobody replaced it.
    assert _plan(scene, now=LATER + 90 * DAY, keep=1).kept_epochs == (3,)


def _in_the_middle(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do something when the first shard is asked for."""
    fetch, lock, done = Transport.fetch_file, threading.Lock(), [False]

    def fetch_file(self: Transport, path: str, *args: int, **options: int) -> bytes:
        with lock:
            if path.startswith("shards/") and not done[0]:
                done[0] = True
                act()
        return fetch(self, path, *args, **options)

    monkeypatch.setattr(Transport, "fetch_file", fetch_file)


def test_a_download_in_the_middle_of_a_prune_finishes(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(scene, 2)

    def act() -> None:
        _publish(scene, 3, now=NOW + 20 * DAY)
        assert prune(_plan(scene, now=NOW + 20 * DAY), before=NOW + 13 * DAY) == 2

    _in_the_middle(monkeypatch, act)
    assert scene.client.update_release().epoch == 2


def test_a_download_that_slept_for_months_keeps_its_old_release(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(scene, 2)

    def act() -> None:
        _publish(scene, 3, now=LATER)
        prune(_plan(scene), before=LATER - GRACE)

    _in_the_middle(monkeypatch, act)
    with pytest.raises(NetworkError):
        scene.client.update_release()
    status = scene.client.status()
    assert status.release is not None
    assert status.release.epoch == 1
    scene.now = LATER
    assert scene.client.update_release().epoch == 3


_KILLED = """
import os, signal, sys
from pathlib import Path
from veilmatch.site.pruning import plan_prune, prune
site, at, now, grace = Path(sys.argv[1]), *map(int, sys.argv[2:])
def report(done, total):
    if done == at:
        os.kill(os.getpid(), signal.SIGKILL)
prune(plan_prune(site, keep=1, grace_s=grace, now=now), before=now - grace, report=report)
"""


@pytest.mark.faults
def test_killed_in_the_middle(scene: Scene) -> None:
    _publish(scene, 2)
    _publish(scene, 3, now=LATER)
    total = len(_plan(scene).goes)
    whole = _files(scene) - {
        one.path.relative_to(scene.public).as_posix() for one in _plan(scene).goes
    }
    scene.now = LATER
    for at in (1, 3, total // 2, 2):
        left = len(_plan(scene).goes)
        arguments = [str(_site(scene)), str(at), str(LATER), str(GRACE)]
        done = subprocess.run([sys.executable, "-c", _KILLED, *arguments], timeout=60, check=False)
        assert done.returncode == -signal.SIGKILL
        assert len(_plan(scene).goes) == left - at
        with scene.fresh_client() as fresh:
            assert fresh.update_release().epoch == 3
    prune(_plan(scene), before=LATER - GRACE)
    assert _files(scene) == whole


def test_what_is_young_or_written_again_stays(scene: Scene) -> None:
    _publish(scene, 2)
    _publish(scene, 3, now=LATER)
    begun = scene.public / "shards" / ("ab" * 32)  # a build that has not written its list yet
    begun.write_bytes(b"x")
    os.utime(begun, (LATER - GRACE + 1, LATER - GRACE + 1))
    plan = _plan(scene)
    assert begun not in {one.path for one in plan.goes}
    again = plan.goes[-1].path
    os.utime(again, (LATER, LATER))
    assert prune(plan, before=LATER - GRACE) == len(plan.goes) - 1
    assert again.exists()
    os.utime(again, (NOW, NOW))
    os.utime(begun, (NOW, NOW))
    assert {one.path for one in _plan(scene).goes} == {again, begun}


def test_strange_files_are_left_alone(scene: Scene) -> None:
    for name in ("metadata/notes.txt", "shards/README", "metadata/01.snapshot.json", "x"):
        (scene.public / name).write_bytes(b"x")
    _publish(scene, 2, now=LATER)
    plan = _plan(scene)
    assert plan.goes
    assert not {"notes.txt", "README", "01.snapshot.json", "x"} & {
        one.path.name for one in plan.goes
    }


def test_what_is_staged_stays(scene: Scene) -> None:
    staged = _site(scene) / "staged"
    (staged / "files").mkdir(parents=True)
    files = scene.publisher.files  # release 1 again, as it is
    for name, data in files.items():
        (staged / "files" / name).write_bytes(data)
    targets = build_targets(files, version=9, expires_at=LATER + DAY)
    Repository(_site(scene)).replace_staged("targets", metadata_to_bytes(targets))
    _publish(scene, 2, now=LATER)
    plan = _plan(scene)
    assert plan.gone_epochs == (1,)
    assert "shard" not in {one.what for one in plan.goes}


@pytest.mark.parametrize(
    "name", ["timestamp.json", "1.snapshot.json", "2.targets.json", "2.snapshot.json"]
)
def test_a_damaged_site_loses_nothing(scene: Scene, name: str) -> None:
    _publish(scene, 2, now=LATER)
    path = scene.public / "metadata" / name
    data = path.read_bytes()
    for damaged in (b"", data[:-5], b"{}"):
        path.write_bytes(damaged)
        before = _files(scene)
        with pytest.raises(Error):
            _plan(scene)
        assert _files(scene) == before


def test_a_site_that_published_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="published nothing"):
        plan_prune(tmp_path, keep=1, grace_s=1, now=NOW)


def test_a_folder_that_may_not_be_changed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    _publish(scene, 2, now=LATER)

    def refuse(self: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StoreError, match="cannot be removed"):
        prune(_plan(scene), before=LATER)


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    now = int(time.time())
    publisher = Publisher(PEOPLE, now=now - 90 * DAY)
    for epoch, made in ((1, now - 90 * DAY), (2, now)):
        publisher.now = made
        publisher.publish(build(epoch, created_at=made), signers=HONEST)
    site = tmp_path / "site"
    publisher.write(site / "public")
    for path in (site / "public").rglob("*"):
        os.utime(path, (now - 30 * DAY, now - 30 * DAY))
    before = {path for path in site.rglob("*") if path.is_file()}
    command = ["release", "prune", "--site", str(site), "--keep", "1", "--json"]
    assert run([*command, "--dry-run"]) == 0
    shown = json.loads(capfd.readouterr().out.strip().splitlines()[-1])
    assert shown["removed"] == 0
    assert (shown["kept_epochs"], shown["gone_epochs"]) == ([2], [1])
    assert {path for path in site.rglob("*") if path.is_file()} == before
    assert run(command) == 0
    done = json.loads(capfd.readouterr().out.strip().splitlines()[-1])
    assert done["files"] == shown["files"]
    assert done["removed"] == len(shown["files"]) > 0
    left = {path for path in site.rglob("*") if path.is_file()}
    assert {str(path.relative_to(site)) for path in before - left} == set(done["files"])
    assert run(["release", "prune", "--site", str(tmp_path / "none")]) == 2
    said = capfd.readouterr().err
    assert "error:" in said
    assert "hint:" in said
    assert run([*command, "--grace", "0"]) == 2
