"""Process what waits, step by step, as the worker does."""

from __future__ import annotations

from tests.integration.service.world import World
from tests.unit.store.house import House
from veilmatch.matching.match import match_vouchers
from veilmatch.voucher.voucher import layout_of, parse_voucher
from veilmatch.workstore.records import Lease, Processed, WaitingVoucher
from veilmatch.workstore.work_store import WorkStore

LEASE_S = 60


def lease(house: House, work: WorkStore | None = None) -> Lease:
    """Seal what is open and lease a segment that must be there."""
    house.intake().seal_all()
    found = (work or house.work()).lease_segment(house.now, LEASE_S)
    assert found is not None
    return found


def match(world: World, waiting: list[WaitingVoucher]) -> list[Processed]:
    """Match vouchers of the current release."""
    built = world.current.built
    layout = layout_of(built.manifest.parameters)
    vouchers = [parse_voucher(one.body, layout) for one in waiting]
    results = match_vouchers(built.secret, layout, vouchers)
    return [Processed(one, result) for one, result in zip(waiting, results, strict=True)]


def finish(house: House, world: World, held: Lease, processed: list[Processed]) -> None:
    """Commit what matching found."""
    release = world.current
    parameters = {release.release_id: release.built.manifest.parameters}
    house.work().finish_segment(held, processed, parameters)


def process_all(house: House, world: World) -> None:
    """Seal, lease, match and finish everything that waits."""
    house.intake().seal_all()
    process_sealed(house, world)


def process_sealed(house: House, world: World) -> None:
    """Lease, match and finish every sealed segment."""
    work = house.work()
    while (held := work.lease_segment(house.now, LEASE_S)) is not None:
        finish(house, world, held, match(world, work.read_segment(held)))
