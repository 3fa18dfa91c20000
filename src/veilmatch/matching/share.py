"""What matching says of a voucher, and the share that a match reveals. No secret is near.

Spec: ``spec/57-matching.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from veilmatch.hazmat.backends.interface import SCALAR_LEN
from veilmatch.hazmat.dhf import WORD_LEN
from veilmatch.voucher.account_secret import ASSET_ID_LEN
from veilmatch.wire import RELEASE_ID_LEN, Reader


class MatchOutcome(Enum):
    """What matching says of a voucher."""

    NO_MATCH = "no match"
    MATCH = "match"
    INVALID = "invalid"


@dataclass(frozen=True)
class Share:
    """What a match reveals: one share, and sealed associated data.

    Attributes:
        asset_id: 16 bytes.
        release_id: 32 bytes; part of the aad of ``adct``.
        words: x0 and the s outputs, 8 bytes each, big-endian.
        point: x, 32 bytes.
        value: A(x), 32 bytes.
        adct: Sealed associated data.
    """

    asset_id: bytes
    release_id: bytes
    words: bytes
    point: bytes
    value: bytes
    adct: bytes

    def to_bytes(self) -> bytes:
        """Serialise for the store, which encrypts it."""
        return self.asset_id + self.release_id + self.words + self.point + self.value + self.adct

    def __repr__(self) -> str:
        return "Share(<private>)"


def parse_share(data: bytes, dhf_width: int) -> Share:
    """Parse the store's form of a share; what is left at the end is adct.

    Raises:
        EncodingError: Too short.
    """
    reader = Reader(data, "share")
    share = Share(
        reader.take(ASSET_ID_LEN, "id"),
        reader.take(RELEASE_ID_LEN, "release_id"),
        reader.take(WORD_LEN * (1 + dhf_width), "words"),
        reader.take(SCALAR_LEN, "point"),
        reader.take(SCALAR_LEN, "value"),
        reader.take(len(data) - reader.offset, "adct"),
    )
    reader.finish()
    return share


@dataclass(frozen=True)
class MatchResult:
    """The outcome for one voucher; ``share`` is there if and only if it is a match."""

    outcome: MatchOutcome
    share: Share | None = None

    def __repr__(self) -> str:
        return "MatchResult(<private>)"
