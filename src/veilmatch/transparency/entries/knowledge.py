"""The proof that the publisher knows alpha, checked a second time with whole numbers alone.

Clients check it with libsodium or the native core. An auditor has neither, so ristretto255 stands
here as RFC 9496 writes it, for public values only: nothing here runs in constant time. Tests
compare it with both backends.

Spec: ``spec/80-transparency.md`` rule B-27; ``spec/10-hazmat.md`` section 8.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from veilmatch.errors import EncodingError, ProofError, TableError
from veilmatch.transparency.entries.canonical import Fields
from veilmatch.transparency.entries.manifest import hash_labelled, load_manifest

# RFC 9496 section 4.1: the field, the curve, and two roots that are used often.
P = 2**255 - 19
D = 37095705934669439343138083508754565189542113879843219016388785533085940283555
SQRT_M1 = 19681161376707505956807079304988542015446066515923890162744021073123829784752
INVSQRT_A_MINUS_D = 54469307008909316920995813868745141605393597292927456921205312896311721017578
# RFC 9496 section 4: the group's order.
ORDER = 2**252 + 27742317777372353535851937790883648493
# RFC 9496 appendix A.1, the multiple 1.
GENERATOR = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")

_CONTEXT = b"veilmatch-v1 proof-of-knowledge"  # spec 10 section 8
_BINDING = b"veilmatch-v1 table secret"  # spec 30 section 4.4
_LEN, _BLOCK = 32, 128  # bytes of an element or scalar; of a block of SHA-512


class Point(NamedTuple):
    """A point in extended coordinates: x = X/Z, y = Y/Z, xy = T/Z."""

    x: int
    y: int
    z: int
    t: int


IDENTITY = Point(0, 1, 1, 0)


def _is_negative(value: int) -> bool:
    return value % P % 2 == 1


def _abs(value: int) -> int:
    return -value % P if _is_negative(value) else value % P


def _sqrt_ratio(u: int, v: int) -> tuple[bool, int]:
    """SQRT_RATIO_M1. Source: RFC 9496 section 4.2."""
    root = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * root * root % P
    is_square = check == u % P
    is_flipped = check == -u % P
    if is_flipped or check == -u * SQRT_M1 % P:
        root = root * SQRT_M1 % P
    return is_square or is_flipped, _abs(root)


def decode_element(data: bytes) -> Point:
    """Decode an element. Raises EncodingError. Source: RFC 9496 section 4.3.1."""
    s = int.from_bytes(data, "little")
    if len(data) != _LEN or s >= P or _is_negative(s):
        raise EncodingError("an element is not in its one spelling", field="element")
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-D * u1 * u1 - u2 * u2) % P
    is_square, root = _sqrt_ratio(1, v * u2 * u2)
    x = _abs(2 * s * root * u2)
    y = u1 * root * root * u2 * v % P
    t = x * y % P
    if not is_square or _is_negative(t) or y == 0:
        raise EncodingError("not an element of the group", field="element")
    return Point(x, y, 1, t)


def encode_element(point: Point) -> bytes:
    """Encode an element. Source: RFC 9496 section 4.3.2."""
    x, y, z, t = point
    u1, u2 = (z + y) * (z - y) % P, x * y % P
    _, root = _sqrt_ratio(1, u1 * u2 * u2)
    den1, den2 = root * u1 % P, root * u2 % P
    z_inverse = den1 * den2 * t % P
    if _is_negative(t * z_inverse):
        x, y, den = y * SQRT_M1 % P, x * SQRT_M1 % P, den1 * INVSQRT_A_MINUS_D % P
    else:
        den = den2
    if _is_negative(x * z_inverse):
        y = -y % P
    return _abs(den * (z - y)).to_bytes(_LEN, "little")


def add_points(left: Point, right: Point) -> Point:
    """Add two points. Source: RFC 8032 section 5.1.4."""
    a = (left.y - left.x) * (right.y - right.x)
    b = (left.y + left.x) * (right.y + right.x)
    c = 2 * D * left.t * right.t
    d = 2 * left.z * right.z
    e, f, g, h = b - a, d - c, d + c, b + a
    return Point(e * f % P, g * h % P, f * g % P, e * h % P)


def multiply_point(scalar: int, point: Point) -> Point:
    """Multiply a point, bit by bit; for public scalars only."""
    found = IDENTITY
    for bit in bin(scalar)[2:]:
        found = add_points(found, found)
        if bit == "1":
            found = add_points(found, point)
    return found


def _hash_to_scalar(message: bytes) -> int:
    """Hash as spec 10 section 1.4 does: one block of expand_message_xmd. Source: RFC 9380 5.3.1."""
    tag = b"HashToScalar-" + _CONTEXT
    tag += bytes([len(tag)])
    first = hashlib.sha512(bytes(_BLOCK) + message + b"\x00\x40\x00" + tag).digest()
    return int.from_bytes(hashlib.sha512(first + b"\x01" + tag).digest(), "little") % ORDER


def _prefixed(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(2, "big") + field for field in fields)


def verify_alpha_known(manifest: bytes) -> None:
    """Verify the manifest's proof that its maker knows alpha, for its public value L = alpha*G.

    Args:
        manifest: The manifest file.

    Raises:
        EncodingError: The manifest, or the proof in it, is malformed.
        TableError: L is not an element, or is the identity. ProofError: The proof does not verify.

    Source: spec/80-transparency.md rule B-27.
    """
    fields = Fields(load_manifest(manifest), "manifest")
    public, proof = fields.digest("public"), fields.digest("knowledge", 2 * _LEN)
    nonce, epoch = fields.digest("table_nonce"), fields.count("epoch")
    challenge = int.from_bytes(proof[:_LEN], "little")
    response = int.from_bytes(proof[_LEN:], "little")
    if challenge >= ORDER or response >= ORDER:
        raise EncodingError("a proof is not in its one spelling", field="knowledge")
    try:
        point = decode_element(public)
    except EncodingError as error:
        raise TableError("the release's public value is not a valid element") from error
    if public == bytes(_LEN):
        raise TableError("the release's public value is the identity")
    binding = hash_labelled(_BINDING, nonce, epoch.to_bytes(8, "big"))
    commitment = add_points(
        multiply_point(response, decode_element(GENERATOR)), multiply_point(challenge, point)
    )
    told = _prefixed(public, encode_element(commitment), binding) + b"Challenge"
    if _hash_to_scalar(told) != challenge:
        raise ProofError("the proof that alpha is known does not verify")
