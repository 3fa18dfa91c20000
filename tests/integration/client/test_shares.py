"""What is inside the vouchers that a client sends: read with the table secret, as a worker does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.unit.client.house import (
    SMALL,
    FakeService,
    PublishedRelease,
    content_id,
    make_client,
    picture,
    publish,
    resaved,
    running_service,
)
from veilmatch.client.sdk import Client
from veilmatch.errors import TooFewSharesError
from veilmatch.matching.match import match_vouchers
from veilmatch.matching.match_set import MatchSet
from veilmatch.matching.share import Share
from veilmatch.opening.case import open_account
from veilmatch.voucher.voucher import layout_of, parse_voucher

KNOWN = [picture(index) for index in range(5)]
LAYOUT = layout_of(SMALL)


def shares(release: PublishedRelease, bodies: Iterable[bytes]) -> dict[bytes, Share]:
    vouchers = [parse_voucher(body, LAYOUT) for body in bodies]
    found = match_vouchers(release.built.secret, LAYOUT, vouchers)
    return {one.share.asset_id: one.share for one in found if one.share}


def queued(client: Client) -> list[bytes]:
    return [row[0] for row in client._session.state.rows("SELECT voucher FROM outbox")]


@pytest.fixture(scope="module")
def release() -> PublishedRelease:
    return publish(known=KNOWN)


@pytest.fixture
def service(release: PublishedRelease) -> Iterator[FakeService]:
    with running_service(release) as running:
        yield running


def test_two_devices_send_one_share_identity(
    service: FakeService, release: PublishedRelease, tmp_path: Path
) -> None:
    with make_client(tmp_path, service.url) as first:
        first.update_release()
        for data in KNOWN[:3]:
            first.add_picture(data)
        ours = shares(release, queued(first))
        exported = first.export_account()
        with make_client(tmp_path, service.url, "second.db", account=exported) as second:
            second.update_release()
            for data in KNOWN[:3]:
                second.add_picture(data)
            theirs = shares(release, queued(second))
            assert set(queued(first)).isdisjoint(queued(second))
            second.send()
            first.send()
    assert len(ours) == len(theirs) == 3
    for asset_id, share in ours.items():
        other = theirs[asset_id]
        assert (share.point, share.value, share.words) == (other.point, other.value, other.words)
    assert len(MatchSet([*ours.values(), *theirs.values()])) == 3
    # The service took the first body it saw under each id, and the second changed nothing.
    assert all(len(bodies) == 2 for bodies in service.bodies.values())
    assert len(service.vouchers) == 3


def test_shares_of_two_devices_open_together_and_not_one_fewer(
    service: FakeService, release: PublishedRelease, tmp_path: Path
) -> None:
    with make_client(tmp_path, service.url) as first:
        first.update_release()
        first.add_picture(KNOWN[0])
        first.add_picture(KNOWN[1])
        first.add_picture(resaved(KNOWN[1]))  # the same hash: null, and adds nothing
        first.add_picture(picture(20))  # unknown
        first.send()
        account = first._session.account.pseudonym
        exported = first.export_account()
    with make_client(tmp_path, service.url, "second.db", account=exported) as second:
        second.update_release()
        second.add_picture(resaved(KNOWN[0]))  # seen on the first device: null
        second.add_picture(KNOWN[2])
        second.send()
        three = MatchSet(shares(release, service.vouchers.values()).values())
        assert len(three) == 3
        with pytest.raises(TooFewSharesError):
            _opened(account, three)
        second.add_picture(KNOWN[3])
        second.send()
        wanted = {content_id(second, data) for data in KNOWN[:4]}
    four = MatchSet(shares(release, service.vouchers.values()).values())
    assert _opened(account, four) == wanted


def _opened(account: bytes, found: MatchSet) -> set[bytes]:
    opening = open_account(account, found, min_shares=SMALL.min_shares, delta_max=SMALL.delta_max)
    return {item.share.asset_id for item in opening.items}


def test_remade_vouchers_keep_their_kind(
    service: FakeService, release: PublishedRelease, tmp_path: Path
) -> None:
    newer = publish(2, KNOWN)
    with make_client(tmp_path, service.url) as client:
        client.update_release()
        client.add_picture(KNOWN[0])
        client.add_picture(resaved(KNOWN[0]))
        client.add_picture(picture(20))
        assert len(shares(release, queued(client))) == 1
        service.move_to(newer, keep_old=False)
        assert client.send().waiting == 3
        for data in (resaved(KNOWN[0]), picture(20), KNOWN[0]):
            assert client.add_picture(data).added == 1
        assert client.send().sent == 3
        real = content_id(client, KNOWN[0])
    assert set(shares(newer, service.vouchers.values())) == {real}
