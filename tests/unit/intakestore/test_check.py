"""The check finds each kind of damage, and none where there is none."""

from __future__ import annotations

import os

import pytest

from tests.integration.service.world import Device, World
from tests.unit.store.house import House
from tests.unit.store.working import process_all
from veilmatch.cli.all_tables import load_tables
from veilmatch.intakestore.check import Findings, StoreCheck
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter
from veilmatch.store.segments import SegmentShelf


@pytest.fixture
def full(house: House, world: World) -> House:
    """A store with everything in it: shares, waiting vouchers, a deletion, an unknown id's mark."""
    device, other, release = Device(), Device(), world.current
    house.intake().store_batches([device.accepted(release, device.make(release, known=5))])
    process_all(house, world)
    sent = other.make(release, unknown=4)
    house.intake().store_batches([other.accepted(release, sent)])
    house.intake().delete_vouchers(other.pseudonym, [sent[0].asset_id, os.urandom(16)])
    return house


def _check(house: House) -> Findings:
    shelf = SegmentShelf(house.segments, house.blobs)
    return StoreCheck(house.database, house.crypter, shelf, load_tables(), house.now).run()


def _faults(house: House) -> dict[str, int]:
    return {kind: count for kind, count in _check(house).faults.items() if count}


def test_a_sound_store_has_no_fault(full: House) -> None:
    found = _check(full)
    assert not +found.faults
    assert found.rows > 10
    assert found.backlog.vouchers == 4
    assert found.elsewhere == 0


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE share SET account = asset_id", "share.sealed_share does not open"),
        ("UPDATE account SET voucher_count = voucher_count + 1", "accounts that count another"),
        ("DELETE FROM account", "accounts that count another number"),
        ("DELETE FROM device", "a waiting voucher's device is unknown"),
        ("UPDATE voucher SET state = 'odd' WHERE state = 'waiting'", "unknown state"),
        ("UPDATE voucher SET state = 'processed' WHERE state = 'waiting'", "still has a key"),
        ("UPDATE voucher SET length = NULL WHERE state = 'waiting'", "has no key or place"),
        ("UPDATE segment SET state = 'done'", "segment has no row"),
        ("UPDATE segment SET voucher_count = 1", "more vouchers than it counted"),
        ("DELETE FROM voucher WHERE state = 'processed'", "shares without their voucher"),
    ],
)
def test_each_kind_of_damage_is_found(full: House, statement: str, fault: str) -> None:
    full.execute(statement)
    assert fault in " ".join(_faults(full))


def test_damage_of_a_segment_is_found(full: House) -> None:
    (path,) = full.files()
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert _faults(full) == {
        "a segment is shorter than its row says": 1,
        "a waiting voucher does not open": 1,
    }
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert _faults(full) == {"a waiting voucher does not open": 1}
    path.unlink()
    found = _check(full)
    assert (found.elsewhere, +found.faults) == (1, {})


def test_another_body_than_the_accepted_one_is_found(full: House) -> None:
    full.execute(
        "UPDATE voucher SET digest = (SELECT public_key FROM device LIMIT 1)"
        " WHERE state = 'waiting'"
    )
    assert _faults(full) == {"a waiting voucher is not the one that was accepted": 3}


def test_a_wrong_key_is_found(full: House) -> None:
    full.crypter = Crypter([SecretBytes.generate()])
    faults = _faults(full)
    assert faults["voucher.sealed_key does not open"] == 3
    assert faults["share.sealed_share does not open"] == 5
    assert faults["a waiting voucher does not open"] == 3
