"""Opening an account: all real matches, or nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulator import DEFAULT, SMALL, House, Item, make_shares
from veilmatch.errors import OverloadError, TooFewSharesError, VerificationError
from veilmatch.matching.match_set import MatchSet
from veilmatch.matching.share import Share
from veilmatch.opening.case import Opening, open_account
from veilmatch.opening.recover import recover_adkeys
from veilmatch.opening.unseal import unseal_items
from veilmatch.secret import SecretBytes
from veilmatch.voucher.account_secret import AccountSecret
from veilmatch.voucher.asset import Kind

ACCOUNT = AccountSecret(SecretBytes(bytes(range(32))))
OTHER = AccountSecret(SecretBytes(bytes(32)))
REAL, SYNTHETIC = Kind.REAL, Kind.SYNTHETIC


def _open(shares: list[Share], account: AccountSecret = ACCOUNT) -> Opening:
    matches = MatchSet(shares)
    return open_account(account.pseudonym, matches, min_shares=4, delta_max=3)


def _shares(real: int, synthetic: int, account: AccountSecret = ACCOUNT) -> list[Share]:
    return make_shares(account, SMALL, [REAL] * real + [SYNTHETIC] * synthetic)


def test_all_real_ones_open_and_only_they() -> None:
    shares = _shares(6, 5)
    opening = _open(shares)
    assert {item.share.asset_id for item in opening.items} == {s.asset_id for s in shares[:6]}
    assert (opening.unopened_count, opening.synthetic_count) == (0, 5)
    assert all(item.data.derivative == b"small" for item in opening.items)


def test_the_published_numbers_31_open_and_30_do_not() -> None:
    shares = make_shares(ACCOUNT, DEFAULT, [REAL] * 31 + [SYNTHETIC] * 63)
    matches = MatchSet(shares)
    opened = open_account(ACCOUNT.pseudonym, matches, min_shares=31, delta_max=8)
    assert len(opened.items) == 31
    assert opened.synthetic_count == 63
    one_less = MatchSet(shares[1:])
    with pytest.raises(TooFewSharesError):
        open_account(ACCOUNT.pseudonym, one_less, min_shares=31, delta_max=8)


def test_too_few_says_how_many_were_there_at_most() -> None:
    with pytest.raises(TooFewSharesError) as caught:
        _open(_shares(3, 0))
    assert (caught.value.have, caught.value.need) == (3, 4)


def test_the_names_of_not_opening() -> None:
    for real, synthetic, error in (
        (3, 8, TooFewSharesError),
        (0, 0, TooFewSharesError),
        (4, 9, TooFewSharesError),
        (0, 28, TooFewSharesError),
        (0, 50, OverloadError),
    ):
        with pytest.raises(error):
            _open(_shares(real, synthetic))


def test_another_accounts_pseudonym_opens_nothing() -> None:
    with pytest.raises(VerificationError):
        _open(_shares(5, 0), OTHER)


def test_shares_of_two_accounts_do_not_add_up() -> None:
    mixed = _shares(2, 0) + make_shares(OTHER, SMALL, [REAL] * 2)
    with pytest.raises(TooFewSharesError):
        _open(mixed)


def test_shares_of_two_thresholds_do_not_add_up() -> None:
    other = replace(SMALL, min_shares=5)
    mixed = _shares(2, 0) + make_shares(ACCOUNT, other, [REAL] * 2, first=100)
    with pytest.raises(TooFewSharesError):
        _open(mixed)


def test_detected_but_not_opening_is_an_anomaly() -> None:
    """The client's DHF outputs are right and its shares are not: for no reviewer."""
    wrong = [replace(s, value=bytes(31) + b"\x01") for s in _shares(5, 0)]
    with pytest.raises(VerificationError):
        _open(wrong)


def test_one_wrong_share_of_many_does_not_hide_the_others() -> None:
    shares = sorted(_shares(7, 0), key=lambda share: share.asset_id)
    bad = [replace(shares[0], value=bytes(31) + b"\x01"), *shares[1:]]
    assert len(_open(bad).items) == 7


def test_associated_data_that_does_not_open_is_counted() -> None:
    shares = _shares(6, 2)
    broken = [replace(shares[0], adct=shares[0].adct[::-1]), *shares[1:]]
    opening = _open(broken)
    assert (len(opening.items), opening.unopened_count, opening.synthetic_count) == (5, 1, 2)


def test_fewer_opened_data_than_min_shares_opens_nothing() -> None:
    shares = _shares(5, 0)
    broken = [replace(s, adct=s.adct[::-1]) for s in shares[:2]] + shares[2:]
    with pytest.raises(VerificationError):
        _open(broken)


def test_candidates_come_from_windows_of_shares() -> None:
    shares = _shares(6, 0)
    sharing = ACCOUNT.sharing(SMALL)
    candidates = list(recover_adkeys(shares, 4))
    assert len(candidates) == 3
    assert all(candidate == sharing.adkey for candidate in candidates)
    with pytest.raises(TooFewSharesError):
        next(recover_adkeys(shares[:3], 4))


def test_a_wrong_key_unseals_nothing() -> None:
    assert unseal_items(SecretBytes(bytes(32)), ACCOUNT.pseudonym, _shares(3, 0)) == []
    assert unseal_items(SecretBytes(bytes(32)), ACCOUNT.pseudonym, []) == []


def test_through_the_whole_house() -> None:
    house = House(known=8)
    account = house.account("case")
    account.device().send([Item(n) for n in range(5)] + [Item(7, SYNTHETIC)])
    house.service.work()
    opening = account.opening()
    derivatives = {item.data.derivative for item in opening.items}
    assert derivatives == {b"derivative of %d" % n for n in range(5)}
