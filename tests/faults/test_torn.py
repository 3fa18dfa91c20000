"""Segments cut short or damaged: behind the last row it means nothing, before it, it is told."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.faults.devices import Senders, make_plan
from tests.faults.house import House, outcome_of, read_ledger, run_undisturbed
from tests.integration.service.stores import open_store
from tests.integration.service.world import World
from tests.nursery import ONE_WORKER, Nursery
from tests.tally import Tally
from veilmatch.service.app import SEGMENTS
from veilmatch.store.segments import segment_path

pytestmark = pytest.mark.faults

KILLS = 12


@dataclass(frozen=True)
class Segment:
    """A segment that waits: its file, the bytes that rows stand for, their ids and places."""

    path: Path
    body_len: int
    rows: list[tuple[bytes, bytes, int, int]]

    @property
    def ids(self) -> set[tuple[bytes, bytes]]:
        return {(account, asset_id) for account, asset_id, _, _ in self.rows}


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    """Its worker tries a damaged segment as often as it may, at once."""
    with Nursery(tmp_path / "programs.log", ONE_WORKER) as made:
        yield made


def _segments(house: House) -> list[Segment]:
    with open_store(house.data, house.url) as store, store.database.transaction() as connection:
        found = connection.execute(
            text("SELECT segment_id, body_len FROM segment WHERE state <> 'done'")
        ).all()
        rows = connection.execute(
            text('SELECT segment_id, account, asset_id, "offset", length FROM voucher')
        ).all()
    return [
        Segment(
            segment_path(house.data / SEGMENTS, bytes(one.segment_id)),
            one.body_len,
            [
                (bytes(row.account), bytes(row.asset_id), row.offset, row.length)
                for row in rows
                if bytes(row.segment_id) == bytes(one.segment_id)
            ],
        )
        for one in found
    ]


def _tear(path: Path, body_len: int, chance: random.Random) -> str:
    """Cut or garble what lies behind the last acknowledged row, or put something there."""
    data = path.read_bytes()
    assert len(data) >= body_len, "what was acknowledged is there"
    way = chance.choice(["cut", "garbled", "grown"])
    if way == "cut":
        path.write_bytes(data[:body_len])
    elif way == "garbled":
        path.write_bytes(data[:body_len] + os.urandom(len(data) - body_len))
    else:
        path.write_bytes(data + os.urandom(chance.randrange(1, 5000)))
    return way


def _kill_often(house: House, chance: random.Random, tally: Tally) -> int:
    """Kill an intake again and again while it writes; tear each segment that it leaves."""
    torn, seen = 0, set[Path]()
    for _ in range(KILLS):
        running = house.serve(port=house.ports[0], age_s=3600)
        house.intakes.clear()
        time.sleep(chance.uniform(0.02, 0.25))
        tally.kill("intake", house.nursery.kill(running) == -signal.SIGKILL)
        for one in _segments_on_disk(house):
            if one[0] not in seen:
                seen.add(one[0])
                tally.add(f"torn tails: {_tear(*one, chance)}")
                torn += 1
    return torn


def _segments_on_disk(house: House) -> list[tuple[Path, int]]:
    return [(one.path, one.body_len) for one in _segments(house) if one.path.exists()]


def _damage(segment: Segment, way: str) -> None:
    """Damage acknowledged bytes of the segment's last voucher."""
    _, _, offset, length = max(segment.rows, key=lambda row: row[2])
    data = bytearray(segment.path.read_bytes())
    if way == "cut":
        data = data[: offset + length - 1]
    else:
        data[offset + length // 2] ^= 1
    segment.path.write_bytes(bytes(data))


def test_torn_and_damaged_segments(
    url: str | None,
    world: World,
    nursery: Nursery,
    tmp_path: Path,
    tally: Tally,
) -> None:
    plan, chance = make_plan(world, 3), random.Random(os.urandom(8))
    expected = run_undisturbed(world, plan, tmp_path / "calm")
    house = House(nursery, world, tmp_path / "data", url)
    house.prepare()
    nursery.kill(house.serve(age_s=3600))
    house.intakes.clear()
    with Senders(plan, list(house.ports)) as senders:
        torn = _kill_often(house, chance, tally)
        house.serve(port=house.ports[0], age_s=3600)
        senders.wait()
    house.stop_all()
    assert torn >= 3, "too few segments to show anything"

    # All is acknowledged. Two segments lose acknowledged bytes; the others go on.
    segments = _segments(house)
    assert {one for segment in segments for one in segment.ids} == set(plan.ledger())
    filled = [segment for segment in segments if segment.rows]
    hurt = chance.sample(filled, 2)
    whole = {segment.path: segment.path.read_bytes() for segment in hurt}
    for segment, way in zip(hurt, ("cut", "garbled"), strict=True):
        _damage(segment, way)
        tally.add("segments damaged where it counts")
    before = len(nursery.log)
    assert nursery.run(*house.work_options("--once")) == 3, nursery.log[before:]
    assert "could not be processed; they wait" in nursery.log[before:]
    waiting = {one for segment in hurt for one in segment.ids}
    with open_store(house.data, url) as store:
        ledger = read_ledger(store)
        assert set(ledger["waiting"]) == waiting, "no voucher of them counts as looked at"
        assert set(ledger["processed"]) == set(plan.ledger()) - waiting
        assert outcome_of(store).shares == {one for one in expected.shares if one not in waiting}
        assert store.cases.operator_counts() == {"held segment": 2}

    before = len(nursery.log)
    place = ["--data", house.data, *(["--database", url] if url else [])]
    assert nursery.run("admin", "check", *place, "--json") == 1
    said = next(line for line in nursery.log[before:].splitlines() if line.startswith("{"))
    assert json.loads(said)["faults"] == {
        "a segment is shorter than its row says": 1,
        "a waiting voucher does not open": 2,
    }

    # Mended from a backup, and given to the workers again, all is as if undisturbed.
    for path, data in whole.items():
        path.write_bytes(data)
    assert nursery.run("admin", "check", *place) == 0, nursery.log[before:]
    assert nursery.run("admin", "retry", *place) == 0
    house.drain()
    house.check_accounts(plan, expected)
    tally.add("vouchers accounted for", plan.ledger().total())
