"""The second check: an independent hash of each derivative, before any person looks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.simulator import SMALL, make_shares
from veilmatch.hashing.pdq import PdqHasher
from veilmatch.hashing.picture import decode_picture
from veilmatch.opening.second_hash import check_second_hash
from veilmatch.opening.unseal import OpenedItem
from veilmatch.secret import SecretBytes
from veilmatch.voucher.account_secret import AccountSecret
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.associated_data import AssociatedData
from veilmatch.voucher.derivative import make_derivative

ACCOUNT = AccountSecret(SecretBytes(bytes(32)))
SHARE = make_shares(ACCOUNT, SMALL, [Kind.REAL])[0]


def _pixels(seed: int) -> np.ndarray:
    """A smooth made-up picture with enough structure for a hash."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 32, axis=0), 32, axis=1)


def _item(derivative: bytes) -> OpenedItem:
    return OpenedItem(SHARE, AssociatedData(b"hash", derivative))


def _known(*derivatives: bytes) -> np.ndarray:
    hasher = PdqHasher()
    values = [hasher.hash_picture(decode_picture(d)).image_hash.value for d in derivatives]
    return np.frombuffer(b"".join(values), np.uint8).reshape(-1, 32)


def test_a_derivative_near_a_known_picture_agrees_and_another_does_not() -> None:
    mine, coarser, other = (
        make_derivative(_pixels(1), 10_000),
        make_derivative(_pixels(1), 3_000),
        make_derivative(_pixels(2), 10_000),
    )
    items = [_item(mine), _item(coarser), _item(other)]
    assert check_second_hash(items, _known(mine)) == [True, True, False]
    assert check_second_hash(items, _known(other, mine)) == [True, True, True]


def test_what_does_not_decode_or_has_no_structure_agrees_with_nothing() -> None:
    mine = make_derivative(_pixels(1), 10_000)
    flat = make_derivative(np.zeros((64, 64, 3), dtype=np.uint8), 10_000)
    items = [_item(b""), _item(b"not a picture"), _item(mine[:100]), _item(flat)]
    assert check_second_hash(items, _known(mine)) == [False] * 4
    assert check_second_hash([], _known(mine)) == []


def test_the_opened_item_keeps_to_itself() -> None:
    item = _item(make_derivative(_pixels(1), 10_000))
    assert repr(replace(item)) == "OpenedItem(<private>)"
