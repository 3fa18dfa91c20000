"""``veilmatch admin`` on an embedded store and on a server: what it says, and its exit codes."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests.databases import Cluster
from tests.integration.service.world import Device, World, make_world
from veilmatch.cli.all_tables import load_tables
from veilmatch.cli.main import run
from veilmatch.intakestore.intake_store import IntakeStore
from veilmatch.intakestore.limits import IntakeLimits
from veilmatch.privatelog.tables import private_entry
from veilmatch.service.app import DATABASE, SEGMENTS, STORE_KEY
from veilmatch.store.crypter import KEY_LEN, load_crypter
from veilmatch.store.database import Database
from veilmatch.store.migrations.upgrade import find_revisions
from veilmatch.store.reseal import count_old


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@dataclass(frozen=True)
class Store:
    """A store with vouchers that wait, and the options that name it."""

    data: Path
    url: str | None

    @property
    def options(self) -> list[str]:
        named = ["--data", str(self.data)]
        return [*named, "--database", self.url] if self.url else named

    @property
    def place(self) -> Path | str:
        return self.url or self.data / DATABASE

    def fill(self, world: World, count: int = 4) -> None:
        with closing(Database(self.place)) as database:
            intake = IntakeStore(
                database,
                self.data / SEGMENTS,
                load_crypter(self.data / STORE_KEY),
                IntakeLimits(min_delay_s=0),
                lambda: int(time.time()),
            )
            device, release = Device(), world.current
            intake.store_batches([device.accepted(release, device.make(release, unknown=count))])
            intake.seal_all()

    def execute(self, statement: str) -> None:
        with closing(Database(self.place)) as database, database.transaction() as connection:
            connection.execute(text(statement))

    def entries(self, kind: str) -> list[dict[str, object]]:
        """What the private log says of one kind, oldest first."""
        with closing(Database(self.place)) as database, database.transaction() as connection:
            entry = private_entry.c
            query = select(entry.record).where(entry.kind == kind).order_by(entry.place)
            return [json.loads(one)["detail"] for one in connection.execute(query).scalars()]

    def old(self) -> int:
        with closing(Database(self.place)) as database:
            crypter = load_crypter(self.data / STORE_KEY, make=False)
            return count_old(database, crypter, load_tables())


@pytest.fixture(params=["embedded", "server"])
def store(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Iterator[Store]:
    data = tmp_path / "data"
    data.mkdir()
    if request.param == "embedded":
        made = Store(data, None)
        made.fill(world)
        yield made
        return
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    made = Store(data, cluster.create_empty())
    assert run(["admin", "migrate", *made.options]) == 0
    made.fill(world)
    yield made
    assert made.url is not None
    cluster.drop(made.url)


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    code = run(["admin", *arguments, "--json"])
    out = capsys.readouterr().out.strip().splitlines()
    found: dict[str, object] = json.loads(out[-1])
    found["code"] = code
    return found


def test_migrate_makes_a_fresh_server_ready_and_says_so(
    postgres_cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres_cluster.create_empty()
    options = ["--data", str(tmp_path), "--database", url]
    assert run(["cases", "list", *options]) == 2
    assert not (tmp_path / STORE_KEY).exists()
    assert _json(capsys, "migrate", *options) == {"steps": find_revisions(), "code": 0}
    assert _json(capsys, "migrate", *options) == {"steps": [], "code": 0}
    assert run(["cases", "list", *options]) == 0
    postgres_cluster.drop(url)


def test_migrate_makes_no_new_key_for_an_old_store(store: Store) -> None:
    (store.data / STORE_KEY).unlink()
    assert run(["admin", "migrate", *store.options]) == 0
    assert not (store.data / STORE_KEY).exists()
    assert run(["admin", "check", *store.options]) == 2


def test_check_of_a_sound_store(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    found = _json(capsys, "check", *store.options)
    assert (found["code"], found["faults"], found["waiting"]) == (0, {}, 4)
    assert found["is_late"] is False


def test_check_names_what_is_wrong(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.execute("DELETE FROM device")
    store.execute("UPDATE segment SET opened_at = 1")
    found = _json(capsys, "check", *store.options)
    assert found["code"] == 1
    assert found["faults"] == {"a waiting voucher's device is unknown": 4}
    assert found["is_late"] is True


def test_keys_rotate_and_old_ones_are_destroyed(
    store: Store, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _json(capsys, "rotate-keys", *store.options)
    assert found == {"added": True, "sealed": 4, "retired": 0, "code": 0}
    assert store.old() == 0
    assert _json(capsys, "rotate-keys", *store.options, "--add-only")["sealed"] == 0
    assert store.old() == 4
    store.fill(world, 2)
    again = _json(capsys, "rotate-keys", *store.options, "--retire")
    assert again == {"added": False, "sealed": 4, "retired": 2, "code": 0}
    key = (store.data / STORE_KEY).read_bytes()
    assert len(key) == 3 * KEY_LEN
    assert not any(key[: 2 * KEY_LEN])
    assert _json(capsys, "check", *store.options)["faults"] == {}
    said = [one["asked"] for one in store.entries("store.keys_rotated")]
    assert said == ["rotate", "add", "retire"]


def test_keys_that_a_report_file_needs_are_kept(store: Store) -> None:
    files = store.data / "report-files"
    files.mkdir()
    crypter = load_crypter(store.data / STORE_KEY)
    (files / "one").write_bytes(crypter.seal(b"content", "outbox_file", b"one", "content"))
    before = (store.data / STORE_KEY).read_bytes()
    assert run(["admin", "rotate-keys", *store.options]) == 0
    assert run(["admin", "rotate-keys", *store.options, "--retire"]) == 2
    assert (store.data / STORE_KEY).read_bytes().startswith(before)


def test_held_segments_are_given_back(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.execute("UPDATE segment SET state = 'held', attempts = 20")
    assert _json(capsys, "check", *store.options)["held"] == 1
    assert _json(capsys, "retry", *store.options) == {"segments": 1, "code": 0}
    assert _json(capsys, "check", *store.options)["held"] == 0
    assert store.entries("store.held_retried") == [{"segments": 1}]


def test_a_backup_is_proven_and_not_changed(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if store.url:  # a restored server beside a copy of the folder
        copy = tmp_path / "copy"
        shutil.copytree(store.data, copy)
        arguments = [store.url, "--data", str(copy)]
        assert _json(capsys, "backup-check", *arguments)["code"] == 0
        assert run(["admin", "backup-check", store.url]) == 2
        return
    backup = tmp_path / "backup"
    shutil.copytree(store.data, backup)
    before = {path: path.read_bytes() for path in backup.rglob("*") if path.is_file()}
    found = _json(capsys, "backup-check", str(backup))
    assert (found["code"], found["waiting"]) == (0, 4)
    assert {path: path.read_bytes() for path in backup.rglob("*") if path.is_file()} == before
    shutil.rmtree(backup / SEGMENTS)
    missing = _json(capsys, "backup-check", str(backup))
    assert missing["code"] == 1
    assert missing["faults"] == {"segments that are not in the backup": 1}
    (backup / STORE_KEY).unlink()
    assert run(["admin", "backup-check", str(backup)]) == 2


@pytest.mark.parametrize("command", ["check", "rotate-keys", "retry"])
def test_a_folder_without_a_store_is_refused_and_stays_empty(tmp_path: Path, command: str) -> None:
    assert run(["admin", command, "--data", str(tmp_path)]) == 2
    assert list(tmp_path.iterdir()) == []
