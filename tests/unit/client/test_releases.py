"""Fetching a release: resumable, checked before use, and the old one stays until then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.client.house import (
    NOW,
    SMALL,
    FakeService,
    PublishedRelease,
    make_client,
    make_policy,
    options,
    picture,
    publish,
    running_service,
)
from veilmatch.client.sdk import Client
from veilmatch.client.session import ClientOptions
from veilmatch.errors import (
    ConfigError,
    EncodingError,
    Error,
    ExpiredError,
    NetworkError,
    ParameterError,
    ProofError,
    RollbackError,
    SignatureError,
    StoreError,
    TableError,
    VerificationError,
)


@pytest.fixture(scope="module")
def releases() -> tuple[PublishedRelease, PublishedRelease]:
    return publish(1), publish(2)


@pytest.fixture
def service(releases: tuple[PublishedRelease, ...]) -> Iterator[FakeService]:
    with running_service(releases[0]) as running:
        yield running


@pytest.fixture
def client(service: FakeService, tmp_path: Path) -> Iterator[Client]:
    with make_client(tmp_path, service.url) as made:
        made.update_release()
        yield made


def folders(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "device.db.releases").iterdir())


def test_update_is_idempotent_and_replaces_the_old(
    client: Client, service: FakeService, tmp_path: Path, releases: tuple[PublishedRelease, ...]
) -> None:
    same = client.update_release()
    assert (same.changed, same.epoch) == (False, 1)
    assert service.requests["GET table.bin"] == 1
    service.move_to(releases[1], keep_old=True)
    newer = client.update_release()
    assert (newer.changed, newer.epoch) == (True, 2)
    assert folders(tmp_path) == [releases[1].release_id.hex()]


def _bad_files(good: PublishedRelease) -> Iterator[tuple[str, dict[str, bytes], type[Error]]]:
    files = good.files
    table, manifest, approvals = files["table.bin"], files["manifest.json"], files["approvals.json"]
    flipped = bytearray(table)
    flipped[64] ^= 1
    twin = table[:96] + table[64:96] + table[128:]
    swapped = table[:64] + table[96:128] + table[64:96] + table[128:]
    yield "row flipped", {"table.bin": bytes(flipped)}, VerificationError
    yield "row repeated", {"table.bin": twin}, TableError
    yield "rows swapped", {"table.bin": swapped}, VerificationError
    yield "table cut", {"table.bin": table[:-1]}, TableError
    yield "table long", {"table.bin": table + b"\0"}, TableError
    yield "table empty", {"table.bin": b""}, TableError
    yield "table header", {"table.bin": b"X" + table[1:]}, TableError
    yield "manifest garbage", {"manifest.json": b"\xff" * 100}, EncodingError
    yield "manifest cut", {"manifest.json": manifest[:-2]}, EncodingError
    other_number = manifest.replace(b'"delta_max":3', b'"delta_max":4')
    yield "manifest changed", {"manifest.json": other_number}, VerificationError
    other_public = manifest.replace(
        good.built.manifest.public.hex().encode(), good.built.table.rows[0].tobytes().hex().encode()
    )
    yield "public value changed", {"manifest.json": other_public}, ProofError
    yield "approvals garbage", {"approvals.json": b"{}"}, EncodingError
    other_signature = approvals.replace(b'"signature":"', b'"signature":"00', 1)
    yield "approval malformed", {"approvals.json": other_signature}, Error


@pytest.mark.parametrize("number", range(13))
def test_bad_release_is_refused_and_the_old_one_stays(
    number: int,
    client: Client,
    service: FakeService,
    tmp_path: Path,
    releases: tuple[PublishedRelease, ...],
) -> None:
    old, good = releases
    cases = list(_bad_files(good))
    assert len(cases) == 13
    _, changes, expected = cases[number]
    assert any(good.files[name] != data for name, data in changes.items())
    service.move_to(replace(good, files={**good.files, **changes}), keep_old=True)
    with pytest.raises(expected):
        client.update_release()
    assert client.status().release is not None
    assert client.add_picture(picture(0)).added == 1
    client.send()
    assert all(old.release_id in body for body in service.vouchers.values())
    service.move_to(good, keep_old=True)  # mended: nothing of the bad one is left over
    assert client.update_release().epoch == 2
    assert folders(tmp_path) == [good.release_id.hex()]


def test_truncated_download_goes_on_where_it_stopped(
    client: Client, service: FakeService, releases: tuple[PublishedRelease, ...], tmp_path: Path
) -> None:
    service.move_to(releases[1], keep_old=True)
    service.faults.drop_table_at = 3000
    total = len(releases[1].files["table.bin"])
    service.ranges.clear()
    assert client.update_release().epoch == 2
    asked = [text for text in service.ranges if text]
    assert asked == [f"bytes={at}-" for at in range(3000, total, 3000)]


def test_half_a_table_is_kept_for_the_next_run(
    service: FakeService, releases: tuple[PublishedRelease, ...], tmp_path: Path
) -> None:
    with make_client(tmp_path, service.url) as client:
        service.faults.drop_table_at = 1000
        service.faults.statuses = []
        part = tmp_path / "device.db.releases" / f"{releases[0].release_id.hex()}.part"
        part.mkdir(parents=True)
        (part / "table.bin").write_bytes(releases[0].files["table.bin"][:5000])
        client.update_release()
        assert service.ranges[0] == "bytes=5000-"


def test_wrong_half_of_a_table_is_not_kept(
    service: FakeService, releases: tuple[PublishedRelease, ...], tmp_path: Path
) -> None:
    with make_client(tmp_path, service.url) as client:
        part = tmp_path / "device.db.releases" / f"{releases[0].release_id.hex()}.part"
        part.mkdir(parents=True)
        (part / "table.bin").write_bytes(b"\xee" * 5000)
        with pytest.raises(TableError):
            client.update_release()
        assert client.update_release().epoch == 1


def test_service_without_ranges(
    client: Client, service: FakeService, releases: tuple[PublishedRelease, ...], tmp_path: Path
) -> None:
    service.move_to(releases[1], keep_old=True)
    part = tmp_path / "device.db.releases" / f"{releases[1].release_id.hex()}.part"
    part.mkdir()
    (part / "table.bin").write_bytes(releases[1].files["table.bin"][:5000])
    service.faults.ignore_range = True
    assert client.update_release().epoch == 2


def test_service_that_always_breaks_off_is_given_up(
    client: Client, service: FakeService, releases: tuple[PublishedRelease, ...]
) -> None:
    service.move_to(releases[1], keep_old=True)
    service.faults.ignore_range = True
    service.faults.drop_table_at = 3000
    with pytest.raises(NetworkError):
        client.update_release()
    assert client.add_picture(picture(0)).added == 1


def test_older_release_is_refused_for_good(
    client: Client,
    service: FakeService,
    releases: tuple[PublishedRelease, ...],
    tmp_path: Path,
) -> None:
    service.move_to(releases[1], keep_old=True)
    client.update_release()
    service.move_to(releases[0], keep_old=True)
    with pytest.raises(RollbackError):
        client.update_release()
    client.close()
    with Client.open(tmp_path / "device.db", options=options(service.url)) as again:
        with pytest.raises(RollbackError):
            again.update_release()
        assert again.add_picture(picture(0)).added == 1


def test_service_that_lies_about_the_epoch(
    client: Client, service: FakeService, releases: tuple[PublishedRelease, ...]
) -> None:
    service.move_to(releases[1], keep_old=True)
    client.update_release()
    old = releases[0]
    manifest = replace(old.built.manifest, epoch=9)
    lying = replace(old, built=replace(old.built, manifest=manifest))
    service.releases[old.release_id] = old
    service.current = lying  # says epoch 9, serves the files of epoch 1
    with pytest.raises(RollbackError):
        client.update_release()


def test_two_releases_of_one_epoch(client: Client, service: FakeService) -> None:
    service.move_to(publish(1), keep_old=True)
    with pytest.raises(RollbackError, match="same epoch"):
        client.update_release()


@pytest.mark.parametrize(
    ("release", "error"),
    [
        (publish(2, approvals=1), SignatureError),
        (publish(2, approvals=0), SignatureError),
        (publish(2, created_at=NOW - 100, valid_s=50), ExpiredError),
        (publish(2, created_at=NOW + 3 * 24 * 3600), ExpiredError),
        (publish(2, parameters=replace(SMALL, min_shares=3)), ParameterError),
        (publish(2, parameters=replace(SMALL, ad_len=20_000)), ParameterError),
    ],
    ids=["one approval", "no approval", "expired", "future", "few shares", "large"],
)
def test_release_outside_the_policy(
    release: PublishedRelease, error: type[Error], client: Client, service: FakeService
) -> None:
    service.move_to(release, keep_old=True)
    with pytest.raises(error):
        client.update_release()
    assert service.requests["GET table.bin"] <= 2
    assert client.add_picture(picture(0)).added == 1


def test_unapproved_release_costs_no_download(client: Client, service: FakeService) -> None:
    service.move_to(publish(2, approvals=1), keep_old=True)
    before = service.requests["GET table.bin"]
    with pytest.raises(SignatureError):
        client.update_release()
    assert service.requests["GET table.bin"] == before


def test_damaged_files_are_noticed_and_fetched_again(
    client: Client,
    service: FakeService,
    releases: tuple[PublishedRelease, ...],
    tmp_path: Path,
) -> None:
    client.close()
    table = tmp_path / "device.db.releases" / releases[0].release_id.hex() / "table.bin"
    data = bytearray(table.read_bytes())
    for damage in ("flip", "empty", "gone"):
        if damage == "flip":
            data[200] ^= 0x40
            table.write_bytes(bytes(data))
        elif damage == "empty":
            table.write_bytes(b"")
        else:
            table.unlink()
        with Client.open(tmp_path / "device.db", options=options(service.url)) as again:
            with pytest.raises((VerificationError, StoreError)):
                again.add_picture(picture(0))
            assert (damage == "flip") == (again.status().release_error is None)
            assert again.update_release().changed
            assert again.add_picture(picture(0)).total == 1


def test_policy_floor_is_the_apps(
    service: FakeService, tmp_path: Path, releases: tuple[PublishedRelease, ...]
) -> None:
    strict = make_policy(min_shares_floor=31)
    chosen = options(service.url)
    with (
        Client.create(tmp_path / "s.db", service.url, strict, options=chosen) as client,
        pytest.raises(ParameterError),
    ):
        client.update_release()


def test_new_trust_and_address_take_the_place_of_the_old(
    client: Client, service: FakeService, tmp_path: Path
) -> None:
    client.close()
    path = tmp_path / "device.db"
    strict = make_policy(min_shares_floor=31)
    with (
        Client.open(path, policy=strict, options=options(service.url)) as again,
        pytest.raises(ParameterError),
    ):
        again.add_picture(picture(0))  # the release in use is below the new floor
    with Client.open(path, policy=make_policy(), options=options(service.url)) as again:
        assert again.add_picture(picture(0)).added == 1
    with pytest.raises(ConfigError):
        Client.open(path, server="http://photos.example")
    with (
        Client.open(path, server="http://127.0.0.1:9", options=ClientOptions()) as again,
    ):
        assert again._session.state.setting("server") == b"http://127.0.0.1:9"
