"""Matching in shards says what matching at once says, and nothing of it lies open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service.stores import open_store
from tests.integration.service.world import Device, World, make_world
from tests.integration.shards.table_driver import open_parts
from veilmatch.errors import ConfigError, EncodingError
from veilmatch.jobs import match_run
from veilmatch.jobs.key_provider import FileKeyProvider
from veilmatch.jobs.match_run import EngineMatcher, match_order
from veilmatch.jobs.worker import Worker
from veilmatch.matching.match import match_vouchers
from veilmatch.matching.share import MatchOutcome
from veilmatch.shards.engine import Engine, EngineSettings, open_engine
from veilmatch.site.release_site import ReleaseSite
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.voucher import layout_of, parse_voucher


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    opened = open_engine(EngineSettings("local", workers=1))
    yield opened
    opened.close()


def test_the_same_results_and_a_second_driver_computes_nothing(
    world: World, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match_run, "SHARD_VOUCHERS", 16)
    release = world.current
    layout = layout_of(release.built.manifest.parameters)
    device = Device()
    sent = device.make(release, known=9, unknown=20)
    sent += device.make(release, known=0, unknown=11, kind=Kind.SYNTHETIC)
    bodies = [one.body for one in sent]
    vouchers = [parse_voucher(body, layout) for body in bodies]
    expected = match_vouchers(release.built.secret, layout, vouchers)
    assert [one.outcome for one in expected].count(MatchOutcome.MATCH) == 20
    seen: list[tuple[int, int]] = []
    with open_parts(tmp_path) as (_database, ledger, _keys):
        where = str(world.secrets)
        for first_seen in ((0, 3), (3, 3)):  # the second driver finds all shards recorded
            seen.clear()
            matcher = EngineMatcher(
                where, engine, ledger, lambda done, total: seen.append((done, total))
            )
            assert matcher.match(release.release_id, layout, bodies) == expected
            assert seen[0] == first_seen
        sealed = b"".join(path.read_bytes() for path in (tmp_path / "shards").rglob("*.shard"))
        share = next(one.share for one in expected if one.share is not None)
        assert share.value not in sealed
        assert share.asset_id not in sealed
        matcher.forget()
        assert not list((tmp_path / "shards").iterdir())


def test_what_a_driver_left_of_a_finished_segment_is_forgotten(
    world: World, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after its commit: the next driver finds nothing to do, and sealed shares on disk."""
    release, device = world.current, Device()
    with open_store(tmp_path) as store, open_parts(tmp_path) as (_database, ledger, _keys):
        sent = device.make(release, known=3, unknown=5)
        store.intake.store_batches([device.accepted(release, sent)])
        store.intake.seal_all()

        def drive(matcher: EngineMatcher) -> int:
            keys, site = FileKeyProvider(world.secrets), ReleaseSite(world.site)
            worker = Worker(store.work, store.cases, site, keys, lambda: int(time.time()), matcher)
            return worker.run().vouchers

        killed = EngineMatcher(str(world.secrets), engine, ledger)
        monkeypatch.setattr(killed, "forget", lambda: None)
        assert drive(killed) == 8
        assert list((tmp_path / "shards").iterdir()), "left behind"
        later = EngineMatcher(str(world.secrets), engine, ledger)
        later.forget_ended(lambda: True)
        assert list((tmp_path / "shards").iterdir()), "of use while a segment is begun"
        assert drive(later) == 0
        assert not list((tmp_path / "shards").iterdir())
        assert ledger.list_runs("matching") == []


def test_a_worker_that_may_not_hold_the_secret_says_so(
    world: World, engine: Engine, tmp_path: Path
) -> None:
    release = world.current
    layout = layout_of(release.built.manifest.parameters)
    bodies = [one.body for one in Device().make(release, known=1)]
    with open_parts(tmp_path) as (_database, ledger, _keys):
        matcher = EngineMatcher(str(tmp_path / "nothing"), engine, ledger)
        with pytest.raises(ConfigError, match="table secret"):
            matcher.match(release.release_id, layout, bodies)


def test_an_order_that_is_cut_short_is_refused() -> None:
    with pytest.raises(EncodingError):
        match_order(b"\x00\x10short")
