"""Open an account, or nothing. Spec: ``spec/60-opening.md`` section 6; ``protocol`` step 9."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilmatch.errors import TooFewSharesError, VerificationError
from veilmatch.hazmat.backends.interface import Words
from veilmatch.matching.match import Share
from veilmatch.matching.match_set import MatchSet
from veilmatch.opening.detect import detect
from veilmatch.opening.recover import recover_adkeys
from veilmatch.opening.unseal import OpenedItem, unseal_items


@dataclass(frozen=True)
class Opening:
    """The opened matches of one account.

    Attributes:
        items: Opened real matches, at least ``min_shares``.
        unopened_count: Detected matches whose associated data did not open.
        synthetic_count: Matches that detection found to be synthetic.
    """

    items: tuple[OpenedItem, ...]
    unopened_count: int
    synthetic_count: int

    def __repr__(self) -> str:
        return f"Opening({len(self.items)} items)"


def _words(shares: list[Share]) -> tuple[Words, Words]:
    table = np.frombuffer(b"".join(share.words for share in shares), dtype=">u8")
    words = table.reshape(len(shares), -1).astype(np.uint64)
    return np.ascontiguousarray(words[:, 0]), np.ascontiguousarray(words[:, 1:])


def open_account(account: bytes, matches: MatchSet, *, min_shares: int, delta_max: int) -> Opening:
    """Open the real matches of one account, or raise and reveal nothing.

    Args:
        account: The account pseudonym, 16 bytes.
        matches: Its distinct matches, real and synthetic.
        min_shares: Of the releases they were made for.
        delta_max: Attempts of the detection.

    Returns:
        At least ``min_shares`` opened items.

    Raises:
        TooFewSharesError: Not enough real matches.
        OverloadError: Detection cannot tell; nothing opens.
        VerificationError: Detected, but fewer than ``min_shares`` associated data open:
            for the anomaly queue, never for a reviewer.
    """
    shares = list(matches)
    if len(shares) < min_shares:
        raise TooFewSharesError(len(shares), min_shares)
    inputs, outputs = _words(shares)
    found = detect(inputs, outputs, min_shares, delta_max)
    detected = [share for share, real in zip(shares, found, strict=True) if real]
    for adkey in recover_adkeys(detected, min_shares):
        items = unseal_items(adkey, account, detected)
        if len(items) >= min_shares:
            return Opening(tuple(items), len(detected) - len(items), len(shares) - len(detected))
    raise VerificationError("the detected matches do not open")
