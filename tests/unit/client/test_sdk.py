"""What an app can do with a client, against a small service over real HTTP."""

from __future__ import annotations

import hashlib
import json
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.odd_files import odd_files, outcome
from tests.unit.client.house import (
    DAY,
    NOW,
    FakeService,
    Naps,
    PublishedRelease,
    asset_kinds,
    content_id,
    flat_picture,
    make_client,
    make_policy,
    options,
    picture,
    publish,
    resaved,
    running_service,
    write_pictures,
)
from veilmatch.client.sdk import Client
from veilmatch.errors import (
    ConfigError,
    DuplicateError,
    EncodingError,
    EpochError,
    ExpiredError,
    InputError,
    LengthError,
    NetworkError,
    StoreError,
)
from veilmatch.hashing.picture import REASONS

KNOWN = [picture(index) for index in range(3)]


@pytest.fixture(scope="module")
def release() -> PublishedRelease:
    return publish(known=KNOWN)


@pytest.fixture
def service(release: PublishedRelease) -> Iterator[FakeService]:
    with running_service(release) as running:
        yield running


@pytest.fixture
def client(service: FakeService, tmp_path: Path) -> Iterator[Client]:
    with make_client(tmp_path, service.url) as made:
        made.update_release()
        yield made


def test_folder_is_added_and_sent_once(
    client: Client, service: FakeService, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "photos", 40)
    progress: list[tuple[int, int]] = []
    report = client.add_folder(
        tmp_path / "photos", lambda done, total: progress.append((done, total))
    )
    assert (report.added, report.known, dict(report.refused)) == (40, 0, {})
    assert progress == [(32, 40), (40, 40)]
    assert client.send().sent == 40
    assert len(service.vouchers) == 40
    assert service.requests["POST"] == 2
    again = client.add_folder(tmp_path / "photos")
    assert (again.added, again.known) == (0, 40)
    assert client.send().sent == 0
    assert all(len(bodies) == 1 for bodies in service.bodies.values())
    assert len({len(body) for body in service.vouchers.values()}) == 1


def test_kinds_follow_the_rules(client: Client) -> None:
    client.add_picture(picture(0))
    client.add_picture(resaved(picture(0)))  # another file, the same hash
    client.add_picture(flat_picture())  # below the quality gate
    kinds = asset_kinds(client)
    assert kinds[content_id(client, picture(0))] == "real"
    assert kinds[content_id(client, resaved(picture(0)))] == "null"
    assert kinds[content_id(client, flat_picture())] == "null"


def test_same_hash_within_one_chunk_is_real_once(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    write_pictures(folder, 1)
    (folder / "copy.png").write_bytes(resaved(picture(0)))
    (folder / "same-file.jpg").write_bytes(picture(0))
    report = client.add_folder(folder)
    assert (report.added, report.known) == (2, 1)
    assert sorted(asset_kinds(client).values()) == ["null", "real"]


def test_refused_pictures_are_counted_and_tried_again(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    write_pictures(folder, 2)
    bad = folder / "bad.jpg"
    bad.write_bytes(picture(5)[:-400])
    (folder / "notes.txt").write_text("not a picture")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    report = client.add_folder(folder)
    expected = {"truncated": 1, "unsupported": 1, "linked_folder": 1}
    assert (report.added, dict(report.refused)) == (2, expected)
    assert report.total == 5
    again = client.add_folder(folder)
    assert (again.known, dict(again.refused)) == (2, expected)
    assert client.status().refused == expected
    bad.write_bytes(picture(5))  # the file was repaired
    (folder / "notes.txt").unlink()  # and this one is gone
    mended = client.add_folder(folder)
    assert (mended.added, dict(mended.refused)) == (1, {"linked_folder": 1})
    assert client.status().refused == {"linked_folder": 1}


def test_odd_files_are_counted_by_reason(client: Client, tmp_path: Path) -> None:
    """Every tenth of the thousand; what is not hashed is shown, whatever its name says."""
    folder = tmp_path / "odd"
    folder.mkdir()
    expected, hashed = Counter[str](), set[bytes]()
    for number, (_, name, data) in enumerate(odd_files()[::10]):
        (folder / f"{number}-{name}").write_bytes(data)
        told = outcome(data)
        if told in REASONS:
            expected[told] += 1
        else:
            hashed.add(data)
    report = client.add_folder(folder)
    assert report.refused == expected
    assert report.added == len(hashed)
    assert report.total == len(odd_files()[::10])
    assert client.status().refused == dict(expected)


def test_refused_picture_is_tried_again_by_another_decoder(client: Client) -> None:
    bad = picture(5)[:-400]
    assert client.add_picture(bad).refused == {"truncated": 1}
    client._session.state.write("UPDATE refused SET decoder = ?, reason = 'unreadable'", b"old")
    assert client.add_picture(bad).refused == {"truncated": 1}
    assert client.status().refused == {"truncated": 1}


def test_own_asset_ids(client: Client, service: FakeService) -> None:
    asset_id = bytes(range(16))
    assert client.add_picture(picture(1), asset_id).added == 1
    assert client.add_picture(picture(1), asset_id).known == 1
    with pytest.raises(DuplicateError):
        client.add_picture(picture(2), asset_id)
    with pytest.raises(LengthError):
        client.add_picture(picture(2), b"short")
    client.send()
    assert set(service.vouchers) == {asset_id}


def test_without_release_nothing_is_made(service: FakeService, tmp_path: Path) -> None:
    with make_client(tmp_path, service.url) as client:
        with pytest.raises(ConfigError, match="no release"):
            client.add_picture(picture(0))
        assert client.status().release is None
        assert client.status().release_error is None


def test_expired_release_makes_no_vouchers_and_sends_what_is_there(
    service: FakeService, tmp_path: Path
) -> None:
    with make_client(tmp_path, service.url) as client:
        client.update_release()
        client.add_picture(picture(0))
    late = options(service.url, now=NOW + 31 * DAY)
    with Client.open(tmp_path / "device.db", options=late) as client:
        with pytest.raises(ExpiredError):
            client.add_picture(picture(1))
        with pytest.raises(ExpiredError):
            client.update_release()  # the service has nothing newer
        assert isinstance(client.status().release_error, ExpiredError)
        assert client.send().sent == 1


def test_lost_replies_count_once_with_identical_bytes(
    client: Client, service: FakeService, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "photos", 40)
    client.add_folder(tmp_path / "photos")
    service.faults.drop_replies = 2
    assert client.send().sent == 40
    assert service.requests["POST"] > 2
    assert len(service.vouchers) == 40
    assert all(len(bodies) == 1 for bodies in service.bodies.values())


def test_outage_loses_nothing(client: Client, service: FakeService) -> None:
    client.add_picture(picture(0))
    queued = client._session.state.rows("SELECT voucher FROM outbox")
    service.faults.statuses = [503] * 5
    with pytest.raises(NetworkError):
        client.send()
    assert client.status().queued == 1
    assert client.send().sent == 1
    assert list(service.vouchers.values()) == [queued[0][0]]


def test_smaller_batches_where_the_service_wants_them(
    client: Client, service: FakeService, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "photos", 20)
    client.add_folder(tmp_path / "photos")
    service.faults.max_vouchers = 6
    assert client.send().sent == 20
    service.faults.statuses = [413]
    client.add_picture(picture(30))
    with pytest.raises(LengthError):
        client.send()
    assert client.status().queued == 1


def test_deletion_survives_an_outage(client: Client, service: FakeService, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", 3)
    client.add_folder(tmp_path / "photos")
    client.send()
    ids = client.find_assets(paths[0])
    assert ids == [content_id(client, picture(0))]
    service.faults.statuses = [503] * 5
    with pytest.raises(NetworkError):
        client.delete(ids)
    assert client.status().deleting == 1
    assert client.send().deleted == 1
    assert service.deleted == set(ids)
    assert len(service.vouchers) == 2
    assert client.delete(ids) == 0
    assert client.delete([bytes(16)]) == 0


def test_deleted_before_it_was_sent_is_never_sent(client: Client, service: FakeService) -> None:
    client.add_picture(picture(0))
    assert client.delete([content_id(client, picture(0))]) == 1
    assert client.send().sent == 0
    assert service.vouchers == {}


def test_restored_picture_counts_again_under_another_id(
    client: Client, service: FakeService
) -> None:
    client.add_picture(picture(0))
    client.send()
    first = content_id(client, picture(0))
    client.delete([first])
    assert client.add_picture(picture(0)).added == 1
    client.send()
    assert first not in service.vouchers
    kinds = asset_kinds(client)
    (second,) = service.vouchers
    assert kinds[second] == "real"
    with pytest.raises(DuplicateError):
        client.add_picture(picture(0), first)


def test_find_assets_of_a_removed_file(client: Client, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", 1)
    client.add_folder(tmp_path / "photos")
    paths[0].unlink()
    assert client.find_assets(paths[0]) == [content_id(client, picture(0))]
    assert client.find_assets(tmp_path / "nowhere") == []


def test_newer_release_makes_refused_vouchers_again_with_their_kind(
    service: FakeService, client: Client, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "photos", 35)
    client.add_folder(tmp_path / "photos")
    lost = tmp_path / "photos" / "0003.jpg"
    kinds = asset_kinds(client)
    lost.rename(tmp_path / "elsewhere.jpg")
    newer = publish(2, KNOWN)
    service.move_to(newer, keep_old=False)
    report = client.send()
    assert (report.sent, report.remade, report.waiting) == (34, 34, 1)
    assert asset_kinds(client) == kinds
    assert all(newer.release_id in body[:65] for body in service.vouchers.values())
    assert client.status().waiting == 1
    assert client.send().waiting == 1
    (tmp_path / "elsewhere.jpg").rename(lost)
    assert client.send().sent == 1
    assert asset_kinds(client) == kinds
    assert len(service.vouchers) == 35


def test_stale_voucher_is_made_again_when_its_picture_is_added_again(
    service: FakeService, client: Client
) -> None:
    client.add_picture(picture(0))
    service.move_to(publish(2, KNOWN), keep_old=False)
    assert client.send().waiting == 1
    assert client.add_picture(picture(0)).added == 1
    assert client.send().sent == 1


def test_app_gives_pictures_again(service: FakeService, tmp_path: Path) -> None:
    album = {bytes([n]) * 16: picture(n) for n in range(4)}
    chosen = options(service.url, pictures=album.get)
    with Client.create(tmp_path / "a.db", service.url, make_policy(), options=chosen) as client:
        client.update_release()
        for asset_id, data in album.items():
            client.add_picture(data, asset_id)
        album[bytes([3]) * 16] = picture(9)  # edited meanwhile: must not be used
        service.move_to(publish(2, KNOWN), keep_old=False)
        report = client.send()
    assert (report.sent, report.remade, report.waiting) == (3, 3, 1)


def test_old_vouchers_stay_valid_while_the_service_takes_them(
    service: FakeService, client: Client
) -> None:
    client.add_picture(picture(0))
    service.move_to(publish(2, KNOWN), keep_old=True)
    client.update_release()
    client.add_picture(picture(1))
    report = client.send()
    assert (report.sent, report.remade) == (2, 0)


def test_service_that_refuses_its_own_release(service: FakeService, client: Client) -> None:
    client.add_picture(picture(0))
    service.accepted.clear()
    with pytest.raises(EpochError):
        client.send()
    assert client.status().queued == 1


def test_second_device_makes_the_same_decisions(
    client: Client, service: FakeService, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "photos", 6)
    client.add_folder(tmp_path / "photos")
    exported = client.export_account()  # decided, not sent
    with make_client(tmp_path, service.url, "second.db", account=exported) as second:
        second.update_release()
        assert asset_kinds(second) == asset_kinds(client)
        assert second.add_folder(tmp_path / "photos").added == 6
        assert second.add_picture(resaved(picture(2))).added == 1  # seen on the first device
        assert asset_kinds(second)[content_id(client, resaved(picture(2)))] == "null"
        assert second.send().sent == 7
        assert client.import_account(second.export_account()) == 7
        assert client.send().sent == 0
        assert asset_kinds(second) == asset_kinds(client)
    assert len(service.vouchers) == 7
    pseudonyms = {body[1:17] for body in service.vouchers.values()}
    assert len(pseudonyms) == 1


def test_second_device_learns_what_was_sent_and_deleted(
    client: Client, service: FakeService, tmp_path: Path
) -> None:
    for index in range(3):
        client.add_picture(picture(index))
    client.send()
    client.delete([content_id(client, picture(0))])
    exported = client.export_account()
    with make_client(tmp_path, service.url, "second.db", account=exported) as second:
        second.update_release()
        assert second.add_picture(picture(1)).known == 1
        assert second.add_picture(picture(0)).added == 1  # under its next id, as on the first
        assert second.export_account() != exported
        first_next, _ = client._adder.resolve(hashlib.sha256(picture(0)).digest())
        assert first_next in asset_kinds(second)


def test_import_of_another_account_is_refused(
    client: Client, service: FakeService, tmp_path: Path
) -> None:
    with make_client(tmp_path, service.url, "other.db") as other:
        with pytest.raises(InputError, match="another account"):
            client.import_account(other.export_account())
        with pytest.raises(EncodingError):
            client.import_account(b"garbage")


def test_create_with_a_bad_account_file_leaves_nothing(
    service: FakeService, tmp_path: Path, client: Client
) -> None:
    value = json.loads(client.export_account())
    value["assets"] = [{"id": "00" * 16, "kind": "odd", "state": "sent", "seen_tags": []}]
    bad = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(EncodingError, match="kind"):
        make_client(tmp_path, service.url, "second.db", account=bad)
    assert not list(tmp_path.glob("*second*"))


def test_nothing_private_is_printed(client: Client) -> None:
    client.add_picture(picture(0))
    session = client._session
    secrets = [
        session.account.reveal().reveal().hex(),
        session.account.pseudonym.hex(),
        content_id(client, picture(0)).hex(),
    ]
    for text in (repr(client), repr(session), repr(session.state), repr(client.status())):
        assert not any(secret in text for secret in secrets)


def test_state_file_is_private(client: Client, tmp_path: Path) -> None:
    for path in tmp_path.glob("device.db*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_jitter_waits_within_its_bounds(service: FakeService, tmp_path: Path) -> None:
    naps = Naps()
    chosen = options(service.url, naps=naps)
    with Client.create(tmp_path / "a.db", service.url, make_policy(), options=chosen) as client:
        service.faults.statuses = [503] * 3
        client.update_release()
    assert len(naps.taken) == 3
    assert all(0 <= nap <= limit for nap, limit in zip(naps.taken, (0.5, 1, 2), strict=True))


def test_two_cores_do_what_one_does(service: FakeService, tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 20)
    (tmp_path / "photos" / "cut.jpg").write_bytes(picture(50)[:-200])
    one = options(service.url)
    with Client.create(tmp_path / "one.db", service.url, make_policy(), options=one) as client:
        client.update_release()
        first = client.add_folder(tmp_path / "photos")
        exported, kinds = client.export_account(), asset_kinds(client)
    value = json.loads(exported)
    value["assets"], value["upload_count"] = [], 0
    fresh = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    two = replace(options(service.url), threads=2)
    with Client.create(
        tmp_path / "two.db", service.url, make_policy(), account=fresh, options=two
    ) as client:
        client.update_release()
        assert client.add_folder(tmp_path / "photos") == first
        assert asset_kinds(client) == kinds
        assert client.send().sent == 20


def test_decision_counter_and_voucher_are_one_transaction(client: Client) -> None:
    """Whatever of the three cannot be written, nothing of them is."""
    state = client._session.state
    for table in ("outbox", "asset", "seen"):
        state.write(
            f"CREATE TRIGGER stop BEFORE INSERT ON {table} BEGIN SELECT raise(ABORT, 'full'); END"
        )
        with pytest.raises(StoreError):
            client.add_picture(picture(0))
        state.write("DROP TRIGGER stop")
        assert asset_kinds(client) == {}
        assert client._session.records.upload_count == 0
        assert client.status().queued == 0
    assert client.add_picture(picture(0)).added == 1
    assert asset_kinds(client)[content_id(client, picture(0))] == "real"
