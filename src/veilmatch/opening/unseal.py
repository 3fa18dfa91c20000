"""Open associated data under adkey. Spec: ``spec/60-opening.md`` section 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veilmatch.errors import EncodingError
from veilmatch.hazmat.backends.interface import KEY_LEN
from veilmatch.hazmat.group import to_batch
from veilmatch.hazmat.seal import open_batch
from veilmatch.matching.match import Share
from veilmatch.secret import SecretBytes
from veilmatch.voucher.associated_data import AssociatedData, parse_associated_data
from veilmatch.voucher.voucher import AAD_LEN, associated_aad


@dataclass(frozen=True)
class OpenedItem:
    """One real match, opened."""

    share: Share
    data: AssociatedData

    def __repr__(self) -> str:
        return "OpenedItem(<private>)"


def unseal_items(adkey: SecretBytes, account: bytes, shares: Sequence[Share]) -> list[OpenedItem]:
    """Open the associated data of each share; those that do not open are left out."""
    if not shares:
        return []
    aads = to_batch(
        (associated_aad(account, share.release_id, share.asset_id) for share in shares), AAD_LEN
    )
    sealed = to_batch((share.adct for share in shares), len(shares[0].adct))
    keys = np.broadcast_to(np.frombuffer(adkey.reveal(), np.uint8), (len(shares), KEY_LEN))
    plain, good = open_batch(keys, sealed, aads)
    items = []
    for i in np.flatnonzero(good).tolist():
        try:
            items.append(OpenedItem(shares[i], parse_associated_data(plain[i].tobytes())))
        except EncodingError:
            continue  # counted by the caller: fewer items than shares
    return items
