"""The ledger of shards: what is whole, what is opened, what is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from veilmatch.errors import UnavailableError
from veilmatch.secret import SecretBytes
from veilmatch.shards.ledger import ShardLedger
from veilmatch.shards.map_shards import map_shards
from veilmatch.shards.shard_map import ShardMap, ShardTask
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database

COUNT = 3


def _double(data: bytes) -> bytes:
    return data * 2


class _Here:
    """Runs shards in this process and counts them."""

    def __init__(self) -> None:
        self.ran: list[int] = []

    def run(
        self, task: ShardTask, inputs: Iterator[tuple[int, bytes]]
    ) -> Iterator[tuple[int, bytes]]:
        for number, data in inputs:
            self.ran.append(number)
            yield number, task(data)

    def close(self) -> None:
        """Nothing was started."""


class _Counting(Crypter):
    """Counts what it opens."""

    opened = 0

    def open(self, sealed: bytes, table: str, row: bytes, column: str) -> bytes:
        self.opened += 1
        return super().open(sealed, table, row, column)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[tuple[ShardLedger, _Counting]]:
    database = Database(tmp_path / "store.sqlite")
    crypter = _Counting([SecretBytes(bytes(range(32)))])
    yield ShardLedger(database, crypter, tmp_path / "shards", lambda: 1), crypter
    database.close()


def _map() -> ShardMap:
    return ShardMap("test", _double, COUNT, lambda n: b"%d" % n, b"binding")


def test_a_resumed_run_opens_each_shard_once(house: tuple[ShardLedger, _Counting]) -> None:
    ledger, crypter = house
    map_shards(_map(), _Here(), ledger)
    again = _Here()
    run = map_shards(_map(), again, ledger)
    assert (again.ran, crypter.opened, run.computed) == ([], 0, 0)
    assert list(run.outputs()) == [b"00", b"11", b"22"]
    assert crypter.opened == COUNT


def test_a_changed_shard_is_computed_again(
    house: tuple[ShardLedger, _Counting], tmp_path: Path
) -> None:
    ledger, _ = house
    run = map_shards(_map(), _Here(), ledger)
    files = sorted((tmp_path / "shards").rglob("*.shard"))
    files[1].write_bytes(b"changed")
    files[2].unlink()
    assert [ledger.is_whole(run.run_id, n) for n in range(COUNT)] == [True, False, False]
    again = _Here()
    assert list(map_shards(_map(), again, ledger).outputs()) == [b"00", b"11", b"22"]
    assert again.ran == [1, 2]


def test_a_shard_that_goes_away_under_the_reader_is_told(
    house: tuple[ShardLedger, _Counting], tmp_path: Path
) -> None:
    ledger, _ = house
    run = map_shards(_map(), _Here(), ledger)
    next(iter((tmp_path / "shards").rglob("*.shard"))).unlink()
    with pytest.raises(UnavailableError, match="computed again"):
        list(run.outputs())
    again = _Here()
    assert map_shards(_map(), again, ledger).computed == 1
