"""What workers are handed and hand back."""

from __future__ import annotations

from dataclasses import dataclass

from veilmatch.matching.match_set import MatchSet
from veilmatch.matching.share import MatchResult


@dataclass(frozen=True)
class Lease:
    """A segment that this worker may process until the lease expires."""

    segment_id: bytes
    token: bytes
    location: str


@dataclass(frozen=True)
class AccountLease:
    """An account that this worker alone may try to open until the lease expires.

    Attributes:
        account: The account pseudonym.
        token: 16 bytes.
        version: Which state of its shares is looked at; later shares count again.
    """

    account: bytes
    token: bytes
    version: int

    def __repr__(self) -> str:
        return "AccountLease(<private>)"


@dataclass(frozen=True)
class WaitingVoucher:
    """A voucher of a leased segment, with its body opened and its device's key."""

    account: bytes
    asset_id: bytes
    release_id: bytes
    device_public_key: bytes
    body: bytes

    def __repr__(self) -> str:
        return "WaitingVoucher(<private>)"


@dataclass(frozen=True)
class Processed:
    """A voucher and what matching said of it."""

    voucher: WaitingVoucher
    result: MatchResult

    def __repr__(self) -> str:
        return "Processed(<private>)"


@dataclass(frozen=True)
class ShareGroup:
    """The matches of one account that were made with the same sharing parameters."""

    account: bytes
    min_shares: int
    dhf_width: int
    delta_max: int
    matches: MatchSet

    def __repr__(self) -> str:
        return f"ShareGroup({len(self.matches)} matches)"
