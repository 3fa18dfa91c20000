"""A folder of uploads: users, files still being written, renamed files, files that are gone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.unit.client.house import (
    NOW,
    FakeService,
    Naps,
    make_policy,
    picture,
    publish,
    running_service,
)
from veilmatch.client.session import ClientOptions
from veilmatch.client.steps.files import walk_files
from veilmatch.client.steps.reports import AddReport
from veilmatch.errors import ConfigError
from veilmatch.hosts.accounts import HostAccounts, LentTransport
from veilmatch.hosts.watch import BATCH, SETTLE_S, Watch, refresh


@pytest.fixture
def service() -> Iterator[FakeService]:
    with running_service(publish()) as running:
        yield running


@pytest.fixture
def host(tmp_path: Path, service: FakeService) -> Iterator[HostAccounts]:
    HostAccounts.create(tmp_path / "host", service.url, make_policy())
    options = ClientOptions(clock=lambda: NOW, transport=LentTransport(service.url, sleep=Naps()))
    with HostAccounts(tmp_path / "host", options) as accounts:
        assert refresh(accounts) == ""
        yield accounts


def put(path: Path, data: bytes, *, age_s: float = SETTLE_S + 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def test_every_folder_is_a_user_and_every_file_is_counted(
    host: HostAccounts, service: FakeService, tmp_path: Path
) -> None:
    uploads = tmp_path / "uploads"
    put(uploads / "anna" / "1.jpg", picture(1))
    put(uploads / "anna" / "deep" / "2.jpg", picture(2))
    put(uploads / "ben" / "1.jpg", picture(1))
    put(uploads / "ben" / "cut.jpg", picture(3)[:500])
    put(uploads / "ben" / "text.jpg", b"not a picture")
    looker = Watch(host, uploads)
    first = looker.look()
    assert (first.added, first.unsettled, first.sent.sent) == (3, 0, 3)
    assert first.refused.total() == 2
    assert host.user_count() == 2
    again = looker.look()
    assert (again.added, again.known, again.refused.total(), again.sent.sent) == (0, 0, 0, 0)
    assert len(service.vouchers) == 3


def test_a_file_is_read_once_it_is_whole(host: HostAccounts, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    path = put(uploads / "anna" / "1.jpg", picture(1)[:500], age_s=0)
    looker = Watch(host, uploads)
    assert (looker.look().unsettled, looker.look().unsettled) == (1, 1)
    put(path, picture(1))
    found = looker.look()
    assert (found.added, found.unsettled, found.refused.total()) == (1, 0, 0)


def test_one_user_for_all(host: HostAccounts, tmp_path: Path) -> None:
    put(tmp_path / "uploads" / "1.jpg", picture(1))
    put(tmp_path / "uploads" / "below" / "2.jpg", picture(2))
    assert Watch(host, tmp_path / "uploads", one_user="everyone").look().added == 2
    assert host.user_count() == 1


def test_a_renamed_file_keeps_its_voucher_and_a_gone_one_loses_it(
    host: HostAccounts, service: FakeService, tmp_path: Path
) -> None:
    uploads = tmp_path / "uploads"
    one, two = put(uploads / "a" / "1.jpg", picture(1)), put(uploads / "a" / "2.jpg", picture(2))
    looker = Watch(host, uploads, is_deleting=True)
    assert looker.look().added == 2
    one.rename(uploads / "a" / "renamed.jpg")
    found = looker.look()
    assert (found.known, found.gone, len(service.vouchers)) == (1, 0, 2)
    two.unlink()
    assert looker.look().gone == 1
    assert len(service.vouchers) == 1
    assert looker.look().gone == 0


def test_without_leave_nothing_is_deleted(
    host: HostAccounts, service: FakeService, tmp_path: Path
) -> None:
    path = put(tmp_path / "uploads" / "a" / "1.jpg", picture(1))
    looker = Watch(host, tmp_path / "uploads")
    looker.look()
    path.unlink()
    assert looker.look().gone == 0
    assert len(service.vouchers) == 1


def test_a_release_that_cannot_be_had_is_told_and_the_old_one_stays(
    host: HostAccounts, service: FakeService, tmp_path: Path
) -> None:
    service.move_to(publish(epoch=2, signatures=1), keep_old=True)
    assert refresh(host) != ""
    put(tmp_path / "uploads" / "a" / "1.jpg", picture(1))
    assert Watch(host, tmp_path / "uploads").look().sent.sent == 1


def test_no_folder(host: HostAccounts, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        Watch(host, tmp_path / "nothing")


def test_files_are_added_in_batches(
    host: HostAccounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    add = host.add_files

    def counting(user: str, files: Sequence[tuple[Path, str | None]]) -> AddReport:
        sizes.append(len(files))
        return add(user, files)

    monkeypatch.setattr(host, "add_files", counting)
    for number in range(BATCH + 8):
        put(tmp_path / "uploads" / "a" / f"{number}.jpg", b"damaged %d" % number)
    looker = Watch(host, tmp_path / "uploads")
    found = looker.look()
    assert (found.refused.total(), sizes) == (BATCH + 8, [BATCH, 8])
    assert looker.look().refused.total() == 0
    assert sizes == [BATCH, 8]


def test_a_long_look_sends_in_between(
    host: HostAccounts, service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("veilmatch.hosts.watch.SEND_EVERY_S", 0.0)
    put(tmp_path / "uploads" / "a" / "1.jpg", picture(1))
    put(tmp_path / "uploads" / "b" / "2.jpg", picture(2))
    held: list[int] = []
    add = host.add_files

    def noting(user: str, files: Sequence[tuple[Path, str | None]]) -> AddReport:
        held.append(len(service.vouchers))
        return add(user, files)

    monkeypatch.setattr(host, "add_files", noting)
    found = Watch(host, tmp_path / "uploads").look()
    assert held == [0, 1]
    assert (found.added, found.sent.sent, len(service.vouchers)) == (2, 2, 2)


def test_a_file_that_goes_away_during_a_look_is_no_refusal(
    host: HostAccounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "uploads" / "a" / "1.jpg", picture(1))
    put(tmp_path / "uploads" / "a" / "2.jpg", picture(2))

    def walk(folder: Path) -> Iterator[tuple[Path, str | None]]:
        yield from list(walk_files(folder))
        path.unlink(missing_ok=True)

    monkeypatch.setattr("veilmatch.hosts.watch.walk_files", walk)
    found = Watch(host, tmp_path / "uploads").look()
    assert (found.added, found.refused.total()) == (1, 0)
