"""Blobs in a folder and in S3 (moto's server), and what a slow or failing store does."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service.world import Device, World
from tests.unit.store.house import House
from tests.unit.store.working import finish, match
from veilmatch.errors import ConfigError, StoreError
from veilmatch.intakestore.limits import RetentionLimits
from veilmatch.intakestore.retention import Collector
from veilmatch.store import blobs as blobs_module
from veilmatch.store.blobs import Blobs, open_blobs
from veilmatch.workstore.work_store import WorkStore


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """A small S3 server on the loopback address."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def _use_s3(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    """A fresh store of blobs."""
    if request.param == "folder":
        return open_blobs(str(tmp_path / "blobs"))
    import httpx

    address: str = request.getfixturevalue("s3_address")
    bucket = f"bucket-{os.urandom(6).hex()}"
    httpx.put(f"{address}/{bucket}", trust_env=False).raise_for_status()
    _use_s3(monkeypatch, address)
    return open_blobs(f"s3://{bucket}/some/prefix")


def _file(folder: Path, data: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("length", [0, 1, 9 << 20])
def test_what_is_put_is_read(store: Blobs, tmp_path: Path, length: int) -> None:
    data = os.urandom(length)
    for _ in range(2):  # again is harmless
        store.write_file("segments/one", _file(tmp_path, data))
    assert store.read("segments/one") == data
    assert store.length("segments/one") == length
    assert [(name, size) for name, size, _ in store.list("segments")] == [("segments/one", length)]
    assert list(store.list("others")) == []


def test_what_is_not_there(store: Blobs, tmp_path: Path) -> None:
    assert store.length("segments/one") is None
    with pytest.raises(StoreError):
        store.read("segments/one")
    store.write_file("segments/one", _file(tmp_path, b"data"))
    for _ in range(2):
        store.delete("segments/one")
    assert store.length("segments/one") is None


@pytest.mark.parametrize("place", ["s3://", "gs://bucket", "http://host/bucket"])
def test_other_places_are_refused(place: str) -> None:
    with pytest.raises(ConfigError):
        open_blobs(place)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(StoreError):
        open_blobs(str(tmp_path / "file" / "below"))


@pytest.mark.parametrize("is_silent", [True, False])
def test_a_store_that_does_not_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_silent: bool
) -> None:
    from datetime import timedelta

    patience = {**blobs_module._RETRIES, "max_retries": 1, "retry_timeout": timedelta(seconds=1)}
    monkeypatch.setattr(blobs_module, "_RETRIES", patience)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if not is_silent:
            listener.close()
        _use_s3(monkeypatch, f"http://127.0.0.1:{port}")
        begin = time.monotonic()
        with pytest.raises(StoreError):
            open_blobs("s3://bucket", timeout_s=0.5).write_file("one", _file(tmp_path, b"data"))
        assert time.monotonic() - begin < 20


def _store(house: House, world: World, unknown: int, known: int = 0) -> None:
    device, release = Device(), world.current
    sent = device.make(release, known=known, unknown=unknown)
    house.intake().store_batches([device.accepted(release, sent)])
    house.intake().seal_all()


def test_a_worker_elsewhere_reads_uploaded_segments_only(
    house: House, world: World, store: Blobs, tmp_path: Path
) -> None:
    house.blobs = store
    elsewhere = WorkStore(house.database, tmp_path / "elsewhere", house.crypter, store)
    _store(house, world, 2, known=1)
    assert elsewhere.lease_segment(house.now, 60) is None
    assert house.intake().upload_sealed() == 1
    assert house.files() == []
    held = elsewhere.lease_segment(house.now, 60)
    assert held is not None
    finish_with(elsewhere, house, world, held)
    assert house.scalar("SELECT count(*) FROM share") == 1
    assert list(store.list("segments")) == []
    assert elsewhere.forget_done_segments() == 1
    assert house.scalar("SELECT count(*) FROM segment") == 0


def finish_with(work: WorkStore, house: House, world: World, held: object) -> None:
    from veilmatch.workstore.records import Lease

    assert isinstance(held, Lease)
    processed = match(world, work.read_segment(held))
    parameters = {world.current.release_id: world.current.built.manifest.parameters}
    work.finish_segment(held, processed, parameters)


def test_a_failing_store_loses_nothing(
    house: House, world: World, store: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.blobs = store
    _store(house, world, 3)
    with monkeypatch.context() as patch:
        patch.setattr(Blobs, "write_file", _fail)
        with pytest.raises(StoreError):
            house.intake().upload_sealed()
        _store(house, world, 1)  # intake goes on
    assert len(house.files()) == 2
    assert house.rows("SELECT DISTINCT location FROM segment") == [("local",)]
    assert house.intake().upload_sealed() == 2
    assert house.files() == []
    work, count = house.work(), 0
    while (held := work.lease_segment(house.now, 60)) is not None:
        count += len(work.read_segment(held))
    assert count == 4


def _fail(*_: object) -> None:
    raise StoreError("the blob store is away")


@pytest.mark.parametrize("step", ["transaction", "delete"])
def test_an_upload_that_ends_anywhere_goes_on(
    house: House, world: World, store: Blobs, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """After the copy, before its row; after the row, before the local file is deleted."""
    house.blobs = store
    _store(house, world, 2)
    with monkeypatch.context() as patch:
        if step == "delete":
            patch.setattr("veilmatch.store.segments.SegmentShelf.delete", _fail)
        else:
            real, calls = house.database.transaction, iter(range(9))
            patch.setattr(
                house.database, "transaction", lambda: real() if next(calls) == 0 else _fail()
            )
        with pytest.raises(StoreError):
            house.intake().upload_sealed()
    house.intake().upload_sealed()
    collector = Collector(
        house.database, house.segments, RetentionLimits(), lambda: house.now, store
    )
    collector.collect_done()
    held = house.work().lease_segment(house.now, 60)
    assert held is not None
    finish(house, world, held, match(world, house.work().read_segment(held)))
    assert house.rows("SELECT DISTINCT state FROM voucher") == [("processed",)]


def test_blobs_that_no_row_knows_are_deleted_after_a_day(
    house: House, world: World, store: Blobs, tmp_path: Path
) -> None:
    house.blobs = store
    _store(house, world, 1)
    house.intake().upload_sealed()
    store.write_file(f"segments/{os.urandom(16).hex()}.segment", _file(tmp_path, b"stray"))
    store.write_file("segments/notes.txt", _file(tmp_path, b"not ours"))
    house.now = int(time.time())
    collector = Collector(
        house.database, house.segments, RetentionLimits(), lambda: house.now, store
    )
    assert collector.collect_orphans() == 0
    house.now += 2 * 86_400
    assert collector.collect_orphans() == 1
    assert len(list(store.list("segments"))) == 2


def test_a_worker_without_the_blobs_says_so(house: House, world: World, tmp_path: Path) -> None:
    house.blobs = open_blobs(str(tmp_path / "blobs"))
    _store(house, world, 1)
    house.intake().upload_sealed()
    bare = WorkStore(house.database, house.segments, house.crypter)
    assert bare.lease_segment(house.now, 60) is None
