"""Associated data: the derivative and the image hash, padded, always the same length.

    version (1) | image hash length (2) | image hash | derivative length (4) | derivative | 0…

Nothing else of a picture ever leaves the device. Spec: ``spec/50-voucher.md`` section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

from veilmatch.errors import EncodingError, LengthError
from veilmatch.wire import Reader

_VERSION = 1
_OVERHEAD_LEN = 1 + 2 + 4


@dataclass(frozen=True)
class AssociatedData:
    """What is sealed inside a voucher: encoded image hash and derivative (JPEG)."""

    image_hash: bytes
    derivative: bytes

    def __repr__(self) -> str:
        return "AssociatedData(<private>)"


def max_derivative_len(ad_len: int, image_hash_len: int) -> int:
    """Return how many bytes of derivative fit."""
    return ad_len - _OVERHEAD_LEN - image_hash_len


def pack_associated_data(data: AssociatedData) -> bytes:
    """Serialise without padding, for the store."""
    return (
        bytes([_VERSION])
        + len(data.image_hash).to_bytes(2, "big")
        + data.image_hash
        + len(data.derivative).to_bytes(4, "big")
        + data.derivative
    )


def pad_associated_data(data: AssociatedData, ad_len: int) -> bytes:
    """Serialise and pad to ``ad_len`` bytes. Raises LengthError if it does not fit."""
    packed = pack_associated_data(data)
    if len(packed) > ad_len:
        raise LengthError("associated data", ad_len, len(packed))
    return packed.ljust(ad_len, b"\x00")


def parse_associated_data(data: bytes) -> AssociatedData:
    """Parse padded associated data; the padding must be zero. Raises EncodingError."""
    reader = Reader(data, "associated data")
    if reader.uint(1, "version") != _VERSION:
        raise EncodingError("associated data of another version", field="version", offset=0)
    image_hash = reader.take(reader.uint(2, "image hash length"), "image hash")
    derivative = reader.take(reader.uint(4, "derivative length"), "derivative")
    padding = reader.take(len(data) - reader.offset, "padding")
    if any(padding):
        raise EncodingError("the padding of associated data is not zero", field="padding")
    return AssociatedData(image_hash, derivative)
