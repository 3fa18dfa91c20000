"""One account per user, one release for all, and nobody's failure is another's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from veilmatch.errors import ConfigError, InputError, StoreError
from veilmatch.hosts import accounts as accounts_module
from veilmatch.hosts.accounts import HostAccounts, LentTransport
from veilmatch.hosts.users import HostUsers


@pytest.fixture
def service() -> Iterator[FakeService]:
    with running_service(publish(known=[picture(0)])) as running:
        yield running


Opener = Callable[[], HostAccounts]


@pytest.fixture
def opener(tmp_path: Path, service: FakeService) -> Opener:
    HostAccounts.create(tmp_path / "host", service.url, make_policy())

    def open_host() -> HostAccounts:
        transport = LentTransport(service.url, sleep=Naps())
        options = ClientOptions(clock=lambda: NOW, transport=transport)
        return HostAccounts(tmp_path / "host", options)

    return open_host


def test_users_have_accounts_of_their_own_and_share_the_table(
    opener: Opener, service: FakeService, tmp_path: Path
) -> None:
    with opener() as host:
        host.update_release()
        assert [host.add_picture(user, picture(0)).added for user in ("17", "18")] == [1, 1]
        assert host.add_picture("17", picture(0)).known == 1
        pseudonyms = {host.client_of(user).account for user in ("17", "18")}
        assert len(pseudonyms) == 2
        assert {host.find_user(one) for one in pseudonyms} == {"17", "18"}
        assert host.send_pending().sent == 2
        assert host.pending_count() == 0
    assert len(service.vouchers) == 2
    tables = list((tmp_path / "host").rglob("*.releases"))
    assert [path.name for path in tables] == ["keeper.db.releases"]


def test_many_users_with_few_open_files(
    opener: Opener, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts_module, "_OPEN_CLIENTS", 3)
    with opener() as host:
        host.update_release()
        for turn in range(2):
            for user in range(8):
                assert host.add_picture(f"user {user}", picture(turn)).added == 1
        assert host.send_pending().sent == 16
    assert len(service.vouchers) == 16


def test_what_could_not_be_sent_waits_and_is_sent_by_the_next_process(
    opener: Opener, service: FakeService
) -> None:
    with opener() as host:
        host.update_release()
        host.add_picture("a", picture(1))
        host.add_picture("b", picture(2))
        service.faults.statuses = [403]  # one user is over the quota
        sent = host.send_pending()
        assert (sent.sent, dict(sent.failed)) == (1, {"PolicyError": 1})
        assert host.pending_count() == 1
    with opener() as host:
        assert host.send_pending().sent == 1
        assert host.pending_count() == 0
    assert len(service.vouchers) == 2


def test_a_picture_is_deleted_under_the_name_that_the_host_gave_it(
    opener: Opener, service: FakeService
) -> None:
    with opener() as host:
        host.update_release()
        host.add_picture("a", picture(1), "upload/5")
        host.add_picture("a", picture(2), "upload/6")
        host.send_pending()
        assert len(service.vouchers) == 2
        host.delete_picture("a", "upload/5")
        assert host.client_of("a").derive_asset_id("upload/6") in service.vouchers
        assert len(service.vouchers) == 1
        # another user's picture of the same name is not touched
        host.delete_picture("b", "upload/6")
        assert len(service.vouchers) == 1


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "\x00"])
def test_a_name_that_no_user_has(opener: Opener, name: str) -> None:
    with opener() as host, pytest.raises(InputError, match="user's name"):
        host.add_picture(name, picture(1))


def test_no_host_here(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no host"):
        HostAccounts(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_the_users_file_of_another_program_is_not_touched(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    path = tmp_path / "users.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (x)")
        connection.commit()
    with pytest.raises(ConfigError, match="another program"):
        HostUsers(path)
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 40)
    with pytest.raises(StoreError):
        HostUsers(path)


def test_private_things_do_not_print(opener: Opener) -> None:
    with opener() as host:
        assert repr(host) == "HostAccounts(<private>)"
        assert repr(host._users) == "HostUsers(<private>)"


def test_one_damaged_account_does_not_hold_up_the_others(
    opener: Opener, service: FakeService, tmp_path: Path
) -> None:
    with opener() as host:
        host.update_release()
        host.add_picture("a", picture(1))
        host.add_picture("b", picture(2))
    first = sorted((tmp_path / "host" / "accounts").glob("*.db"))[0]
    first.write_bytes(b"damaged")
    with opener() as host:
        sent = host.send_pending()
        assert (sent.sent, sent.failed.total()) == (1, 1)
        assert host.pending_count() == 1
