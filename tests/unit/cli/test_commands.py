"""What the commands do when all is well, and their --json."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import func, select, text

from tests.commands import Captured, run_json
from tests.integration.service.stores import open_store
from tests.integration.service.world import Device, World, make_world
from tests.unit.cli.conftest import Kit, Refused, snapshot
from veilmatch.cli.main import run
from veilmatch.errors import ConfigError
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashing.picture import decode_picture
from veilmatch.hashlist.hash_list import parse_hash_list
from veilmatch.privatelog.tables import private_entry
from veilmatch.release import publish


def test_pictures_are_the_same_for_the_same_seed(tmp_path: Path, capfd: Captured) -> None:
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        made = run_json(
            capfd,
            *("pictures", tmp_path / name, "--count", "6", "--seed", seed),
            *("--width", "96", "--height", "64"),
        )
        assert made == {"pictures": 6, "folder": str(tmp_path / name), "seed": int(seed)}
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")
    assert snapshot(tmp_path / "a") != snapshot(tmp_path / "c")


def test_pictures_can_go_on_in_another_folder(tmp_path: Path) -> None:
    size = ["--width", "64", "--height", "64"]
    assert run(["pictures", str(tmp_path / "all"), "--count", "6", *size]) == 0
    assert run(["pictures", str(tmp_path / "rest"), "--count", "3", "--first", "3", *size]) == 0
    whole, rest = snapshot(tmp_path / "all"), snapshot(tmp_path / "rest")
    assert rest == {name: whole[name] for name in sorted(whole)[3:]}


def test_pictures_have_the_size_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    assert run(["pictures", str(folder), "--count", "6", "--width", "90", "--height", "70"]) == 0
    forms = set()
    for path in folder.iterdir():
        with Image.open(path) as picture:
            assert picture.size == (90, 70)
            forms.add(picture.format)
    assert forms == {"JPEG", "PNG"}


def test_pictures_have_distinct_hashes_that_pass_the_gate(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    assert run(["pictures", str(folder), "--count", "12"]) == 0
    hasher = build_hasher("pdq")
    results = [hasher.hash_picture(decode_picture(path.read_bytes())) for path in folder.iterdir()]
    assert len({result.image_hash.value for result in results}) == 12
    assert all(result.gate for result in results)


def test_pictures_of_one_kind(tmp_path: Path) -> None:
    assert run(["pictures", str(tmp_path / "p"), "--count", "1", "--kind", "page"]) == 0


def test_list_of_a_folder_counts_what_it_cannot_hash(
    kit: Kit, tmp_path: Path, capfd: Captured
) -> None:
    folder = tmp_path / "p"
    assert run(["pictures", str(folder), "--count", "4"]) == 0
    (folder / "text.jpg").write_text("no picture")
    (folder / "again.jpg").write_bytes((folder / "picture-000001.jpg").read_bytes())
    made = run_json(
        capfd,
        *("provider", "list", "--key", kit.path("one.key"), "--pictures", folder),
        *("--algorithm", "pdq", "--out", tmp_path / "list"),
    )
    assert made["count"] == 4
    refused = made["refused"]
    assert isinstance(refused, dict)
    assert sum(refused.values()) == 1
    listed = parse_hash_list((tmp_path / "list").read_bytes())
    assert len(listed.hashes) == 4


def test_keygen_writes_a_private_key_and_a_public_file(tmp_path: Path, capfd: Captured) -> None:
    made = run_json(
        capfd,
        *("provider", "keygen", "--name", "Someone", "--jurisdiction", "NL"),
        *("--out", tmp_path / "a" / "k.key"),
    )
    assert (tmp_path / "a" / "k.key").stat().st_mode & 0o077 == 0
    public = json.loads((tmp_path / "a" / "k.json").read_bytes())
    assert public.keys() == {"name", "jurisdiction", "public_key"}
    assert made["public"] == str(tmp_path / "a" / "k.json")


def test_second_build_follows_the_first(own_kit: Kit, capfd: Captured) -> None:
    first = json.loads(own_kit.path("site/current.json").read_bytes())
    k = own_kit.folder
    made = run_json(
        capfd,
        *("build", "--list", k / "one.list", "--list", k / "two.list"),
        *("--provider", k / "one.json", "--provider", k / "two.json"),
        *("--site", k / "site", "--secrets", k / "secrets"),
    )
    assert made["epoch"] == 2
    assert made["hashes"] == 30
    manifest = k / "site" / "releases" / str(made["release_id"]) / "manifest.json"
    assert json.loads(manifest.read_bytes())["previous"] == first["release_id"]
    assert len(list((k / "secrets").iterdir())) == 2


def test_build_tries_other_nonces_for_a_short_list(
    own_kit: Kit, monkeypatch: pytest.MonkeyPatch, capfd: Captured, refused: Refused
) -> None:
    calls: list[int] = []

    def unlucky(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) < 5:
            raise ConfigError("1 hashes find no row in the table", setting="expansion")
        return plan(*args, **kwargs)  # type: ignore[arg-type]

    plan = publish.plan_release
    monkeypatch.setattr(publish, "plan_release", unlucky)
    k = own_kit.folder
    command: list[str | Path] = [
        *("build", "--list", k / "one.list", "--list", k / "two.list"),
        *("--provider", k / "one.json", "--provider", k / "two.json"),
        *("--site", k / "site", "--secrets", k / "secrets"),
    ]
    assert run_json(capfd, *command)["epoch"] == 2
    assert len(calls) >= 5
    monkeypatch.setattr(
        publish,
        "plan_release",
        lambda *_, **__: (_ for _ in ()).throw(ConfigError("no row", setting="expansion")),
    )
    refused([str(one) for one in command], 2)


def test_doctor(capfd: Captured) -> None:
    facts = run_json(capfd, "doctor")
    assert facts["server_installed"] is True
    assert facts["backend"] in ("portable", "native")
    assert "pdq" in facts["image_hashes"]  # type: ignore[operator]


@pytest.mark.parametrize("gone", ["pdqhash", "flint"])
def test_doctor_names_what_a_broken_installation_lacks(
    monkeypatch: pytest.MonkeyPatch, capfd: Captured, gone: str
) -> None:
    monkeypatch.setitem(sys.modules, gone, None)  # an import of it fails, as if it were not there
    assert run(["doctor", "--json"]) == 1
    said = capfd.readouterr()
    package = {"flint": "python-flint"}.get(gone, gone)
    assert f"{package} is missing" in said.out
    facts = json.loads(said.out.splitlines()[-1])
    assert facts["missing"] == [package]
    assert f"error: this installation lacks {package}" in said.err
    assert "hint: pip install" in said.err


def test_doctor_names_the_server_parts_that_are_missing(
    monkeypatch: pytest.MonkeyPatch, capfd: Captured
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "fastapi" else real(name, *a)
    )
    facts = run_json(capfd, "doctor")
    assert facts["server_installed"] is False
    assert facts["server_missing"] == {"administration": ["fastapi"]}


# --- the platform -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def data(world: World, tmp_path: Path) -> Path:
    """A store with one account that opens and one that does not, not yet worked on."""
    folder, release = tmp_path / "data", world.current
    with open_store(folder) as store:
        for known in (5, 3):
            device = Device()
            sent = device.make(release, known=known, unknown=4)
            store.intake.store_batches([device.accepted(release, sent)])
    return folder


def _work(world: World, data: Path) -> list[str | Path]:
    return ["work", "--data", data, "--site", world.site, "--secrets", world.secrets]


def test_work_and_cases(world: World, data: Path, tmp_path: Path, capfd: Captured) -> None:
    assert run_json(capfd, *_work(world, data), "--once") == {"vouchers": 16, "segments": 1}
    assert run_json(capfd, *_work(world, data), "--once") == {"vouchers": 0, "segments": 0}
    listed = run_json(capfd, "cases", "list", "--data", data)
    assert listed["operator"] == {}
    cases = listed["cases"]
    assert isinstance(cases, list)
    assert [case["pictures"] for case in cases] == [5]
    sheet, case_id = tmp_path / "sheet.png", str(cases[0]["case_id"])
    made = run_json(capfd, "cases", "sheet", case_id, "--data", data, "--out", sheet)
    assert made == {"pictures": 5, "sheet": str(sheet)}
    with open_store(data) as store:
        query = "SELECT subject, actor, record FROM private_entry WHERE kind = 'case.sheet_written'"
        with store.database.transaction() as connection:
            (entry,) = connection.execute(text(query)).all()
    assert (entry.subject.hex(), entry.actor) == (case_id, b"")
    assert b'"pictures":5' in entry.record
    assert sheet.stat().st_mode & 0o077 == 0
    with Image.open(sheet) as picture:
        assert picture.format == "PNG"


def test_work_drains(world: World, data: Path, capfd: Captured) -> None:
    done = run_json(capfd, *_work(world, data), "--drain", "--interval", "0.05")
    assert done == {"vouchers": 16, "segments": 1}


def test_work_drains_what_a_dead_worker_had_begun_to_open(world: World, data: Path) -> None:
    assert run([str(one) for one in [*_work(world, data), "--once"]]) == 0
    with open_store(data) as store:
        store.execute("UPDATE account SET share_version = share_version + 1")
        assert store.work.lease_account(int(time.time()), 2) is not None
    assert run([str(one) for one in [*_work(world, data), "--drain", "--interval", "0.1"]]) == 0
    with open_store(data) as store:
        assert store.work.is_drained()


def test_lists_name_no_account(world: World, data: Path, capfd: Captured) -> None:
    assert run([str(one) for one in [*_work(world, data), "--once"]]) == 0
    with open_store(data) as store:
        accounts = list(store.opened())
    capfd.readouterr()
    assert run(["cases", "list", "--data", str(data), "--json"]) == 0
    said = "".join(capfd.readouterr())
    assert accounts
    for account in accounts:
        assert account.hex() not in said


def test_refusals_that_need_a_case(
    world: World, data: Path, tmp_path: Path, capfd: Captured, refused: Refused
) -> None:
    assert run([str(one) for one in [*_work(world, data), "--once"]]) == 0
    listed = run_json(capfd, "cases", "list", "--data", data)
    case_id = str(listed["cases"][0]["case_id"])  # type: ignore[index]
    (tmp_path / "folder").mkdir()
    sheet = ["cases", "sheet", case_id, "--data", str(data), "--out"]
    refused([*sheet, str(tmp_path / "folder")], 3)
    refused([*sheet, str(data / "store.key" / "below.png")], 3)
    with open_store(data) as store, store.database.transaction() as connection:
        entries = select(func.count()).select_from(private_entry)
        before = connection.execute(entries).scalar_one()
    unknown = ["cases", "sheet", "0" * 32, "--data", str(data), "--out", str(tmp_path / "s.png")]
    refused(unknown, 2)
    with open_store(data) as store, store.database.transaction() as connection:
        assert connection.execute(entries).scalar_one() == before
    assert not (tmp_path / "s.png").exists()
    (data / "store.key").write_bytes(bytes(32))
    refused([*sheet, str(tmp_path / "s.png")], 3)
    assert not (tmp_path / "s.png").exists()
    (data / "store.key").unlink()
    refused([*sheet, str(tmp_path / "s.png")], 2)
    assert not (data / "store.key").exists()


def test_wrong_store_key_stops_the_worker_and_loses_nothing(
    world: World, data: Path, refused: Refused
) -> None:
    key = (data / "store.key").read_bytes()
    (data / "store.key").write_bytes(bytes(32))
    command = [str(one) for one in [*_work(world, data), "--once"]]
    refused(command, 3)
    (data / "store.key").write_bytes(key)
    with open_store(data) as store:
        store.execute("UPDATE segment SET lease_expires_at = 0")
    assert run(command) == 0
    with open_store(data) as store:
        assert [len(items) for items in store.opened().values()] == [5]


def test_lost_segment_stops_the_worker(world: World, data: Path, refused: Refused) -> None:
    for path in (data / "segments").iterdir():
        path.unlink()
    refused([str(one) for one in [*_work(world, data), "--once"]], 3)
