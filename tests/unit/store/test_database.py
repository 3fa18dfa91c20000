"""Files that are not a store, crypter, keys."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.integration.service.world import Device, World
from tests.unit.store.house import House
from tests.unit.store.working import lease
from veilmatch.errors import ConfigError, Error, StoreError
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter, load_crypter, open_body, seal_body
from veilmatch.store.database import Database
from veilmatch.store.files import read_file, write_atomic


def _other_program(path: Path) -> bytes:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipe (name TEXT)")
    connection.execute("INSERT INTO recipe VALUES ('soup')")
    connection.commit()
    connection.close()
    return path.read_bytes()


def test_another_programs_file_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    before = _other_program(path)
    with pytest.raises((ConfigError, StoreError)):
        Database(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["store.sqlite"]


def test_file_that_is_no_database_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"this is a text\n" * 500)
    with pytest.raises((ConfigError, StoreError)):
        Database(path)
    assert path.read_bytes() == b"this is a text\n" * 500


def test_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").mkdir()
    with pytest.raises(Error):
        Database(tmp_path / "store.sqlite")


def test_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(Error):
        Database(tmp_path / "data" / "store.sqlite")


def test_database_opens_again(tmp_path: Path) -> None:
    for _ in range(2):
        Database(tmp_path / "store.sqlite").close()


def test_database_is_private(tmp_path: Path) -> None:
    Database(tmp_path / "store.sqlite").close()
    assert (tmp_path / "store.sqlite").stat().st_mode & 0o077 == 0


def test_transaction_is_all_or_nothing(house: House) -> None:
    with pytest.raises(StoreError), house.database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO counter VALUES ('x', 0, 1), (NULL, 0, NULL)")
    assert house.scalar("SELECT count(*) FROM counter") == 0


def _crypter(*numbers: int) -> Crypter:
    return Crypter([SecretBytes(bytes([n]) * 32) for n in numbers])


@pytest.mark.parametrize(
    "place",
    [
        ("share", b"row", "value"),
        ("case", b"other", "value"),
        ("case", b"row", "other"),
        ("cas", b"erow", "value"),
    ],
)
def test_moved_value_does_not_open(place: tuple[str, bytes, str]) -> None:
    crypter = _crypter(1)
    sealed = crypter.seal(b"secret", "case", b"row", "value")
    assert crypter.open(sealed, "case", b"row", "value") == b"secret"
    with pytest.raises(StoreError):
        crypter.open(sealed, *place)


@pytest.mark.parametrize("place", range(0, 35, 3))
def test_changed_value_does_not_open(place: int) -> None:
    crypter = _crypter(1)
    sealed = bytearray(crypter.seal(b"secret", "case", b"row", "value"))
    sealed[place % len(sealed)] ^= 1
    with pytest.raises(StoreError):
        crypter.open(bytes(sealed), "case", b"row", "value")


@pytest.mark.parametrize("length", [0, 1, 12, 13, 20])
def test_truncated_value_does_not_open(length: int) -> None:
    sealed = _crypter(1).seal(b"secret", "case", b"row", "value")
    with pytest.raises(StoreError):
        _crypter(1).open(sealed[:length], "case", b"row", "value")


def test_keys_rotate() -> None:
    old = _crypter(1).seal(b"secret", "case", b"row", "value")
    both = _crypter(1, 2)
    assert both.open(old, "case", b"row", "value") == b"secret"
    new = both.seal(b"secret", "case", b"row", "value")
    with pytest.raises(StoreError):
        _crypter(1).open(new, "case", b"row", "value")


def test_number_of_keys_is_bounded() -> None:
    for count in (0, 256):
        with pytest.raises(ConfigError):
            _crypter(*[1] * count)


def test_crypter_does_not_print() -> None:
    assert "1" not in repr(_crypter(1))


def test_body_opens_at_its_place_only() -> None:
    key, sealed = seal_body(b"body", b"place")
    assert open_body(key, sealed, b"place") == b"body"
    with pytest.raises(StoreError):
        open_body(key, sealed, b"elsewhere")
    with pytest.raises(StoreError):
        open_body(bytes(32), sealed, b"place")


def test_wrong_store_key_is_a_store_error(house: House, world: World) -> None:
    device, release = Device(), world.current
    house.intake().store_batches([device.accepted(release, device.make(release, known=1))])
    held = lease(house)
    house.crypter = Crypter([SecretBytes.generate()])
    with pytest.raises(StoreError):
        house.work().read_segment(held)


def test_store_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "store.key"
    sealed = load_crypter(path).seal(b"v", "t", b"r", "c")
    assert path.stat().st_mode & 0o077 == 0
    assert load_crypter(path).open(sealed, "t", b"r", "c") == b"v"


@pytest.mark.parametrize("data", [b"", b"x" * 31, b"x" * 33])
def test_damaged_store_key_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "store.key"
    path.write_bytes(data)
    with pytest.raises(ConfigError):
        load_crypter(path)


def test_store_key_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_crypter(tmp_path)


def test_store_key_is_not_made_anew_for_an_old_store(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_crypter(tmp_path / "store.key", make=False)
    assert list(tmp_path.iterdir()) == []


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError):
        write_atomic(tmp_path / "folder", b"data")
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(StoreError):
        write_atomic(tmp_path / "file" / "below", b"data")
    assert (tmp_path / "file").read_bytes() == b"old"


def test_read_file_names_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not there"):
        read_file(tmp_path / "missing", "the thing")
    with pytest.raises(ConfigError, match="folder"):
        read_file(tmp_path, "the thing")
    (tmp_path / "big").write_bytes(b"12345")
    with pytest.raises(ConfigError, match="larger"):
        read_file(tmp_path / "big", "the thing", max_len=4)
