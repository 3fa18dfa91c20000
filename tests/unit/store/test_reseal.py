"""Keys rotate: everything ends under the new one, whenever the rotation is cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.service.world import Device, World
from tests.unit.store.house import House
from tests.unit.store.working import lease, process_all
from veilmatch.cli.all_tables import load_tables
from veilmatch.errors import ConfigError, StoreError
from veilmatch.store import reseal as reseal_module
from veilmatch.store.crypter import KEY_LEN, Crypter, add_key, load_crypter, retire_keys
from veilmatch.store.reseal import count_old, reseal


@pytest.fixture
def keyed(house: House, world: World, tmp_path: Path) -> House:
    """A house with a key file, shares, a case, and vouchers that wait."""
    house.crypter = load_crypter(tmp_path / "store.key")
    device, release = Device(), world.current
    house.intake().store_batches([device.accepted(release, device.make(release, known=5))])
    process_all(house, world)
    house.intake().store_batches([device.accepted(release, device.make(release, unknown=7))])
    return house


def _reseal(house: House, crypter: Crypter, batch_count: int = 3) -> int:
    return reseal(house.database, crypter, load_tables(), batch_count, lambda _: None)


def _old(house: House, crypter: Crypter) -> int:
    return count_old(house.database, crypter, load_tables())


def test_everything_ends_under_the_new_key(keyed: House, tmp_path: Path) -> None:
    crypter = add_key(tmp_path / "store.key")
    assert _old(keyed, crypter) == 12
    seen: list[int] = []
    assert reseal(keyed.database, crypter, load_tables(), 3, seen.append) == 12
    assert sum(seen) == 12
    assert max(seen) <= 3
    assert _old(keyed, crypter) == 0
    retire_keys(tmp_path / "store.key")
    keyed.crypter = load_crypter(tmp_path / "store.key", make=False)
    assert len(keyed.work().read_segment(lease(keyed))) == 7
    held = keyed.work().lease_account(keyed.now, 60)
    assert held is not None
    assert len(keyed.work().read_groups(held)[0].matches) == 5


@pytest.mark.parametrize("moment", range(9))
def test_a_rotation_that_ends_anywhere_goes_on(
    keyed: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    crypter = add_key(tmp_path / "store.key")
    real, calls = keyed.database.transaction, iter(range(1000))

    def transaction() -> object:
        if next(calls) == moment:
            raise StoreError("ended here")
        return real()

    with monkeypatch.context() as patch:
        patch.setattr(keyed.database, "transaction", transaction)
        with pytest.raises(StoreError, match="ended here"):
            _reseal(keyed, crypter)
    _reseal(keyed, crypter)
    assert _old(keyed, crypter) == 0
    assert len(keyed.work().read_segment(lease(keyed))) == 7


def test_a_value_that_changes_meanwhile_is_not_overwritten(
    keyed: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A voucher is deleted between reading and replacing: its key stays destroyed."""
    crypter = add_key(tmp_path / "store.key")
    pages = reseal_module.read_pages

    def read_then_delete(*arguments: object) -> object:
        for rows in pages(*arguments):  # type: ignore[arg-type]
            keyed.execute("UPDATE voucher SET sealed_key = NULL, state = 'deleted'")
            yield rows

    monkeypatch.setattr(reseal_module, "read_pages", read_then_delete)
    _reseal(keyed, crypter)
    assert keyed.scalar("SELECT count(*) FROM voucher WHERE sealed_key IS NOT NULL") == 0


def test_a_running_process_finds_a_key_that_was_added(tmp_path: Path) -> None:
    path = tmp_path / "store.key"
    running = load_crypter(path)
    sealed = add_key(path).seal(b"value", "t", b"r", "c")
    assert sealed[0] == 1
    assert running.open(sealed, "t", b"r", "c") == b"value"
    assert running.newest == 1
    assert running.seal(b"v", "t", b"r", "c")[0] == 1


def test_a_retired_key_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.key"
    sealed = load_crypter(path).seal(b"value", "t", b"r", "c")
    add_key(path)
    assert retire_keys(path) == 1
    assert path.read_bytes()[:KEY_LEN] == bytes(KEY_LEN)
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(StoreError, match="retired"):
        load_crypter(path).open(sealed, "t", b"r", "c")
    assert retire_keys(path) == 0
    assert load_crypter(path).seal(b"value", "t", b"r", "c")[0] == 1


def test_a_full_key_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.key"
    path.write_bytes(b"x" * KEY_LEN * 255)
    with pytest.raises(ConfigError, match="full"):
        add_key(path)
