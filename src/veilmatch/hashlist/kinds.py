"""Kinds of hashes that lists hold: which have a fixed width here, and how each is spelled.

A kind is either *matchable* (file digests and image hashes of known width) or *opaque*: kept
byte for byte and counted, never compared. Spec: ``spec/26-list-formats.md`` section 3.
"""

from __future__ import annotations

import base64
import binascii
import re

from veilmatch.errors import EncodingError, LengthError

DIGEST_LEN: dict[str, int] = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
"""File digests, and their bytes."""

IMAGE_HASH_LEN: dict[str, int] = {"pdq": 32, "lfh": 9, "neuralhash": 12}
"""Image hashes, and their bytes."""

MATCHABLE_LEN: dict[str, int] = DIGEST_LEN | IMAGE_HASH_LEN

MAX_OPAQUE_LEN = 300_000
"""Longest opaque value in bytes; a TMK descriptor has 262,144."""

PHOTODNA = "photodna"
PHOTODNA_LEN = 144
_SHA1_BASE32_LEN = 32

_ALIASES: dict[str, str] = {
    "sha-1": "sha1",
    "sha-256": "sha256",
    "sha-512": "sha512",
    "pdna": PHOTODNA,
    "neural-hash": "neuralhash",
    "tmk": "tmk-pdqf",
    "tmk_pdqf": "tmk-pdqf",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def is_matchable(kind: str) -> bool:
    """Say whether hashes of this kind can be compared here."""
    return kind in MATCHABLE_LEN


def parse_kind(name: str) -> str:
    """Return our word for a source's name of a hash kind.

    A name that nobody here knows becomes an opaque kind of its own, so that it is counted.

    Raises:
        EncodingError: The name is empty, long, or has letters other than a-z, 0-9, - and _.
    """
    word = name.strip().lower()
    word = _ALIASES.get(word, word)
    if not _NAME.fullmatch(word):
        raise EncodingError("a hash kind has no usable name", field="kind")
    return word


def parse_value(kind: str, text: str) -> bytes:
    """Decode one hash of a matchable kind from hexadecimal, in either case.

    SHA-1 may also be in base32 (32 characters), as one source gives it.

    Raises:
        EncodingError: Not hexadecimal. LengthError: Another length than the kind has.
    """
    expected = MATCHABLE_LEN[kind]
    text = text.strip()
    try:
        if kind == "sha1" and len(text) == _SHA1_BASE32_LEN:
            value = base64.b32decode(text, casefold=True)
        else:
            value = binascii.unhexlify(text)
    except ValueError as exc:
        raise EncodingError("a hash is not hexadecimal", field=kind) from exc
    if len(value) != expected:
        raise LengthError(kind, expected, len(value))
    return value


def parse_photodna(text: str) -> tuple[str, bytes]:
    """Bring the three spellings of PhotoDNA (base64, hexadecimal, decimal list) to one.

    Returns:
        The kind and the bytes: 144 of them, or, under the kind ``photodna-other``, the text
        as it came where it is none of the three. Nothing here can be matched; it is kept.
    """
    text = text.strip()
    value = _decode_photodna(text)
    if value is not None and len(value) == PHOTODNA_LEN:
        return PHOTODNA, value
    return f"{PHOTODNA}-other", parse_opaque(text)


def _decode_photodna(text: str) -> bytes | None:
    try:
        if len(text) == 2 * PHOTODNA_LEN:
            return binascii.unhexlify(text)
        if "," in text and len(text) < 8 * PHOTODNA_LEN:
            return bytes(int(part) for part in text.strip("[]").split(","))
        if len(text) == PHOTODNA_LEN * 4 // 3:
            return base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return None


def parse_opaque(text: str) -> bytes:
    """Keep a value as it came. Raises EncodingError if it is empty or too long."""
    value = text.strip().encode("utf-8", "surrogatepass")
    if not value or len(value) > MAX_OPAQUE_LEN:
        raise EncodingError("an opaque hash is empty or too long", field="hash")
    return value
