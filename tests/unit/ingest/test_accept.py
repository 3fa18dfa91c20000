"""Intake: what is accepted, what is refused by which name, and what counts how often."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulator import UNKNOWN, House, Item
from veilmatch.errors import EncodingError, EpochError, LengthError, PolicyError, SignatureError
from veilmatch.ingest.accept import accept_deletion, accept_vouchers
from veilmatch.ingest.ledger import LedgerEntry, Outcome, State, classify
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.batch import build_deletion_batch, build_voucher_batch
from veilmatch.voucher.voucher import VoucherLayout

HOUSE = House(known=4)
DEVICE = HOUSE.account("accept").device()
LAYOUTS = HOUSE.service.layouts()
RELEASE_ID = HOUSE.current.built.release_id


def test_a_batch_is_accepted_voucher_by_voucher() -> None:
    made = DEVICE.make([Item(0), Item(1)])
    batch = accept_vouchers(DEVICE.pack(made), LAYOUTS)
    assert (batch.account, batch.release_id) == (DEVICE.account.pseudonym, RELEASE_ID)
    assert batch.device_key_id == made[0].device_key_id
    assert [v.asset_id for v in batch.vouchers] == [v.asset_id for v in made]
    assert [v.body for v in batch.vouchers] == [v.to_bytes() for v in made]


def test_every_kind_is_accepted_alike() -> None:
    for kind in Kind:
        for picture in (0, UNKNOWN):
            house = House(known=4)
            device = house.account("accept").device()
            device.send([Item(picture, kind)])
            assert house.service.outcomes == [Outcome.STORED]


def test_a_release_that_is_not_in_use_is_refused() -> None:
    batch = DEVICE.pack(DEVICE.make([Item(0)]))
    with pytest.raises(EpochError):
        accept_vouchers(batch, {})


def test_a_voucher_inside_must_name_its_batch() -> None:
    mine = DEVICE.make([Item(0)])[0]
    other = HOUSE.account("other").device()
    theirs = other.make([Item(0)])[0]
    second = DEVICE.account.device().make([Item(0)])[0]
    for voucher in (theirs, second):
        data = build_voucher_batch(DEVICE.identity, DEVICE.key, RELEASE_ID, [voucher.to_bytes()])
        with pytest.raises(PolicyError):
            accept_vouchers(data, LAYOUTS)
    elsewhere = replace(mine, release_id=bytes(32)).to_bytes()
    data = build_voucher_batch(DEVICE.identity, DEVICE.key, RELEASE_ID, [elsewhere])
    with pytest.raises(EpochError):
        accept_vouchers(data, LAYOUTS)


def test_vouchers_of_another_layout_are_refused() -> None:
    batch = DEVICE.pack(DEVICE.make([Item(0)]))
    with pytest.raises(LengthError):
        accept_vouchers(batch, {RELEASE_ID: VoucherLayout(2, 9, 512)})
    version = bytearray(DEVICE.make([Item(0)])[0].to_bytes())
    version[0] = 2
    data = build_voucher_batch(DEVICE.identity, DEVICE.key, RELEASE_ID, [bytes(version)])
    with pytest.raises(EncodingError):
        accept_vouchers(data, LAYOUTS)


def test_a_deletion_is_the_accounts_own() -> None:
    ids = [bytes(16)]
    deletion = accept_deletion(build_deletion_batch(DEVICE.identity, DEVICE.key, ids))
    assert deletion.identity.account == DEVICE.account.pseudonym
    other = HOUSE.account("other").device()
    with pytest.raises(SignatureError):
        accept_deletion(build_deletion_batch(DEVICE.identity, other.key, ids))


@pytest.mark.parametrize(
    ("existing", "digest", "wanted"),
    [
        (None, b"a", Outcome.STORED),
        (LedgerEntry(b"a", State.WAITING), b"a", Outcome.REPEATED),
        (LedgerEntry(b"a", State.PROCESSED), b"a", Outcome.REPEATED),
        (LedgerEntry(b"a", State.WAITING), b"b", Outcome.CONFLICT),
        (LedgerEntry(b"a", State.PROCESSED), b"b", Outcome.CONFLICT),
        (LedgerEntry(b"a", State.DELETED), b"a", Outcome.GONE),
        (LedgerEntry(b"a", State.DELETED), b"b", Outcome.GONE),
    ],
)
def test_the_ledger(existing: LedgerEntry | None, digest: bytes, wanted: Outcome) -> None:
    assert classify(existing, digest) is wanted
