"""When a voucher is synthetic, and how many of its slots then open.

p_i = min(cap, rate / i) at the account's i-th upload, with the account's own secret rate:
totals are spread widely enough that a count of matches says little (``protocol-notes`` 4.4
gives the table). Spec: ``spec/50-voucher.md`` section 3.
"""

from __future__ import annotations

from veilmatch.release.manifest import SyntheticSchedule
from veilmatch.secret import RandomSource
from veilmatch.voucher.account_secret import AccountSecret
from veilmatch.voucher.asset import Kind


def synthetic_probability(schedule: SyntheticSchedule, rate: float, upload_count: int) -> float:
    """Return p_i for the i-th upload (from 1) of an account with this rate."""
    return min(schedule.probability_cap, rate / max(1, upload_count))


def decide_kind(
    account: AccountSecret,
    schedule: SyntheticSchedule,
    asset_id: bytes,
    *,
    upload_count: int,
    usable: bool,
    seen: bool,
) -> Kind:
    """Decide the kind of a new asset. Call it once per asset and remember the answer.

    Args:
        account: The account.
        schedule: The release's schedule.
        asset_id: The asset's id.
        upload_count: i, this asset's number among the account's, from 1.
        usable: False if the image hash did not pass its quality gate: such a picture can
            match nothing, and its voucher must look like any other.
        seen: True if one of this account's REAL vouchers already tries this image hash.
    """
    lot = account.derive_lot(asset_id)
    synthetic = lot < synthetic_probability(schedule, account.derive_rate(schedule), upload_count)
    if synthetic:
        return Kind.SYNTHETIC
    return Kind.NULL if seen or not usable else Kind.REAL


def draw_open_count(schedule: SyntheticSchedule, random: RandomSource) -> int:
    """Draw m, the number of slots a synthetic voucher opens, from the manifest's weights."""
    weights = schedule.open_slots
    lot = int.from_bytes(random(16), "big") % sum(weights)
    for count, weight in enumerate(weights, start=1):
        if lot < weight:
            return count
        lot -= weight
    raise AssertionError("unreachable: the weights add up to their sum")
