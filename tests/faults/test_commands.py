"""kill -9 of what is run by hand, of drivers, and of what collects in the background."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.databases import Cluster
from tests.faults.devices import Plan, Senders, make_plan
from tests.faults.house import House, read_ledger, run_undisturbed
from tests.integration.service.processes import free_port
from tests.integration.service.stores import open_store
from tests.integration.service.world import World
from tests.nursery import ONE_WORKER, SERVICE, Nursery
from tests.tally import Tally
from veilmatch.cli.all_tables import load_tables
from veilmatch.hashlist.hash_list import sign_hash_list
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hazmat.signing import SigningKey
from veilmatch.jobs.key_provider import FileKeyProvider
from veilmatch.secret import SecretBytes
from veilmatch.service.app import DATABASE
from veilmatch.site.release_site import ReleaseSite
from veilmatch.store.database import Database
from veilmatch.store.migrations.upgrade import find_differences
from veilmatch.wire import to_canonical_json

pytestmark = pytest.mark.faults

ROTATIONS, MIGRATIONS, DRIVERS = 12, 10, 4
_KEPT = ("SELECT account, asset_id, state FROM voucher", "SELECT account, asset_id FROM share")
_OLD = Path(__file__).parents[1] / "unit" / "store" / "version-0.1.sql"


def _kill_at(
    nursery: Nursery, chance: random.Random, longest_s: float, command: list[object]
) -> bool:
    """Run a command and kill it at a random moment. Returns whether it was still running."""
    child = nursery.start(*command)
    time.sleep(chance.uniform(0.0, longest_s))
    return nursery.kill(child) == -signal.SIGKILL


def _place(house: House) -> list[object]:
    return ["--data", house.data, *(["--database", house.url] if house.url else [])]


def _fill(house: House, plan: Plan) -> None:
    with Senders(plan, house.ports) as senders:
        senders.wait()


def test_killed_rotations_of_keys(
    world: World, nursery: Nursery, url: str | None, tmp_path: Path, tally: Tally
) -> None:
    """While devices send and a worker works: every value opens, and all is as undisturbed."""
    plan, chance = make_plan(world, 2), random.Random(os.urandom(8))
    expected = run_undisturbed(world, plan, tmp_path / "calm")
    house = House(nursery, world, tmp_path / "data", url)
    house.prepare()
    house.serve()
    work = house.work()
    rotate = ["admin", "rotate-keys", *_place(house)]
    begun = time.monotonic()
    assert nursery.run(*rotate) == 0, nursery.log[-3000:]
    usual_s = time.monotonic() - begun
    with Senders(plan, house.ports) as senders:
        for _ in range(ROTATIONS):
            tally.kill("admin rotate-keys", _kill_at(nursery, chance, usual_s, rotate))
        senders.wait()
    house.stop_all()
    nursery.kill(work)
    for _ in range(2):  # the last killed one goes on, then a whole one
        assert nursery.run(*rotate) == 0, nursery.log[-3000:]
    for _ in range(2):
        tally.kill("admin rotate-keys", _kill_at(nursery, chance, usual_s, [*rotate, "--retire"]))
    assert nursery.run(*rotate, "--retire") == 0, nursery.log[-3000:]
    assert nursery.run("admin", "check", *_place(house)) == 0, nursery.log[-3000:]
    house.drain()
    house.check_accounts(plan, expected)
    tally.add("vouchers accounted for", plan.ledger().total())


def _kill_migrations(nursery: Nursery, migrate: list[object], tally: Tally) -> None:
    chance = random.Random(os.urandom(8))
    for turn in range(MIGRATIONS):
        killed = _kill_at(nursery, chance, 0.2 + 0.1 * turn, migrate)
        tally.kill("admin migrate", killed)
    assert nursery.run(*migrate) == 0, nursery.log[-3000:]


def test_killed_migrations_of_an_old_store(nursery: Nursery, tmp_path: Path, tally: Tally) -> None:
    """A file of version 0.1: all steps or none, and every row is kept."""
    place = tmp_path / DATABASE
    with closing(sqlite3.connect(place)) as connection:
        connection.executescript(_OLD.read_text(encoding="utf-8"))
        before = [connection.execute(query).fetchall() for query in _KEPT]
    _kill_migrations(nursery, ["admin", "migrate", "--data", tmp_path], tally)
    with closing(sqlite3.connect(place)) as connection:
        assert [connection.execute(query).fetchall() for query in _KEPT] == before
    assert any(before)
    database = Database(place)
    with database.transaction() as connected:
        assert find_differences(connected, load_tables()) == []
    database.close()


def test_killed_migrations_of_a_new_server(
    world: World, nursery: Nursery, postgres_cluster: Cluster, tmp_path: Path, tally: Tally
) -> None:
    """All steps or none, one store key; and it is a store that works."""
    house = House(nursery, world, tmp_path / "data", postgres_cluster.create_empty())
    _kill_migrations(nursery, ["admin", "migrate", *_place(house)], tally)
    assert nursery.run("admin", "check", *_place(house)) == 0, nursery.log[-3000:]
    plan = make_plan(world, 1)
    expected = run_undisturbed(world, plan, tmp_path / "calm")
    house.serve()
    _fill(house, plan)
    house.stop_all()
    house.drain()
    house.check_accounts(plan, expected)
    postgres_cluster.drop(house.url or "")


def test_killed_collections(
    world: World, nursery: Nursery, url: str | None, tmp_path: Path, tally: Tally
) -> None:
    """Retention destroys a few rows at a time; whoever collects is killed again and again."""
    plan, chance = make_plan(world, 2), random.Random(os.urandom(8))
    house = House(nursery, world, tmp_path / "data", url)
    house.prepare()
    house.serve(age_s=0)
    _fill(house, plan)
    house.stop_all()
    settings = {
        "data": str(house.data),
        "site": str(world.site),
        "min_delay_s": 3600,
        "hard_age_s": 1,
        "alarm_age_s": 1,
        "batch_count": 16,
        **({"database": url} if url else {}),
    }
    config = tmp_path / "veilmatch.toml"
    config.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items()))
    with Nursery(
        tmp_path / "collect.log", (*SERVICE, "veilmatch.service.app:_COLLECT_S=0")
    ) as collecting:
        ended, longest_s = False, 0.5
        while not ended:
            longest_s += 0.25  # however slow the machine is, some rounds get through
            port = str(free_port())
            command = ["serve", "--config", config, "--port", port]
            killed = _kill_at(collecting, chance, longest_s, command)
            tally.kill("intake that collects", killed)
            assert killed, collecting.log[-3000:]
            with open_store(house.data, url) as store:
                ledger = read_ledger(store)
            together = sum(ledger.values(), start=type(plan.ledger())())
            assert together == plan.ledger(), "each is there once, waiting or expired"
            ended = "waiting" not in ledger
        assert set(ledger) == {"expired"}
        serve = collecting.start("serve", "--config", config, "--port", str(free_port()))
        deadline = time.monotonic() + 30
        while list((house.data / "segments").iterdir()):
            assert time.monotonic() < deadline, "files of what is gone are left behind"
            time.sleep(0.1)
        collecting.kill(serve)
        assert "Traceback" not in collecting.log
    assert nursery.run("admin", "check", *_place(house)) == 0, nursery.log[-3000:]
    tally.add("vouchers destroyed by rule", plan.ledger().total())


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Commands whose runs on an engine have many small shards."""
    loaded = (*ONE_WORKER, "veilmatch.cli.publisher.build_commands", "tests.faults.small_shards")
    root = str(Path(__file__).parents[2])
    paths = [root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    log = tmp_path_factory.mktemp("drivers") / "programs.log"
    with Nursery(log, loaded, environment) as made:
        yield made


def _write_lists(folder: Path) -> list[object]:
    """Two providers' signed lists of made-up hashes. Returns the options that name them."""
    listed = [bytes([0x10 * (n % 16) + 3]) + n.to_bytes(8, "big") for n in range(60)]
    options: list[object] = []
    for number, (name, place) in enumerate({"one": "NL", "two": "CA"}.items()):
        key = SigningKey(SecretBytes(bytes([number + 1]) * 32))
        provider = HashProvider(name, place, key.public_key)
        signed = sign_hash_list(
            provider, key, "lfh", 72, listed, picture_count=12, open_slots={8: (5, 3, 1)}
        )
        (folder / f"{name}.list").write_bytes(signed)
        (folder / f"{name}.json").write_bytes(to_canonical_json(provider.to_json()))
        options += ["--provider", folder / f"{name}.json", "--list", folder / f"{name}.list"]
    return options


@pytest.mark.parametrize(("engine", "kills"), [("local:2", DRIVERS), ("dask:2", 2)])
def test_killed_builds_on_an_engine(
    engine: str, kills: int, drivers: Nursery, tmp_path: Path, tally: Tally
) -> None:
    """Each release has a secret that is its own, and nothing is left of the killed runs."""
    if engine.startswith("dask"):
        pytest.importorskip("distributed", reason="the engine is an extra that is not installed")
    site, secrets, runs = tmp_path / "site", tmp_path / "secrets", tmp_path / "runs"
    build: list[object] = ["build", *_write_lists(tmp_path), "--site", site, "--secrets", secrets]
    build += ["--engine", engine, "--run-data", runs, "--json"]
    chance = random.Random(os.urandom(8))
    for turn in range(kills):
        child, deadline = drivers.start(*build), time.monotonic() + 60
        # Once shards are finished; the first time, already while it begins.
        while turn and not list(runs.glob("shards/**/*.shard")):
            assert time.monotonic() < deadline, drivers.log[-3000:]
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.2))
        tally.kill("driver", drivers.kill(child) == -signal.SIGKILL)
    before = len(drivers.log)
    status = drivers.run(*build)
    released = ReleaseSite(site).read_current() if status == 0 else None
    assert status == 0, drivers.log[before:]
    assert released is not None
    said = json.loads([x for x in drivers.log[before:].splitlines() if x.startswith("{")][-1])
    assert said["hashes"] == 60
    manifest = ReleaseSite(site).read_manifest(released.release_id)
    secret = FileKeyProvider(secrets).load(released.release_id)
    assert secret.public == manifest.public, "the secret that is kept opens this table"
    # A kill may come too late: that build made a release, and the next one another.
    made = {one.hex() for one in ReleaseSite(site).release_ids()}
    assert {one.stem for one in secrets.iterdir()} == made, "and none without a release"
    assert not list((runs / "shards").iterdir())
    assert drivers.own_tracebacks() == []


@pytest.mark.parametrize(("engine", "kills"), [("local:2", DRIVERS), ("dask:2", 2)])
def test_killed_workers_on_an_engine(
    engine: str, kills: int, world: World, drivers: Nursery, tmp_path: Path, tally: Tally
) -> None:
    """``work --engine``: what a killed driver had matched is not lost, and opens as undisturbed."""
    if engine.startswith("dask"):
        pytest.importorskip("distributed", reason="the engine is an extra that is not installed")
    plan, chance = make_plan(world, 1), random.Random(os.urandom(8))
    expected = run_undisturbed(world, plan, tmp_path / "calm")
    house = House(drivers, world, tmp_path / "data")
    house.prepare()
    house.serve(age_s=3600)
    _fill(house, plan)
    house.stop_all()
    work = house.work_options("--once", "--engine", engine)
    for turn in range(kills):
        child, deadline = drivers.start(*work), time.monotonic() + 60
        while turn and not list(house.data.glob("shards/**/*.shard")):
            assert time.monotonic() < deadline, drivers.log[-3000:]
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.1))
        tally.kill("driver", drivers.kill(child) == -signal.SIGKILL)
        with open_store(house.data) as store:
            if store.work.pending_count() == (0, 0):
                break  # that kill came too late
    assert drivers.run(*work) == 0, drivers.log[-3000:]
    assert not list((house.data / "shards").iterdir())
    house.drain()
    house.check_accounts(plan, expected)
    tally.add("vouchers accounted for", plan.ledger().total())
