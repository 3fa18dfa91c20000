"""The group ristretto255 (RFC 9496): elements and scalars in batches.

Elements and scalars are rows of 32 bytes; a batch is ``bytes (n, 32)``. An element that
comes from outside goes through ``parse_elements`` first, which refuses the identity.
Spec: ``spec/10-hazmat.md`` section 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha512

import numpy as np

from veilmatch.errors import EncodingError, InternalError, LengthError
from veilmatch.hazmat.backends.interface import (
    ELEMENT_LEN,
    SCALAR_LEN,
    UNIFORM_LEN,
    Bytes,
    Flags,
)
from veilmatch.hazmat.backends.selection import current
from veilmatch.secret import RandomSource

# RFC 9380 section 3.1 asks for a tag that names the protocol, its version and the suite.
GROUP_DST = b"veilmatch-v1 hash-to-group ristretto255_XMD:SHA-512_R255MAP_RO_"
SCALAR_DST = b"veilmatch-v1 hash-to-scalar ristretto255_XMD:SHA-512"

# RFC 9496 section 4: q = 2^252 + 27742317777372353535851937790883648493.
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493

# RFC 9496 appendix A.1, the multiple 1.
GENERATOR = np.frombuffer(
    bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"),
    dtype=np.uint8,
)


def to_batch(items: Iterable[bytes], width: int) -> Bytes:
    """Stack equal-length byte strings into ``bytes (n, width)``. Raises LengthError."""
    rows = list(items)
    for row in rows:
        if len(row) != width:
            raise LengthError("item", width, len(row))
    # A copy, so that the array is writable and its own memory.
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), width).copy()


def from_batch(array: Bytes) -> list[bytes]:
    """Split ``bytes (n, w)`` into n byte strings."""
    return [row.tobytes() for row in array]


def as_rows(data: bytes | memoryview, width: int) -> Bytes:
    """View a byte string as ``bytes (n, width)`` without copying. Raises LengthError."""
    if len(data) % width:
        raise LengthError("batch", len(data) - len(data) % width, len(data))
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, width)


def random_scalars(count: int, random: RandomSource) -> Bytes:
    """Draw ``count`` scalars, uniform modulo q. Returns ``bytes (count, 32)``.

    Secret: the scalars.
    """
    wide = np.frombuffer(random(UNIFORM_LEN * count), dtype=np.uint8).reshape(count, UNIFORM_LEN)
    scalars = current().scalar_reduce(wide)
    if not scalars.any(axis=1).all():  # probability 2^-252 a scalar: the source is broken
        raise InternalError("the random source gave a zero scalar")
    return scalars


def random_elements(count: int, random: RandomSource) -> Bytes:
    """Draw ``count`` elements with unknown discrete logarithm. Returns ``bytes (count, 32)``."""
    wide = np.frombuffer(random(UNIFORM_LEN * count), dtype=np.uint8).reshape(count, UNIFORM_LEN)
    return current().from_uniform(wide)


def parse_elements(data: Bytes, *, field: str = "element", threads: int = 1) -> Bytes:
    """Check that every row is a canonical encoding and not the identity; return the rows.

    Raises:
        EncodingError: ``offset`` is the first bad row's place in bytes.
    """
    if data.shape[1:] != (ELEMENT_LEN,):
        raise LengthError(field, ELEMENT_LEN, data.shape[-1])
    good = current().is_valid(data, threads=threads)
    if not good.all():
        first = int(np.argmin(good))
        raise EncodingError(
            f"{field} is not a canonical group element", field=field, offset=ELEMENT_LEN * first
        )
    return data


def is_element(data: Bytes, *, threads: int = 1) -> Flags:
    """Say for each row whether it is canonical and not the identity."""
    return current().is_valid(data, threads=threads)


def parse_scalar(data: bytes, *, field: str = "scalar") -> bytes:
    """Check 32 bytes little-endian, canonical and not zero. Raises EncodingError."""
    if len(data) != SCALAR_LEN:
        raise LengthError(field, SCALAR_LEN, len(data))
    if not 0 < int.from_bytes(data, "little") < GROUP_ORDER:
        raise EncodingError(f"{field} is not a canonical non-zero scalar", field=field)
    return data


def hash_to_group(messages: Bytes, *, threads: int = 1) -> Bytes:
    """hash_to_ristretto255 under ``GROUP_DST``. ``bytes (n, w)`` to ``bytes (n, 32)``.

    Source: RFC 9380 appendix B, spec 10 section 1.3. Secret: the messages.
    """
    return current().hash_to_group(np.ascontiguousarray(messages), GROUP_DST, threads=threads)


def hash_to_scalar(message: bytes, dst: bytes = SCALAR_DST) -> bytes:
    """Hash to a scalar: 64 bytes of expand_message_xmd, little-endian, modulo q.

    Source: RFC 9497 section 4.1, spec 10 section 1.4.
    """
    wide = expand_message_xmd(message, dst, UNIFORM_LEN)
    reduced = current().scalar_reduce(np.frombuffer(wide, dtype=np.uint8).reshape(1, UNIFORM_LEN))
    return reduced.tobytes()


def expand_message_xmd(message: bytes, dst: bytes, length: int) -> bytes:
    """expand_message_xmd with SHA-512. Source: RFC 9380 section 5.3.1.

    Raises:
        LengthError: The tag is empty or over 255 bytes, or the output over 255 blocks.
    """
    if not 0 < len(dst) <= 255:
        raise LengthError("dst", 255, len(dst))
    block_count = -(-length // 64)
    if block_count > 255 or length > 65_535:
        raise LengthError("output", 255 * 64, length)
    dst_prime = dst + bytes([len(dst)])
    b0 = sha512(bytes(128) + message + length.to_bytes(2, "big") + b"\x00" + dst_prime).digest()
    block = sha512(b0 + b"\x01" + dst_prime).digest()
    out = block
    for i in range(2, block_count + 1):
        mixed = bytes(a ^ b for a, b in zip(b0, block, strict=True))
        block = sha512(mixed + bytes([i]) + dst_prime).digest()
        out += block
    return out[:length]


def one(row: bytes | Bytes) -> Bytes:
    """Turn 32 bytes into a batch of one, ``bytes (1, 32)``."""
    return np.frombuffer(bytes(row), dtype=np.uint8).reshape(1, -1)


def mul(scalar: bytes, points: Bytes, *, threads: int = 1) -> Bytes:
    """Multiply every point by one secret scalar (32 bytes). ``bytes (n, 32)``."""
    return current().mul(
        np.frombuffer(scalar, dtype=np.uint8), np.ascontiguousarray(points), threads=threads
    )


def mul_base(scalars: Bytes) -> Bytes:
    """Multiply the generator by each scalar. ``bytes (n, 32)``."""
    return current().mul_base(np.ascontiguousarray(scalars))


def add(left: Bytes, right: Bytes) -> Bytes:
    """Add elements item by item."""
    return current().add(np.ascontiguousarray(left), np.ascontiguousarray(right))


def sub(left: Bytes, right: Bytes) -> Bytes:
    """Subtract elements item by item."""
    return current().sub(np.ascontiguousarray(left), np.ascontiguousarray(right))


def blind_rows(messages: Bytes, scalar: bytes, *, threads: int = 1) -> Bytes:
    """``scalar * H(message)`` for each message: the rows of a blinded table (spec 30)."""
    return current().blind_rows(
        np.ascontiguousarray(messages),
        GROUP_DST,
        np.frombuffer(scalar, dtype=np.uint8),
        threads=threads,
    )


def duplicate_index(rows: Bytes, *, threads: int = 1) -> int:
    """Index of a row that equals an earlier one, or -1."""
    return current().duplicate_index(np.ascontiguousarray(rows), threads=threads)
