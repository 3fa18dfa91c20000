"""Matching: match, no match, invalid; and the set of distinct shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.simulator import SMALL, SMALL_PROBES, UNKNOWN, Device, House, Item, outcomes
from veilmatch.errors import EncodingError, EpochError
from veilmatch.hazmat.backends.interface import FIELD_PRIME, Bytes, Flags
from veilmatch.hazmat.group import GROUP_ORDER
from veilmatch.matching.match import match_vouchers
from veilmatch.matching.match_set import MatchSet
from veilmatch.matching.share import MatchOutcome, MatchResult, Share, parse_share
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.make import VoucherMaker
from veilmatch.voucher.voucher import Voucher, layout_of

HOUSE = House(known=6)
DEVICE = HOUSE.account("match").device()
SECRET = HOUSE.current.built.secret
MATCH, NO_MATCH, INVALID = MatchOutcome.MATCH, MatchOutcome.NO_MATCH, MatchOutcome.INVALID


def _match(*vouchers: Voucher) -> list[MatchResult]:
    return match_vouchers(SECRET, layout_of(SMALL), vouchers)


def _share(number: int, file: int = -1) -> Share:
    share = _match(DEVICE.make([Item(number, file=file)])[0])[0].share
    assert share is not None
    return share


def test_nothing_in_nothing_out() -> None:
    assert _match() == []


def test_a_match_gives_a_share_and_anything_else_gives_none() -> None:
    results = _match(*DEVICE.make([Item(0), Item(UNKNOWN), Item(1, Kind.NULL)]))
    assert [result.share is not None for result in results] == [True, False, False]
    share = results[0].share
    assert share is not None
    assert len(share.words) == 8 * 9
    assert parse_share(share.to_bytes(), SMALL.dhf_width) == share
    with pytest.raises(EncodingError):
        parse_share(share.to_bytes()[:150], SMALL.dhf_width)


def test_a_voucher_for_another_release_stops_the_batch() -> None:
    voucher = DEVICE.make([Item(0)])[0]
    with pytest.raises(EpochError):
        _match(voucher, replace(voucher, release_id=bytes(32)))


def test_slots_that_open_to_different_keys_are_invalid() -> None:
    wide = House(known=6, parameters=SMALL_PROBES)
    device = wide.account("match").device()
    # Two vouchers with equal aad and different payload keys; put the slots of both into one.
    one, two = (device.make([Item(0, Kind.SYNTHETIC)])[0] for _ in range(2))
    layout, secret = layout_of(SMALL_PROBES), wide.current.built.secret
    assert outcomes(match_vouchers(secret, layout, [one, two])) == [MATCH, MATCH]
    both = replace(one, slots=one.slots + two.slots)
    twice = type(layout)(2 * layout.slot_count, layout.dhf_width, layout.ad_len)
    assert outcomes(match_vouchers(secret, twice, [both])) == [INVALID]


def test_a_slot_that_opens_without_its_payload_is_invalid() -> None:
    voucher = DEVICE.make([Item(0)])[0]
    rct = bytearray(voucher.rct)
    rct[-1] ^= 1
    result = _match(replace(voucher, rct=bytes(rct)))[0]
    assert (result.outcome, result.share) == (INVALID, None)


def test_an_invalid_voucher_leaves_its_neighbours_alone() -> None:
    made = DEVICE.make([Item(0), Item(1), Item(UNKNOWN), Item(2)])
    bad = replace(made[1], rct=made[1].rct[::-1])
    assert outcomes(_match(made[0], bad, made[2], made[3])) == [MATCH, INVALID, NO_MATCH, MATCH]


class _Cheat(VoucherMaker):
    """A client that puts numbers of its own choice into the inner part."""

    change: Callable[[Bytes], None]

    def _assemble_inner(self, ids: list[bytes], real: Flags, adct: Bytes) -> Bytes:
        inner = np.ascontiguousarray(super()._assemble_inner(ids, real, adct))
        self.change(inner[0])
        return inner


def _cheat(device: Device, change: Callable[[Bytes], None]) -> Voucher:
    maker = _Cheat(device.account.secret, device.key, HOUSE.current.trusted)
    maker.change = change
    return maker.deterministic_make_vouchers([device.picture_input(Item(0))], device.random)[0]


def _put(at: int, data: bytes) -> Callable[[Bytes], None]:
    def change(inner: Bytes) -> None:
        inner[at : at + len(data)] = np.frombuffer(data, np.uint8)

    return change


def _add_order(at: int) -> Callable[[Bytes], None]:
    def change(inner: Bytes) -> None:
        value = int.from_bytes(inner[at : at + 32].tobytes(), "little") + GROUP_ORDER
        inner[at : at + 32] = np.frombuffer(value.to_bytes(32, "little"), np.uint8)

    return change


POINT_AT = 8 * 9


@pytest.mark.parametrize(
    "change",
    [
        _put(0, FIELD_PRIME.to_bytes(8, "big")),
        _put(8 * 8, b"\xff" * 8),
        _put(POINT_AT, bytes(32)),
        _add_order(POINT_AT),
        _add_order(POINT_AT + 32),
    ],
    ids=["x0", "output", "x is zero", "x + q", "A(x) + q"],
)
def test_a_number_that_is_not_canonical_is_invalid(change: Callable[[Bytes], None]) -> None:
    # Once such a share matched, and x beside x + q stopped the account's opening.
    assert outcomes(_match(_cheat(DEVICE, change))) == [INVALID]


def test_a_canonical_number_of_the_clients_choice_still_matches() -> None:
    assert outcomes(_match(_cheat(DEVICE, _put(POINT_AT, (5).to_bytes(32, "little"))))) == [MATCH]


def test_a_set_holds_each_share_once() -> None:
    one, two = _share(0), _share(1)
    found = MatchSet([one])
    assert found.add(two)
    assert not found.add(one)
    assert not found.add(_share(0))  # made again: another adct, the same share
    assert len(found) == 2


def test_a_share_with_a_known_point_or_input_adds_nothing() -> None:
    one, two = _share(0), _share(1)
    found = MatchSet([one])
    assert not found.add(replace(two, point=one.point))
    assert not found.add(replace(two, words=one.words[:8] + two.words[8:]))
    assert found.add(two)


def test_a_set_lists_its_shares_in_the_order_of_ids() -> None:
    shares = [_share(n) for n in range(5)]
    wanted = sorted(share.asset_id for share in shares)
    assert [share.asset_id for share in MatchSet(shares)] == wanted
    assert [share.asset_id for share in MatchSet(shares[::-1])] == wanted


def test_one_picture_in_two_files_is_two_ids() -> None:
    assert len(MatchSet([_share(0, file=1), _share(0, file=2)])) == 2
