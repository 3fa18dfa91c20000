"""Match vouchers: S^ = alpha*Q for every slot; a match is a voucher whose slots open alike.

A match is REAL or SYNTHETIC; nobody can tell which before the account opens.
Spec: ``spec/57-matching.md``; ``protocol`` step 8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilmatch.errors import EpochError
from veilmatch.hazmat.backends.interface import (
    FIELD_PRIME,
    SCALAR_LEN,
    SLOT_LEN,
    Bytes,
    Flags,
)
from veilmatch.hazmat.dhf import WORD_LEN
from veilmatch.hazmat.group import GROUP_ORDER, as_rows, to_batch
from veilmatch.hazmat.seal import open_batch, open_slots
from veilmatch.matching.share import MatchOutcome, MatchResult, Share
from veilmatch.table.secret import TableSecret
from veilmatch.voucher.voucher import AAD_LEN, Voucher, VoucherLayout
from veilmatch.wire import Reader


def _payload_keys(keys: Bytes, opened: Flags, slot_count: int) -> tuple[Bytes, Flags, Flags]:
    """Reduce slots to vouchers: the key, whether any slot opened, whether they disagree."""
    by_voucher = keys.reshape(-1, slot_count, keys.shape[1])
    open_slot = opened.reshape(-1, slot_count)
    first = open_slot.argmax(axis=1)
    key = np.take_along_axis(by_voucher, first[:, None, None], axis=1)[:, 0]
    differs = (by_voucher != key[:, None, :]).any(axis=2) & open_slot
    any_open: Flags = np.asarray(open_slot.any(axis=1))
    disagree: Flags = np.asarray(differs.any(axis=1))
    return key, any_open, disagree


def match_vouchers(
    secret: TableSecret,
    layout: VoucherLayout,
    vouchers: Sequence[Voucher],
    *,
    threads: int = 1,
) -> list[MatchResult]:
    """Match a batch of vouchers of one release. The worker runs it.

    Args:
        secret: The release's table secret.
        layout: The release's voucher layout.
        vouchers: Parsed vouchers.
        threads: Cores to use.

    Returns:
        One result per voucher, in order. INVALID: slots open to different keys, the payload
        key does not open the voucher, or a number inside is not in canonical form.

    Raises:
        EpochError: A voucher is for another release than the secret.

    Secret: alpha. Not checked: the device's signature (``verify_voucher``).
    """
    if not vouchers:
        return []
    if any(voucher.release_id != secret.release_id for voucher in vouchers):
        raise EpochError("a voucher was made for another release")
    aads = to_batch((voucher.aad for voucher in vouchers), AAD_LEN)
    slots = as_rows(b"".join(voucher.slots for voucher in vouchers), SLOT_LEN)
    keys, opened = open_slots(
        secret.alpha.reveal(), slots, np.repeat(aads, layout.slot_count, axis=0), threads=threads
    )
    key, any_open, differs = _payload_keys(keys, opened, layout.slot_count)
    results = [MatchResult(MatchOutcome.NO_MATCH)] * len(vouchers)
    for i in np.flatnonzero(any_open).tolist():
        results[i] = MatchResult(MatchOutcome.INVALID)
    good = np.flatnonzero(any_open & ~differs)
    if len(good):
        rct = to_batch((vouchers[i].rct for i in good.tolist()), layout.rct_len)
        inner, unsealed = open_batch(key[good], rct, aads[good])
        for row, i in enumerate(good.tolist()):
            if unsealed[row]:
                share = _parse_inner(inner[row].tobytes(), vouchers[i], layout)
                if share is not None:
                    results[i] = MatchResult(MatchOutcome.MATCH, share)
    return results


def _parse_inner(inner: bytes, voucher: Voucher, layout: VoucherLayout) -> Share | None:
    """Read the inner part; None if a number in it is not in canonical form.

    Two spellings of one x or x0 would pass as two shares (spec 57 section 2).
    """
    reader = Reader(inner, "inner")
    share = Share(
        voucher.asset_id,
        voucher.release_id,
        reader.take(WORD_LEN * (1 + layout.dhf_width), "words"),
        reader.take(SCALAR_LEN, "point"),
        reader.take(SCALAR_LEN, "value"),
        reader.take(layout.adct_len, "adct"),
    )
    words = np.frombuffer(share.words, dtype=">u8")
    point, value = (int.from_bytes(v, "little") for v in (share.point, share.value))
    canonical = 0 < point < GROUP_ORDER and value < GROUP_ORDER and (words < FIELD_PRIME).all()
    return share if canonical else None
