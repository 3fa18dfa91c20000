"""Open associated data under adkey. Spec: ``spec/60-opening.md`` section 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from veilmatch.errors import InputError, VerificationError
from veilmatch.hazmat.seal import unseal
from veilmatch.matching.share import Share
from veilmatch.secret import SecretBytes
from veilmatch.voucher.associated_data import AssociatedData, parse_associated_data
from veilmatch.voucher.voucher import associated_aad


@dataclass(frozen=True)
class OpenedItem:
    """One real match, opened."""

    share: Share
    data: AssociatedData

    def __repr__(self) -> str:
        return "OpenedItem(<private>)"


def unseal_items(adkey: SecretBytes, account: bytes, shares: Sequence[Share]) -> list[OpenedItem]:
    """Open the associated data of each share; those that do not open are left out.

    The caller counts what is missing: fewer items than shares.
    """
    items = []
    for share in shares:
        aad = associated_aad(account, share.release_id, share.asset_id)
        try:
            data = parse_associated_data(unseal(adkey, share.adct, aad))
        except (VerificationError, InputError):
            continue
        items.append(OpenedItem(share, data))
    return items
