"""Recover adkey from the shares of the detected matches. Spec: ``spec/60-opening.md`` section 4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from veilmatch.errors import TooFewSharesError
from veilmatch.hazmat.backends.interface import SCALAR_LEN
from veilmatch.hazmat.group import to_batch
from veilmatch.hazmat.sharing import vartime_interpolate
from veilmatch.matching.share import Share
from veilmatch.secret import SecretBytes
from veilmatch.voucher.account_secret import derive_adkey

# A client may have sent a wrong share; another window of shares leaves it out.
_MAX_ATTEMPTS = 8


def recover_adkeys(shares: Sequence[Share], min_shares: int) -> Iterator[SecretBytes]:
    """Give candidates for adkey, best first: interpolate windows of ``min_shares`` shares.

    With honest shares the first candidate is right. Whether one is right shows only when it
    opens associated data.

    Raises:
        TooFewSharesError: Fewer than ``min_shares`` shares.
    """
    if len(shares) < min_shares:
        raise TooFewSharesError(len(shares), min_shares)
    for start in range(min(_MAX_ATTEMPTS, len(shares) - min_shares + 1)):
        window = shares[start : start + min_shares]
        points = to_batch((share.point for share in window), SCALAR_LEN)
        values = to_batch((share.value for share in window), SCALAR_LEN)
        yield derive_adkey(vartime_interpolate(points, values))
