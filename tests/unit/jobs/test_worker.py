"""The worker over a real store: what opens, what does not, and what a fault leaves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.integration.service.world import SMALL, Device, Sent, World, make_world
from tests.unit.store.house import House, HouseMaker
from veilmatch.errors import ConfigError, Error, StoreError
from veilmatch.jobs.key_provider import FileKeyProvider
from veilmatch.jobs.worker import LEASE_S, Worker
from veilmatch.release.manifest import Parameters
from veilmatch.site.release_site import ReleaseSite
from veilmatch.store.database import read_counters
from veilmatch.voucher.asset import Kind
from veilmatch.workstore.records import Processed, WaitingVoucher

OTHER = Parameters(min_shares=5, dhf_width=8, delta_max=3, ad_len=512)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two releases, with different thresholds; the second is current."""
    made = make_world(tmp_path_factory.mktemp("world"))
    made.publish(OTHER)
    return made


@pytest.fixture
def house(make_house: HouseMaker) -> House:
    return make_house()


def _worker(house: House, world: World) -> Worker:
    return Worker(
        house.work(),
        house.cases(),
        ReleaseSite(world.site),
        FileKeyProvider(world.secrets),
        lambda: house.now,
    )


def _send(house: House, world: World, device: Device, sent: list[Sent], release: int = 0) -> None:
    house.intake().store_batches([device.accepted(world.releases[release], sent)])
    house.intake().seal_all()


def test_enough_matches_open_and_one_fewer_does_not(house: House, world: World) -> None:
    enough, few = Device(), Device()
    release = world.releases[0]
    _send(house, world, enough, enough.make(release, known=SMALL.min_shares, unknown=3))
    _send(house, world, few, few.make(release, known=SMALL.min_shares - 1, unknown=3))
    summary = _worker(house, world).run()
    assert (summary.segments, summary.vouchers, summary.cases) == (2, 13, 1)
    assert house.cases().item_count(enough.pseudonym) == SMALL.min_shares
    assert house.cases().item_count(few.pseudonym) == 0


def test_synthetic_and_null_vouchers_open_nothing(house: House, world: World) -> None:
    device, release = Device(), world.releases[0]
    _send(house, world, device, device.make(release, unknown=6, kind=Kind.SYNTHETIC))
    _send(house, world, device, device.make(release, known=6, kind=Kind.NULL))
    _worker(house, world).run()
    assert house.cases().list_cases() == []
    assert house.scalar("SELECT count(*) FROM share") == 6


def test_two_releases_in_one_segment(house: House, world: World) -> None:
    one, other = Device(), Device()
    house.intake().store_batches(
        [
            one.accepted(world.releases[0], one.make(world.releases[0], known=4)),
            other.accepted(world.releases[1], other.make(world.releases[1], known=5)),
        ]
    )
    house.intake().seal_all()
    assert _worker(house, world).run().cases == 2


def test_shares_of_two_thresholds_do_not_add_up(house: House, world: World) -> None:
    device = Device()
    _send(house, world, device, device.make(world.releases[0], known=3), 0)
    _send(house, world, device, device.make(world.releases[1], known=4), 1)
    _worker(house, world).run()
    assert house.cases().list_cases() == []


def test_account_with_two_groups_is_looked_at_again_after_a_fault(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both groups open; the worker ends between them; the next one opens the other."""
    device = Device()
    _send(house, world, device, device.make(world.releases[0], known=4), 0)
    _send(house, world, device, device.make(world.releases[1], known=5), 1)
    worker = _worker(house, world)
    real, calls = worker._open, iter(range(10))

    def open_first_only(group: object) -> bool:
        if next(calls) == 1:
            raise _EndedError
        return real(group)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "_open", open_first_only)
    with pytest.raises(_EndedError):
        worker.run()
    assert house.cases().item_count(device.pseudonym) in (4, 5)
    house.now += LEASE_S
    _worker(house, world).run()
    assert house.cases().item_count(device.pseudonym) == 9


def test_every_step_may_be_the_last(house: House, world: World) -> None:
    """End the worker at each of its writes in turn: what opens is the same."""
    device, release = Device(), world.releases[0]
    _send(house, world, device, device.make(release, known=5, unknown=2))
    steps = ("finish_segment", "mark_checked", "save_opening")
    for name in steps:
        worker = _worker(house, world)
        holder = worker._cases if name == "save_opening" else worker._work
        setattr(holder, name, _end)
        with pytest.raises(_EndedError):
            worker.run()
        house.now += LEASE_S
    _worker(house, world).run()
    assert house.cases().item_count(device.pseudonym) == 5
    assert read_counters(house.database)["cases"] == 1


class _EndedError(BaseException):
    """The worker's process ended here."""


def _end(*_: object, **__: object) -> None:
    raise _EndedError


def test_a_segment_and_an_account_that_fail_end_nothing_else(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, release = Device(), Device(), world.releases[0]
    _send(house, world, one, one.make(release, known=4))
    broken = house.files()[0]
    data = broken.read_bytes()
    broken.write_bytes(data[:-1])
    _send(house, world, other, other.make(release, known=4))
    summary = _worker(house, world).run()
    assert (summary.segments, summary.failed, summary.cases) == (1, 1, 1)
    broken.write_bytes(data)  # the disk is mended
    house.now += LEASE_S
    worker = _worker(house, world)
    with monkeypatch.context() as patch:
        patch.setattr(worker._cases, "save_opening", _refuse)
        assert worker.run().failed == 1
    house.now += LEASE_S
    assert _worker(house, world).run().cases == 1
    assert house.cases().item_count(one.pseudonym) == 4


@pytest.mark.parametrize("gone", ["secret", "damaged secret", "manifest", "damaged manifest"])
def test_a_release_without_secret_or_manifest_ends_nothing_else(
    house: House, world: World, tmp_path: Path, gone: str
) -> None:
    """The older release cannot be matched any more; the newer one's vouchers open all the same."""
    site, secrets = tmp_path / "site-copy", tmp_path / "secrets-copy"
    shutil.copytree(world.site, site)
    shutil.copytree(world.secrets, secrets)
    older = world.releases[0].release_id
    if "secret" in gone:
        (path,) = secrets.glob(f"*{older.hex()}*.secret")
    else:
        path = ReleaseSite(site).release_folder(older) / "manifest.json"
    if "damaged" in gone:
        path.write_bytes(b"\xff" * 40)
    else:
        path.unlink()
    one, other = Device(), Device()
    _send(house, world, one, one.make(world.releases[0], known=4), 0)
    _send(house, world, other, other.make(world.releases[1], known=5), 1)
    told: list[Error] = []
    worker = Worker(
        house.work(),
        house.cases(),
        ReleaseSite(site),
        FileKeyProvider(secrets),
        lambda: house.now,
        tell=told.append,
    )
    summary = worker.run()
    assert (summary.segments, summary.failed, summary.cases) == (1, 1, 1)
    assert len(told) == 1
    assert house.cases().item_count(other.pseudonym) == 5
    house.now += LEASE_S  # what was missing is brought back
    assert _worker(house, world).run().cases == 1
    assert house.cases().item_count(one.pseudonym) == 4


def test_asked_to_stop_a_worker_gives_its_segment_back(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next worker has it at once; no try is counted; what opens is the same."""
    device, release = Device(), world.releases[0]
    _send(house, world, device, device.make(release, known=4, unknown=2))
    monkeypatch.setattr("veilmatch.jobs.worker._BATCH", 2)
    seen: list[int] = []
    worker = Worker(
        house.work(),
        house.cases(),
        ReleaseSite(world.site),
        FileKeyProvider(world.secrets),
        lambda: house.now,
        is_stopping=lambda: len(seen) >= 2,
    )
    summary = worker.run(seen.append)
    assert (summary.segments, summary.vouchers, summary.failed) == (0, 0, 0)
    assert sum(seen) == 4
    assert house.rows("SELECT attempts, lease_expires_at, lease_token FROM segment") == [
        (0, 0, None)
    ]
    assert house.scalar("SELECT count(*) FROM share") == 0
    assert _worker(house, world).run().cases == 1  # no clock has moved
    assert house.cases().item_count(device.pseudonym) == 4


def test_a_lease_that_was_lost_is_not_given_back(house: House, world: World) -> None:
    device = Device()
    _send(house, world, device, device.make(world.releases[0], known=1))
    slow = house.work().lease_segment(house.now, LEASE_S)
    assert slow is not None
    house.now += LEASE_S
    assert house.work().lease_segment(house.now, LEASE_S) is not None
    house.work().release_lease(slow)
    assert house.rows("SELECT attempts, lease_expires_at FROM segment") == [
        (2, house.now + LEASE_S)
    ]


def test_a_worker_that_stops_begins_nothing(house: House, world: World) -> None:
    device = Device()
    _send(house, world, device, device.make(world.releases[0], known=4))
    worker = Worker(
        house.work(),
        house.cases(),
        ReleaseSite(world.site),
        FileKeyProvider(world.secrets),
        lambda: house.now,
        is_stopping=lambda: True,
    )
    assert worker.run().segments == 0
    assert house.rows("SELECT attempts FROM segment") == [(0,)]


def _refuse(*_: object, **__: object) -> None:
    raise StoreError("the database is away")


def test_a_lost_lease_ends_nothing(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is slow, another takes over and finishes; the first goes on with the next."""
    device, release = Device(), world.releases[0]
    _send(house, world, device, device.make(release, known=2))
    _send(house, world, device, device.make(release, known=4))
    slow = _worker(house, world)
    real, calls = slow._match, iter(range(10))

    def match_slowly(release_id: bytes, waiting: list[WaitingVoucher]) -> list[Processed]:
        found = real(release_id, waiting)
        if next(calls) == 0:
            house.now += LEASE_S
            assert _worker(house, world).run().segments == 2
        return found

    monkeypatch.setattr(slow, "_match", match_slowly)
    summary = slow.run()
    assert (summary.segments, summary.lost, summary.failed) == (0, 1, 0)
    assert house.cases().item_count(device.pseudonym) == 6
    assert house.scalar("SELECT count(*) FROM voucher WHERE state = 'processed'") == 6


def test_a_long_segment_renews_its_lease(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, release = Device(), world.releases[0]
    _send(house, world, device, device.make(release, unknown=6))
    monkeypatch.setattr("veilmatch.jobs.worker._BATCH", 1)
    worker = _worker(house, world)
    real = worker._match

    def match_slowly(release_id: bytes, waiting: list[WaitingVoucher]) -> list[Processed]:
        house.now += LEASE_S * 3 // 4
        assert house.work().lease_segment(house.now, LEASE_S) is None
        return real(release_id, waiting)

    monkeypatch.setattr(worker, "_match", match_slowly)
    assert worker.run().segments == 1


def test_killed_workers_segment_waits_for_its_lease(house: House, world: World) -> None:
    device, release = Device(), world.releases[0]
    _send(house, world, device, device.make(release, known=4))
    assert house.work().lease_segment(house.now, LEASE_S) is not None  # and is never heard of
    house.now += LEASE_S - 1
    assert _worker(house, world).run().segments == 0
    house.now += 1
    assert _worker(house, world).run().cases == 1


def test_voucher_signed_by_another_key_is_no_match(house: House, world: World) -> None:
    """The batch is signed well, but a voucher inside it is not: counted, never a share."""
    device, release = Device(), world.releases[0]
    (sent,) = device.make(release, known=1)
    broken = Sent(sent.asset_id, sent.body[:-1] + bytes([sent.body[-1] ^ 1]))
    _send(house, world, device, [broken])
    _worker(house, world).run()
    assert house.scalar("SELECT count(*) FROM share") == 0
    assert read_counters(house.database)["work invalid"] == 1


def test_too_many_synthetics_go_to_an_operator_and_make_no_case(house: House, world: World) -> None:
    device, release = Device(), world.releases[0]
    _send(house, world, device, device.make(release, known=4))
    _send(house, world, device, device.make(release, unknown=60, kind=Kind.SYNTHETIC))
    _worker(house, world).run()
    assert house.cases().list_cases() == []
    assert house.cases().operator_counts() == {"overload": 1}


def test_matches_that_do_not_open_go_to_an_operator(house: House, world: World) -> None:
    """Shares of the right polynomial whose sealed data belong to nobody: an anomaly."""
    device, release = Device(), world.releases[0]
    _send(house, world, device, device.make(release, known=4))
    worker = _worker(house, world)
    worker.open_changed = lambda *_: 0  # type: ignore[method-assign]
    worker.run()
    crypter = house.crypter
    for account, asset_id, sealed in house.rows(
        "SELECT account, asset_id, sealed_share FROM share"
    ):
        assert isinstance(account, bytes)
        assert isinstance(asset_id, bytes)
        assert isinstance(sealed, bytes)
        share = bytearray(crypter.open(sealed, "share", account + asset_id, "share"))
        share[-1] ^= 1
        changed = crypter.seal(bytes(share), "share", account + asset_id, "share")
        with house.database.transaction() as connection:
            connection.execute(
                text("UPDATE share SET sealed_share = :sealed WHERE asset_id = :asset_id"),
                {"sealed": changed, "asset_id": asset_id},
            )
    _worker(house, world).run()
    assert house.cases().list_cases() == []
    assert house.cases().operator_counts() == {"anomaly": 1}


def test_progress_is_reported(house: House, world: World) -> None:
    device, release = Device(), world.releases[0]
    _send(house, world, device, device.make(release, unknown=7))
    seen: list[int] = []
    report: Callable[[int], None] = seen.append
    _worker(house, world).run(report)
    assert sum(seen) == 7


def test_secret_of_another_release_is_named(world: World, tmp_path: Path) -> None:
    first, second = world.releases[0].release_id, world.releases[1].release_id
    data = (world.secrets / f"{first.hex()}.secret").read_bytes()
    (tmp_path / f"{second.hex()}.secret").write_bytes(data)
    with pytest.raises(ConfigError):
        FileKeyProvider(tmp_path).load(second)
    with pytest.raises(ConfigError):
        FileKeyProvider(tmp_path).load(first)


def test_secret_files_are_private(world: World) -> None:
    for path in world.secrets.iterdir():
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("data", [b"", b"x" * 10, b"\xff" * 4096, b"\x00" * 5000])
def test_damaged_secret_is_refused(world: World, tmp_path: Path, data: bytes) -> None:
    release_id = world.releases[0].release_id
    (tmp_path / f"{release_id.hex()}.secret").write_bytes(data)
    with pytest.raises(ValueError):
        FileKeyProvider(tmp_path).load(release_id)
