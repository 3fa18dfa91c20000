"""Fetching a release: resumable, checked before use, and the old one stays until then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.publication import SHARD_LEN, table_file
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
    MetadataError,
    NetworkError,
    ParameterError,
    ProofError,
    RollbackError,
    SignatureError,
    StoreError,
    TableError,
    VerificationError,
)
from veilmatch.release.manifest import MANIFEST, SHARDS
from veilmatch.release.shards import build_shard_list, cut_shards, parse_shard_list
from veilmatch.release.trusted_release import PROOF, STATEMENT


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
    assert service.requests["GET shard"] == SHARDS_EACH
    service.move_to(releases[1], keep_old=True)
    newer = client.update_release()
    assert (newer.changed, newer.epoch) == (True, 2)
    assert folders(tmp_path) == [releases[1].release_id.hex()]


def _bad_files(good: PublishedRelease) -> Iterator[tuple[str, PublishedRelease, type[Error]]]:
    """Releases that both providers sign, and public files that nobody signed."""
    manifest, table = good.built.manifest, table_file(good.built)
    flipped = bytearray(table)
    flipped[64] ^= 1
    twin = table[:96] + table[64:96] + table[128:]
    swapped = table[:64] + table[96:128] + table[64:96] + table[128:]
    tables = [("flipped", bytes(flipped)), ("repeated", twin), ("swapped", swapped)]
    tables.append(("header", b"X" + table[1:]))
    for name, data in tables:
        shards = list(cut_shards([data], SHARD_LEN))
        listed = build_shard_list(shards, SHARD_LEN)
        spoilt = {
            f"shards/{digest.hex()}": shard
            for digest, shard in zip(listed.digests, shards, strict=True)
        }
        changed = replace(good, changes={SHARDS: listed.to_bytes()})
        yield f"rows {name}", replace(changed, more=spoilt), TableError
    for name, data in (("cut", table[:-1]), ("long", table + bytes(1))):
        listed = build_shard_list(cut_shards([data], SHARD_LEN), SHARD_LEN)
        yield f"table {name}", replace(good, changes={SHARDS: listed.to_bytes()}), TableError
    for name, data in (("empty", b""), ("other", b"x"), ("long", bytes(SHARD_LEN + 1))):
        yield f"shards {name}", replace(good, spoilt={"shards/": data}), TableError
    garbage = {"garbage": b"\xff" * 100, "cut": manifest.to_bytes()[:-2]}
    for name, data in garbage.items():
        yield f"manifest {name}", replace(good, changes={MANIFEST: data}), EncodingError
    other = replace(manifest, parameters=replace(manifest.parameters, delta_max=4)).to_bytes()
    yield "manifest changed", replace(good, changes={MANIFEST: other}), ProofError
    public = replace(manifest, public=good.built.table.rows[0].tobytes())
    built = replace(good.built, manifest=public)
    yield "public value changed", replace(good, built=built), ProofError
    for name in (MANIFEST, SHARDS, STATEMENT, PROOF):
        yield f"{name} spoilt", replace(good, spoilt={f".{name}": b"{}"}), MetadataError
    for name in ("timestamp", "2.snapshot", "2.targets"):
        wrong = replace(good, spoilt={f"metadata/{name}.json": b"{}"})
        yield f"{name} spoilt", wrong, VerificationError if name[0] == "2" else EncodingError


BAD_COUNT = 20
SHARDS_EACH = 4


@pytest.mark.parametrize("number", range(BAD_COUNT))
def test_bad_release_is_refused_and_the_old_one_stays(
    number: int,
    client: Client,
    service: FakeService,
    tmp_path: Path,
    releases: tuple[PublishedRelease, ...],
) -> None:
    old, good = releases
    cases = list(_bad_files(good))
    assert len(cases) == BAD_COUNT
    _, bad, expected = cases[number]
    service.move_to(bad, keep_old=True)
    with pytest.raises(expected):
        client.update_release()
    assert client.status().release is not None
    assert client.add_picture(picture(0)).added == 1
    client.send()
    assert all(old.release_id in body for body in service.vouchers.values())
    service.move_to(good, keep_old=True)  # mended: nothing of the bad one is left over
    assert client.update_release().epoch == 2
    assert folders(tmp_path) == [good.release_id.hex()]


def test_interrupted_shards_are_fetched_again(
    client: Client, service: FakeService, releases: tuple[PublishedRelease, ...]
) -> None:
    service.move_to(releases[1], keep_old=True)
    service.faults.drop_shards = 2
    service.shards.clear()
    assert client.update_release().epoch == 2
    assert len(service.shards) == SHARDS_EACH + 2


def test_shards_that_are_there_are_not_fetched_again(
    service: FakeService, releases: tuple[PublishedRelease, ...], tmp_path: Path
) -> None:
    table = table_file(releases[0].built)
    part = tmp_path / "device.db.releases" / f"{releases[0].release_id.hex()}.part"
    part.mkdir(parents=True)
    (part / "table.bin").write_bytes(bytes(SHARD_LEN) + table[SHARD_LEN : 2 * SHARD_LEN] + b"x")
    seen: list[tuple[int, int]] = []
    with make_client(tmp_path, service.url) as client:
        client.update_release(lambda done, total: seen.append((done, total)))
    assert len(service.shards) == SHARDS_EACH - 1
    assert seen[-1] == (len(table), len(table))
    assert (tmp_path / "device.db.releases" / part.stem / "table.bin").read_bytes() == table


def test_what_was_fetched_before_the_line_broke_is_kept(
    client: Client, service: FakeService, releases: tuple[PublishedRelease, ...]
) -> None:
    service.move_to(releases[1], keep_old=True)
    listed = parse_shard_list(service.publisher.files[SHARDS])
    last = f"shards/{listed.digests[-1].hex()}"
    held = service.public.pop(last)
    with pytest.raises(NetworkError):
        client.update_release()
    service.public[last] = held
    service.shards.clear()
    assert client.update_release().epoch == 2
    assert len(service.shards) < SHARDS_EACH


def test_service_that_always_breaks_off_is_given_up(
    client: Client, service: FakeService, releases: tuple[PublishedRelease, ...]
) -> None:
    service.move_to(releases[1], keep_old=True)
    service.faults.drop_shards = 10_000
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


def test_two_releases_of_one_epoch(client: Client, service: FakeService) -> None:
    service.move_to(publish(1), keep_old=True)
    with pytest.raises(RollbackError, match="same epoch"):
        client.update_release()


@pytest.mark.parametrize(
    ("release", "error"),
    [
        (publish(2, signatures=1), SignatureError),
        (publish(2, signatures=0), SignatureError),
        (publish(2, created_at=NOW - 100, valid_s=50), ExpiredError),
        (publish(2, created_at=NOW + 3 * 24 * 3600), ExpiredError),
        (publish(2, parameters=replace(SMALL, min_shares=3)), ParameterError),
        (publish(2, parameters=replace(SMALL, ad_len=20_000)), ParameterError),
    ],
    ids=["one signature", "no signature", "expired", "future", "few shares", "large"],
)
def test_release_outside_the_policy(
    release: PublishedRelease, error: type[Error], client: Client, service: FakeService
) -> None:
    service.move_to(release, keep_old=True)
    with pytest.raises(error):
        client.update_release()
    assert service.requests["GET shard"] == SHARDS_EACH
    assert client.add_picture(picture(0)).added == 1


def test_unsigned_release_costs_no_download(client: Client, service: FakeService) -> None:
    service.move_to(publish(2, signatures=1), keep_old=True)
    before = service.requests["GET shard"]
    with pytest.raises(SignatureError):
        client.update_release()
    assert service.requests["GET shard"] == before


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
