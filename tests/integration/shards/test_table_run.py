"""A table blinded in shards is the table blinded at once; a killed build goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.integration.shards.table_driver import PARTS, cut, make_set, open_parts
from tests.tally import Tally
from veilmatch.errors import ConfigError, TableError
from veilmatch.hashlist.provider import HashProvider
from veilmatch.jobs import table_run
from veilmatch.jobs.key_provider import FileKeyProvider
from veilmatch.jobs.table_run import (
    blind_on_engine,
    forget_draft,
    load_or_draw_draft,
)
from veilmatch.release.publish import build_from_set, draw_draft
from veilmatch.shards.checks.table_check import verify_rows_on_engine
from veilmatch.shards.engine import EngineSettings, open_engine
from veilmatch.table.blinded_table import BlindedTable, UncheckedTable
from veilmatch.table.plan import parse_shard_order

ROOT = Path(__file__).resolve().parents[3]


def _rows(table: BlindedTable) -> bytes:
    return table.rows.tobytes()


@pytest.mark.parametrize("engine_name", ["local", "dask", "ray"])
def test_every_engine_gives_the_table_of_one_process(engine_name: str, tmp_path: Path) -> None:
    if engine_name != "local":
        pytest.importorskip(
            {"dask": "distributed", "ray": "ray"}[engine_name],
            reason="the engine is an extra that is not installed",
            exc_type=ModuleNotFoundError,
        )
    command = [sys.executable, "-m", "tests.integration.shards.table_driver", engine_name]
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}
    done = subprocess.run(
        [*command, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    assert said == {"equal": True, "shards": 10, "left": 0}


@pytest.mark.faults
def test_a_killed_build_goes_on_with_the_same_draft(tmp_path: Path, tally: Tally) -> None:
    environment = {**os.environ, "VEILMATCH_TEST_STOP_AFTER": "4"}
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment["PYTHONPATH"] = os.pathsep.join(p for p in paths if p)
    command = [sys.executable, "-m", "tests.integration.shards.table_driver", "local"]
    first = subprocess.run(
        [*command, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        cwd=ROOT,
    )
    assert first.returncode == -signal.SIGKILL, first.stderr
    tally.kill("driver")
    time.sleep(1.0)
    seen: list[int] = []
    with open_parts(tmp_path) as (database, ledger, keys):
        common, request = make_set()
        draft_id, draft = load_or_draw_draft(common, request, keys, database, lambda: 0)
        draft = cut(draft)
        engine = open_engine(EngineSettings("local", workers=1))
        blind = blind_on_engine(
            str(tmp_path / "secrets"), draft_id, engine, ledger, lambda n, _total: seen.append(n)
        )
        try:
            table = build_from_set(common, request, draft=draft, blind=blind).table
        finally:
            engine.close()
        assert seen[0] >= 4, "what the killed build had finished was computed again"
        assert _rows(table) == _rows(build_from_set(common, request, draft=draft).table)
        forget_draft(draft_id, keys, database)
        assert not list((tmp_path / "secrets").iterdir())
        assert (
            load_or_draw_draft(common, request, keys, database, lambda: 0)[1].nonce != draft.nonce
        )


def test_two_builds_of_one_release_do_not_mix_their_secrets(tmp_path: Path) -> None:
    class Slow(FileKeyProvider):
        """Another build draws its own draft while this one keeps its secret."""

        def save(self, secret: object) -> None:
            super().save(secret)  # type: ignore[arg-type]
            load_or_draw_draft(common, request, keys, database, lambda: 0)

    with open_parts(tmp_path) as (database, _ledger, keys):
        common, request = make_set()
        with pytest.raises(ConfigError, match="another build"):
            load_or_draw_draft(common, request, Slow(tmp_path / "other"), database, lambda: 0)


def test_a_table_is_checked_on_an_engine(tmp_path: Path) -> None:
    common, request = make_set()
    table = build_from_set(common, request).table
    engine = open_engine(EngineSettings("local", workers=1))
    try:
        with open_parts(tmp_path) as (_database, ledger, _keys):
            good = UncheckedTable(table.rows)
            assert _rows(verify_rows_on_engine(good, engine, ledger, shard_rows=PARTS)) == _rows(
                table
            )
            bent = np.array(table.rows)
            bent[300, 31] ^= 0x80
            with pytest.raises(TableError, match="not a valid element"):
                verify_rows_on_engine(UncheckedTable(bent), engine, ledger)
            twins = np.array(table.rows)
            twins[7] = twins[400]
            with pytest.raises(TableError, match="equals another row"):
                verify_rows_on_engine(UncheckedTable(twins), engine, ledger)
    finally:
        engine.close()


def test_an_order_carries_no_secret_and_refuses_what_is_not_one() -> None:
    common, request = make_set()
    draft = cut(draw_draft(common, request))
    data = draft.plan.shard(3).to_bytes()
    assert draft.alpha.reveal() not in data
    order = parse_shard_order(data)
    assert order.to_bytes() == data
    assert "bytes" not in repr(order)
    for stop in range(0, len(data), 7):
        with pytest.raises(ValueError, match="shard order"):
            parse_shard_order(data[:stop])


def test_providers_are_named_in_the_draft() -> None:
    common, request = make_set()
    other = HashProvider("Another", "FR", bytes(32))
    source = type(common.sources[0])(other, bytes(32), 1)
    changed = type(common)(common.hashes, (*common.sources, source), common.content_class)
    ids = {table_run.derive_draft_id(one, request) for one in (common, changed)}
    assert len(ids) == 2


@pytest.fixture(scope="module", autouse=True)
def _no_workers_left() -> Iterator[None]:
    yield
    import multiprocessing

    assert not multiprocessing.active_children()
