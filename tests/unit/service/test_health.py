"""Ready means: it can take vouchers now."""

from __future__ import annotations

import asyncio
from collections import namedtuple
from pathlib import Path

import pytest
from starlette.requests import Request

from veilmatch.service.group_commit import GroupCommit
from veilmatch.service.setup.health import RECENTLY_S, Health
from veilmatch.store.database import Database

_Usage = namedtuple("_Usage", "total used free")
_REQUEST = Request({"type": "http", "method": "GET", "path": "/readyz", "headers": []})


def _ask(health: Health) -> int:
    return asyncio.run(health.ready(_REQUEST)).status_code


@pytest.mark.parametrize(("free", "status"), [(1 << 20, 200), ((1 << 20) - 1, 503), (0, 503)])
def test_without_room_it_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: int
) -> None:
    database = Database(tmp_path / "store.sqlite")
    monkeypatch.setattr(
        "veilmatch.service.setup.health.shutil.disk_usage", lambda _folder: _Usage(1, 1, free)
    )
    assert _ask(Health(database, folder=tmp_path)) == status
    database.close()


def test_a_folder_that_is_gone_is_not_ready(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.sqlite")
    assert _ask(Health(database, folder=tmp_path / "gone")) == 503
    database.close()


def test_after_a_group_that_failed_it_is_not_ready_for_a_while(tmp_path: Path) -> None:
    database, asked = Database(tmp_path / "store.sqlite"), []

    def has_failed(within_s: float) -> bool:
        asked.append(within_s)
        return len(asked) == 1

    health = Health(database, folder=tmp_path, has_failed=has_failed)
    assert (_ask(health), _ask(health)) == (503, 200)
    assert asked == [RECENTLY_S, RECENTLY_S]
    database.close()


def test_a_group_that_is_stored_ends_the_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Store:
        is_full = True

        def store_batches(self, batches: list[object]) -> list[None]:
            if self.is_full:
                raise OSError("no room")
            return [None] * len(batches)

    class Batch:
        vouchers = ()

    store = Store()

    async def scenario() -> None:
        commit = GroupCommit(store, 0, 10)  # type: ignore[arg-type]
        commit.start()
        assert not commit.has_failed(60)
        with pytest.raises(Exception, match="not stored"):
            await commit.store(Batch())  # type: ignore[arg-type]
        assert commit.has_failed(60)
        assert not commit.has_failed(0)
        store.is_full = False
        await commit.store(Batch())  # type: ignore[arg-type]
        assert not commit.has_failed(60)
        await commit.stop()

    asyncio.run(scenario())
