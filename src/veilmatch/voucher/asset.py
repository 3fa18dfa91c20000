"""An asset: one picture of an account, with the kind of voucher decided once.

Spec: ``spec/50-voucher.md`` section 2; ``protocol`` step 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a voucher carries. Only the device that made it knows."""

    REAL = "real"
    SYNTHETIC = "synthetic"
    NULL = "null"


@dataclass(frozen=True)
class Asset:
    """What all devices of an account remember of a picture.

    Attributes:
        asset_id: 16 bytes, fixed for the picture, the same on every device.
        kind: Decided once; a new decision later would unmask it.
        seen_tags: For a REAL voucher, the tags of every image hash its slots try.
    """

    asset_id: bytes
    kind: Kind
    seen_tags: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return "Asset(<private>)"
