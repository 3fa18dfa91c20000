"""The interface of an image hash, and the brute-force twin that faster code is tested against.

Source: spec/20-hashing.md, sections 2 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from veilmatch.errors import EncodingError, InputError, LengthError
from veilmatch.hashing.picture import Picture

_HEADER_LEN = 3


@dataclass(frozen=True, repr=False)
class ImageHash:
    """A fixed-width perceptual hash of one picture.

    Two pictures match when their hashes are equal in every field: the protocol knows nothing else.

    Attributes:
        alg_id: Which algorithm, 1 to 255; the ids stand in spec/20-hashing.md, section 2.
        bit_len: Number of bits, 1 to 65535.
        value: The bits, most significant first; unused low bits of the last byte are zero.
    """

    alg_id: int
    bit_len: int
    value: bytes

    def __post_init__(self) -> None:
        if not 1 <= self.alg_id <= 255:
            raise EncodingError("algorithm id must lie between 1 and 255", field="alg_id", offset=0)
        if not 1 <= self.bit_len <= 0xFFFF:
            raise EncodingError(
                "bit length must lie between 1 and 65535", field="bit_len", offset=1
            )
        if len(self.value) != (self.bit_len + 7) // 8:
            raise LengthError("image hash value", (self.bit_len + 7) // 8, len(self.value))
        spare = -self.bit_len % 8
        if self.value[-1] & ((1 << spare) - 1):
            raise EncodingError(
                "unused bits of an image hash must be zero",
                field="value",
                offset=_HEADER_LEN + len(self.value) - 1,
            )

    def __repr__(self) -> str:
        """Name the algorithm and the width, never a bit."""
        return f"ImageHash(alg_id={self.alg_id}, bit_len={self.bit_len})"

    def to_bytes(self) -> bytes:
        """Encode as alg_id (1) | bit length (2, big-endian) | value: what the protocol hashes."""
        return bytes([self.alg_id]) + self.bit_len.to_bytes(2, "big") + self.value


def parse_image_hash(encoded: bytes) -> ImageHash:
    """Read the one encoding of an image hash back.

    Args:
        encoded: alg_id (1) | bit length (2, big-endian) | value, and not a byte more.

    Raises:
        EncodingError: Too short for its header, a field out of range, unused bits not zero.
        LengthError: The value is not as long as the bit length says.

    Not checked: that the algorithm is one this side knows.
    Source: spec/20-hashing.md, section 2.
    """
    if len(encoded) < _HEADER_LEN:
        raise EncodingError(
            "an image hash needs a header of three bytes", field="image hash", offset=len(encoded)
        )
    bit_len = int.from_bytes(encoded[1:_HEADER_LEN], "big")
    return ImageHash(encoded[0], bit_len, bytes(encoded[_HEADER_LEN:]))


@dataclass(frozen=True)
class HashResult:
    """What hashing one picture gives.

    Attributes:
        image_hash: The hash.
        gate: Whether the picture passes the quality gate. Below it the client sends a voucher
            without content, and a provider enters nothing: flat pictures resemble each other.
        quality: The number behind the gate, 0 to 100.
        probes: Distinct hashes, the most likely first; the hash itself is always the first.
    """

    image_hash: ImageHash
    gate: bool
    quality: int
    probes: tuple[ImageHash, ...]


@runtime_checkable
class Hasher(Protocol):
    """One image hash algorithm, with every step before it pinned."""

    @property
    def name(self) -> str:
        """Its name in settings and manifests."""

    @property
    def alg_id(self) -> int:
        """Its number inside encoded hashes."""

    @property
    def bit_len(self) -> int:
        """Number of bits of its hashes."""

    @property
    def version(self) -> int:
        """Version of the algorithm: a changed bit on any picture is a new version."""

    def describe(self) -> dict[str, str | int]:
        """Name every step that can move a bit, and the version of what carries it out.

        The dictionary stands in the signed manifest; a client refuses a release whose dictionary
        differs from its own.
        """

    def hash_picture(self, picture: Picture, probes: int = 1) -> HashResult:
        """Hash one picture.

        Args:
            picture: Decoded by ``decode_picture``.
            probes: How many hashes to give, 1 to MAX_PROBES.

        Raises:
            InputError: ``probes`` out of range.
        """


def brute_force_distance(a: ImageHash, b: ImageHash) -> int:
    """Count the bits that differ, one by one: the twin that faster code is tested against.

    Raises:
        InputError: The hashes are of different algorithms or widths.

    Source: spec/20-hashing.md, section 5.
    """
    if (a.alg_id, a.bit_len) != (b.alg_id, b.bit_len):
        raise InputError("hashes of different algorithms have no distance")
    count = 0
    for bit in range(a.bit_len):
        mask = 0x80 >> (bit % 8)
        count += (a.value[bit // 8] & mask) != (b.value[bit // 8] & mask)
    return count


def flip_bits(image_hash: ImageHash, bits: Sequence[int]) -> ImageHash:
    """Give the hash with some bits turned over; bit 0 is the most significant."""
    value = bytearray(image_hash.value)
    for bit in bits:
        value[bit // 8] ^= 0x80 >> (bit % 8)
    return ImageHash(image_hash.alg_id, image_hash.bit_len, bytes(value))
