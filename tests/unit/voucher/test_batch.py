"""Batches: signed, certified, strict."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator import House, Item
from veilmatch.errors import EncodingError, InputError, SignatureError
from veilmatch.hazmat.signing import SIGNATURE_LEN, SigningKey, verify_signature
from veilmatch.secret import SecretBytes
from veilmatch.voucher import batch as batch_module
from veilmatch.voucher.batch import (
    BATCH_OVERHEAD_LEN,
    MAX_COUNT,
    build_deletion_batch,
    build_voucher_batch,
    parse_deletion_batch,
    parse_voucher_batch,
)

HOUSE = House(known=4)
DEVICE = HOUSE.account("batch").device()
VOUCHERS = [voucher.to_bytes() for voucher in DEVICE.make([Item(0), Item(1)])]
RELEASE_ID = HOUSE.current.built.release_id
BATCH = build_voucher_batch(DEVICE.identity, DEVICE.key, RELEASE_ID, VOUCHERS)
IDS = [bytes([i]) * 16 for i in range(3)]
DELETION = build_deletion_batch(DEVICE.identity, DEVICE.key, IDS)


def test_a_batch_comes_back() -> None:
    batch = parse_voucher_batch(BATCH)
    assert batch.identity == DEVICE.identity
    assert batch.identity.account == DEVICE.account.pseudonym
    assert (batch.release_id, [*map(bytes, batch.vouchers)]) == (RELEASE_ID, VOUCHERS)
    assert len(BATCH) == BATCH_OVERHEAD_LEN + 2 * len(VOUCHERS[0])


def test_the_signature_covers_the_head_and_the_digests_in_order() -> None:
    head = BATCH[: BATCH_OVERHEAD_LEN - SIGNATURE_LEN]
    digests = [hashlib.sha256(voucher).digest() for voucher in VOUCHERS]
    signed, signature = head + b"".join(digests), BATCH[-SIGNATURE_LEN:]
    verify_signature(DEVICE.key.public_key, "voucher batch", signed, signature)
    assert list(parse_voucher_batch(BATCH).digests) == digests


def test_vouchers_in_another_order_need_another_signature() -> None:
    head, signature = BATCH[: BATCH_OVERHEAD_LEN - SIGNATURE_LEN], BATCH[-SIGNATURE_LEN:]
    with pytest.raises(SignatureError):
        parse_voucher_batch(b"".join((head, *reversed(VOUCHERS), signature)))
    again = build_voucher_batch(DEVICE.identity, DEVICE.key, RELEASE_ID, VOUCHERS[::-1])
    assert [*map(bytes, parse_voucher_batch(again).vouchers)] == VOUCHERS[::-1]


def test_a_signature_over_the_bodies_themselves_is_refused() -> None:
    unsigned = BATCH[:-SIGNATURE_LEN]
    with pytest.raises(SignatureError):
        parse_voucher_batch(unsigned + DEVICE.key.sign("voucher batch", unsigned))


def test_nothing_is_hashed_before_form_and_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting:
        """Stands for the module's ``hashlib``."""

        calls = 0

        def sha256(self, data: bytes) -> object:
            self.calls += 1
            return hashlib.sha256(data)

    counting = Counting()
    monkeypatch.setattr(batch_module, "hashlib", counting)
    stranger = SigningKey(SecretBytes(bytes(32)))
    uncertified = bytearray(BATCH)
    uncertified[37:69] = stranger.public_key
    for data, error in (
        (BATCH + b"0", EncodingError),
        (BATCH[:-1], EncodingError),
        (bytes(uncertified), SignatureError),
    ):
        with pytest.raises(error):
            parse_voucher_batch(data)
    assert counting.calls == 0
    parse_voucher_batch(BATCH)
    assert counting.calls == len(VOUCHERS)


def test_a_deletion_comes_back() -> None:
    deletion = parse_deletion_batch(DELETION)
    assert (deletion.identity, list(deletion.asset_ids)) == (DEVICE.identity, IDS)


@given(st.integers(0, 8 * len(BATCH) - 1))
def test_no_flipped_bit_of_a_batch_is_accepted(bit: int) -> None:
    data = bytearray(BATCH)
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((EncodingError, SignatureError)):
        parse_voucher_batch(bytes(data))


@given(st.integers(0, 8 * len(DELETION) - 1))
def test_no_flipped_bit_of_a_deletion_is_accepted(bit: int) -> None:
    data = bytearray(DELETION)
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((EncodingError, SignatureError)):
        parse_deletion_batch(bytes(data))


@given(st.integers(0, len(BATCH) - 1))
def test_no_cut_batch_is_accepted(length: int) -> None:
    with pytest.raises(EncodingError):
        parse_voucher_batch(BATCH[:length])
    with pytest.raises(EncodingError):
        parse_deletion_batch(DELETION[: min(length, len(DELETION) - 1)])


@given(st.binary(max_size=300))
def test_garbage_is_refused(data: bytes) -> None:
    for parse in (parse_voucher_batch, parse_deletion_batch):
        with pytest.raises(EncodingError):
            parse(data)


def test_one_kind_of_batch_is_not_the_other() -> None:
    with pytest.raises(EncodingError):
        parse_deletion_batch(BATCH)
    with pytest.raises(EncodingError):
        parse_voucher_batch(DELETION)


def test_nobody_signs_for_another_account() -> None:
    other = HOUSE.account("other").device()
    for data in (
        build_voucher_batch(other.identity, DEVICE.key, RELEASE_ID, VOUCHERS),
        build_voucher_batch(DEVICE.identity, other.key, RELEASE_ID, VOUCHERS),
    ):
        with pytest.raises(SignatureError):
            parse_voucher_batch(data)
    with pytest.raises(SignatureError):
        parse_deletion_batch(build_deletion_batch(DEVICE.identity, other.key, IDS))


def test_a_certificate_of_one_account_does_not_serve_another() -> None:
    other = HOUSE.account("other").device()
    stolen = type(DEVICE.identity)(
        DEVICE.identity.account_public_key, other.key.public_key, other.identity.certificate
    )
    with pytest.raises(SignatureError):
        parse_voucher_batch(build_voucher_batch(stolen, other.key, RELEASE_ID, VOUCHERS))


def test_empty_oversized_and_uneven_batches_are_not_built() -> None:
    uneven = [VOUCHERS[0], VOUCHERS[0][:-1]]
    for vouchers in ([], uneven, [b""], [b"0"] * (MAX_COUNT + 1)):
        with pytest.raises(InputError):
            build_voucher_batch(DEVICE.identity, DEVICE.key, RELEASE_ID, vouchers)
    for ids in ([], IDS * MAX_COUNT):
        with pytest.raises(InputError):
            build_deletion_batch(DEVICE.identity, DEVICE.key, ids)


def test_counts_out_of_range_are_refused() -> None:
    at = len(BATCH) - len(b"".join(VOUCHERS)) - 64 - 6
    for count in (0, MAX_COUNT + 1, 65_535):
        data = BATCH[:at] + count.to_bytes(2, "big") + BATCH[at + 2 :]
        with pytest.raises(EncodingError):
            parse_voucher_batch(data)


def test_vouchers_of_no_bytes_are_refused() -> None:
    head = BATCH[: BATCH_OVERHEAD_LEN - SIGNATURE_LEN - 4] + bytes(4)
    with pytest.raises(EncodingError):
        parse_voucher_batch(head + DEVICE.key.sign("voucher batch", head + bytes(64)))
