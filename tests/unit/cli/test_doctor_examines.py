"""``veilmatch doctor --data --site``: each fault of an installation is named, exit code 1."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.service.stores import open_store
from tests.integration.service.world import Device, World, make_world
from veilmatch.cli.main import CHECK_FAILED, run

_FINE = [
    "room",
    "store key file",
    "tables",
    "store key",
    "clock",
    "backlog",
    "timestamp",
    "root",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def data(world: World, tmp_path: Path) -> Path:
    """A store that holds one waiting voucher."""
    device = Device()
    with open_store(tmp_path / "data") as store:
        made = device.make(world.current, unknown=1)
        store.intake.store_batches([device.accepted(world.current, made)])
    return tmp_path / "data"


Doctor = Callable[..., tuple[int, dict[str, str], list[str]]]


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    def ask(*words: object) -> tuple[int, dict[str, str], list[str]]:
        code = run(["doctor", *map(str, words), "--json"])
        out, _err = capsys.readouterr()
        said = json.loads(out.splitlines()[-1])
        return code, {one["check"]: one["found"] for one in said["checks"]}, said["failed"]

    return ask


def test_an_installation_in_order(doctor: Doctor, world: World, data: Path, tmp_path: Path) -> None:
    code, checks, failed = doctor("--data", data, "--site", world.site)
    assert (code, failed, sorted(checks)) == (0, [], sorted(_FINE))
    assert checks["backlog"].startswith("1 vouchers wait")
    assert "columns" in checks["store key"]
    code, checks, failed = doctor("--data", data, "--blobs", tmp_path / "blobs")
    assert (code, failed) == (0, [])
    assert checks["blob store"] == "it answers"


def _another_key(data: Path) -> None:
    (data / "store.key").write_bytes(os.urandom(32))


def _open_key(data: Path) -> None:
    (data / "store.key").chmod(0o644)


def _no_key(data: Path) -> None:
    (data / "store.key").unlink()


def _old_voucher(data: Path) -> None:
    with open_store(data) as store:
        store.execute(f"UPDATE segment SET opened_at = {int(time.time()) - 49 * 3600}")


def _held(data: Path) -> None:
    with open_store(data) as store:
        store.execute("UPDATE segment SET state = 'held'")


def _later(data: Path) -> None:
    with open_store(data) as store:
        store.execute(f"UPDATE segment SET opened_at = {int(time.time()) + 3600}")


def _other_tables(data: Path) -> None:
    with open_store(data) as store:
        store.execute("ALTER TABLE counter ADD COLUMN strange INTEGER")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_another_key, "store key"),
        (_open_key, "store key file"),
        (_no_key, "store key file"),
        (_old_voucher, "backlog"),
        (_held, "backlog"),
        (_later, "clock"),
        (_other_tables, "tables"),
    ],
)
def test_each_fault_is_named_alone(
    doctor: Doctor, data: Path, spoil: Callable[[Path], None], named: str
) -> None:
    spoil(data)
    code, _checks, failed = doctor("--data", data)
    assert (code, failed) == (CHECK_FAILED, [named])


def test_an_expired_timestamp_and_an_empty_site(
    doctor: Doctor, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _checks, failed = doctor("--site", tmp_path)
    assert (code, failed) == (CHECK_FAILED, ["timestamp", "root"])
    code, checks, failed = doctor("--site", world.site)
    assert (code, failed) == (0, [])
    # These tests' root lives for very long: it is asked to live longer still.
    monkeypatch.setattr("veilmatch.service.setup.examination._ROOT_ENDS_S", 1 << 60)
    later = int(time.time()) + 9 * 86_400
    monkeypatch.setattr("veilmatch.clock.system_clock", lambda: later)
    code, checks, failed = doctor("--site", world.site)
    assert (code, failed) == (CHECK_FAILED, ["timestamp", "root"])
    assert "devices refuse" in checks["timestamp"]


def test_a_folder_without_a_store(doctor: Doctor, tmp_path: Path) -> None:
    code, _checks, failed = doctor("--data", tmp_path)
    assert code == CHECK_FAILED
    assert failed == ["store key file", "database"]
