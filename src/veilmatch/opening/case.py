"""Open an account, or nothing. Spec: ``spec/60-opening.md`` section 6; ``protocol`` step 9."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from veilmatch.errors import TooFewSharesError, VerificationError
from veilmatch.hazmat.backends.interface import Flags, Words
from veilmatch.matching.match_set import MatchSet
from veilmatch.matching.share import Share
from veilmatch.opening.detect import detect, detect_on_known
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


def _detect(
    shares: list[Share], opened_ids: Collection[bytes], min_shares: int, delta_max: int
) -> Flags:
    """Detect from what is known of an opened account, or from nothing."""
    inputs, outputs = _words(shares)
    known = np.array([share.asset_id in opened_ids for share in shares], dtype=np.bool_)
    if known.sum() >= min_shares:
        try:
            return detect_on_known(inputs, outputs, known, min_shares)
        except TooFewSharesError:
            pass  # what is known does not agree with itself: look with fresh eyes
    return detect(inputs, outputs, min_shares, delta_max)


def open_account(
    account: bytes,
    matches: MatchSet,
    *,
    min_shares: int,
    delta_max: int,
    opened_ids: Collection[bytes] = (),
) -> Opening:
    """Open the real matches of one account, or raise and reveal nothing.

    Args:
        account: The account pseudonym, 16 bytes.
        matches: Its distinct matches, real and synthetic.
        min_shares: Of the releases they were made for.
        delta_max: Attempts of the detection.
        opened_ids: Ids that an earlier opening of this account found to be real.

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
    found = _detect(shares, opened_ids, min_shares, delta_max)
    detected = [share for share, real in zip(shares, found, strict=True) if real]
    for adkey in recover_adkeys(detected, min_shares):
        items = unseal_items(adkey, account, detected)
        if len(items) >= min_shares:
            return Opening(tuple(items), len(detected) - len(items), len(shares) - len(detected))
    raise VerificationError("the detected matches do not open")
