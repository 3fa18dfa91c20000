"""``veilmatch serve`` does by the clock what casework needs: several at once, killed, stopped."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from tests.integration.service.processes import PROGRAM, Program, free_port
from tests.integration.service.world import World
from tests.nursery import SERVICE, Nursery
from tests.unit.casework.following import Office
from tests.unit.casework.house import House, opened
from veilmatch.cli.main import run
from veilmatch.logstore.state import save_note_key
from veilmatch.review.exposure import ExposurePolicy
from veilmatch.review.settings import ReviewPolicy
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database
from veilmatch.transparency.entries.entry import EntryKind, parse_statement
from veilmatch.transparency.entries.envelope import parse_envelope
from veilmatch.transparency.key import SignatureType

KILLS = 20


def _fill(data: Path, cases: int, files: Path) -> House:
    """A store with cases whose reports are finished and whose actions were delivered."""
    data.mkdir()
    database = Database(data / "store.sqlite")
    untiring = ReviewPolicy(exposure=ExposurePolicy(budget=100_000, spell_s=10_000_000))
    crypter = load_crypter(data / "store.key")
    house = House(database, crypter, untiring, now=int(time.time()) - 10_000)
    office = Office(house, files)
    for number in range(cases):
        house.confirm(house.open_case(opened(number + 1)))
    office.send()
    office.deliver()
    return house


def _states(house: House) -> Counter[str]:
    return Counter(one.state for one in house.store.list_cases())


def _moved(data: Path) -> int:
    """How many steps the clock has taken; read beside the writers, who are not held up by it."""
    reader = sqlite3.connect(f"file:{data / 'store.sqlite'}?mode=ro", uri=True)
    try:
        steps = "SELECT count(*) FROM case_event WHERE to_state IN ('reported', 'acted')"
        return int(reader.execute(steps).fetchone()[0])
    finally:
        reader.close()


def _settle(house: House, wanted: Counter[str], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and _states(house) != wanted:
        time.sleep(0.05)
    assert _states(house) == wanted


def _config(folder: Path, data: Path, site: Path, **more: object) -> Path:
    values = {"data": str(data), "site": str(site), "review_every_s": 1} | more
    path = folder / "serve.toml"
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    return path


@pytest.mark.faults
def test_killed_services_move_every_case_on_once(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases, chance = 40, random.Random(os.urandom(8))
    house = _fill(tmp_path / "data", cases, tmp_path)
    config = _config(tmp_path, tmp_path / "data", world.site)
    # Without a lease both are at it at once, which is worse than what really happens.
    loaded = (
        *SERVICE,
        "veilmatch.cli.operator.review_timer",
        "veilmatch.casework.after.timer:LEASE_S=0",
    )
    killed = hits = 0
    with Nursery(tmp_path / "serve.log", loaded) as nursery:
        for _ in range(KILLS // 2):
            before = _moved(tmp_path / "data")
            pair = [
                nursery.start("serve", "--config", config, "--port", free_port()) for _ in range(2)
            ]
            deadline = time.monotonic() + 10
            while _moved(tmp_path / "data") == before < 2 * cases and time.monotonic() < deadline:
                time.sleep(0.001)  # until one of them is at work
            time.sleep(chance.uniform(0.0, 0.02))
            killed += sum(nursery.kill(one) == -signal.SIGKILL for one in pair)
            hits += before < _moved(tmp_path / "data") < 2 * cases
        for _ in range(2):
            nursery.start("serve", "--config", config, "--port", free_port())
        _settle(house, Counter({"acted": cases}))
        assert "Traceback" not in nursery.log
    chain = house.desk.log.verify()
    with house.database.transaction() as connection:
        kinds = connection.execute(text("SELECT to_state, count(*) FROM case_event GROUP BY 1"))
        steps = {row[0]: row[1] for row in kinds}
        receipts = connection.execute(text("SELECT count(*) FROM case_receipt")).scalar_one()
        known = connection.execute(text("SELECT count(*) FROM outbox_receipt")).scalar_one()
    assert (steps["reported"], steps["acted"]) == (cases, cases)
    assert receipts == known > 0
    assert killed == KILLS
    assert hits > 0, "no kill came amid the work, so this run shows nothing"
    house.database.close()
    with capsys.disabled():
        print(
            f"\n{killed} kills of services with a timer, in {hits} of {KILLS // 2} rounds amid "
            f"{cases} cases; each moved on once; log of {chain.size} entries whole"
        )


def test_a_service_signs_heads_shows_its_timer_and_stops_in_order(
    world: World, tmp_path: Path
) -> None:
    house = _fill(tmp_path / "data", 2, tmp_path)
    key = tmp_path / "platform.key"
    assert (
        run(["provider", "keygen", "--name", "P", "--jurisdiction", "DE", "--out", str(key)]) == 0
    )
    save_note_key(tmp_path / "note.key", "op.example/private", SignatureType.ED25519, b"k" * 32)
    config = _config(
        tmp_path,
        tmp_path / "data",
        world.site,
        port=free_port(),
        metrics_port=0,
        head_log_key=str(tmp_path / "note.key"),
        head_key=str(key),
        heads=str(tmp_path / "heads"),
    )
    with Program([*PROGRAM, "serve", "--config", config], tmp_path / "serve.log") as service:
        _settle(house, Counter({"acted": 2}))
        deadline = time.monotonic() + 30
        heads: list[Path] = []
        while not heads and time.monotonic() < deadline:
            heads = list((tmp_path / "heads").glob("head-*.json"))
            time.sleep(0.05)
        found = re.search(r"http://\S+/metrics", service.log)
        assert found is not None
        for step in ("advance", "head"):
            wanted = f'veilmatch_review_timer_done_timestamp_seconds{{step="{step}"}} '
            while time.monotonic() < deadline:
                shown = httpx.get(found.group(), trust_env=False).text
                if wanted in shown:
                    break
                time.sleep(0.1)
            assert wanted in shown
        assert service.stop() == 0
        assert '"event": "service stopped"' in service.log
        assert "Traceback" not in service.log
    envelope = parse_envelope(heads[0].read_bytes())
    assert parse_statement(envelope.payload).kind is EntryKind.PRIVATE_HEAD
    with house.database.transaction() as connection:
        rows = connection.execute(text("SELECT lease_token FROM review_timer")).scalars().all()
    assert rows == [None, None]  # nothing was cut off
    house.database.close()


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"heads": "heads"}, "a head needs head_log_key, head_key and heads"),
        (
            {"heads": "heads", "head_log_key": "none", "head_key": "none"},
            "is not there",
        ),
        ({"feedback_lists": "no-such-folder"}, "folder of the lists is not there"),
        ({"feedback_reasons": ["north"]}, "a reason is LIST=ID"),
        ({"review_every_s": -1}, "review_every_s"),
        ({"scheme": "industry"}, "the industry scheme is for parties"),
        ({"golden_per_case": 6}, "golden_per_case"),
        ({"exposure_budget": 0}, "exposure_budget"),
        ({"numbers": "numbers"}, "numbers are shown under the private log's key"),
    ],
)
def test_settings_that_do_not_fit_are_named_at_the_start(
    world: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: dict[str, object],
    named: str,
) -> None:
    config = _config(tmp_path, tmp_path / "data", world.site, port=0, **more)
    assert run(["serve", "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert "hint:" in said or "error:" in said
