"""A hash list: the sorted, distinct image hashes that one provider stands behind.

On disk: JSON Lines. The first line is the signed header, each further line one hash::

    {"algorithm":"pdq", … ,"commitment":"…","signature":"…"}
    {"hash":"0f1e…"}

Spec: ``spec/25-hashlist.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from veilmatch.errors import DuplicateError, EncodingError, SignatureError
from veilmatch.hashlist.provider import HashProvider, take_provider
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.hazmat.group import to_batch
from veilmatch.hazmat.merkle import ROOT_LEN, merkle_root
from veilmatch.hazmat.signing import SIGNATURE_LEN, Signer, verify_signature
from veilmatch.secret import SYSTEM_RANDOM, RandomSource
from veilmatch.wire import Fields, Json, parse_canonical_json, parse_json, to_canonical_json

FORMAT = "veilmatch-hash-list-v1"
CONTENT_CLASS = "csam"
SALT_LEN = 32
MAX_PROBES = 64
_PURPOSE = "hash list"


OpenSlots = Mapping[int, tuple[int, ...]]
"""By number of probes C: entry m - 1 counts near-copies that open m of the 2*C slots."""


@dataclass(frozen=True)
class HashList:
    """One provider's list, verified or about to be signed.

    Attributes:
        provider: Who signs.
        algorithm: The image hash's name, for example ``pdq``.
        bit_len: Bits per hash.
        hashes: ``bytes (n, ceil(bit_len / 8))``, strictly ascending.
        salt: 32 random bytes that keep the commitment from being guessed.
        picture_count: How many pictures the hashes come from; several hashes may stand for one.
        open_slots: By number of probes, how often a near-copy of a listed picture opened
            1, 2, … slots (``hashing.near_copies``); empty if the provider has no pictures.
        content_class: What the provider vouches for; ``csam`` in this version.
    """

    provider: HashProvider
    algorithm: str
    bit_len: int
    hashes: Bytes
    salt: bytes
    content_class: str = CONTENT_CLASS
    picture_count: int = 0
    open_slots: OpenSlots = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"HashList({self.algorithm}, {len(self.hashes)} hashes)"

    @property
    def commitment(self) -> bytes:
        """Merkle root over ``salt | hash``: says nothing about a hash, changes with any."""
        salts = np.broadcast_to(np.frombuffer(self.salt, np.uint8), (len(self.hashes), SALT_LEN))
        return merkle_root(np.concatenate([salts, self.hashes], axis=1))

    def header(self) -> Json:
        """Return what the provider signs."""
        return {
            "format": FORMAT,
            **self.provider.to_json(),
            "algorithm": self.algorithm,
            "bit_len": self.bit_len,
            "content_class": self.content_class,
            "count": len(self.hashes),
            "picture_count": self.picture_count,
            "open_slots": {str(c): list(w) for c, w in sorted(self.open_slots.items())},
            "salt": self.salt.hex(),
            "commitment": self.commitment.hex(),
        }


def sort_hashes(hashes: Iterable[bytes], bit_len: int) -> Bytes:
    """Sort and de-duplicate. Returns ``bytes (n, w)``. Raises LengthError."""
    return to_batch(sorted(set(hashes)), -(-bit_len // 8))


def sign_hash_list(
    provider: HashProvider,
    key: Signer,
    algorithm: str,
    bit_len: int,
    hashes: Iterable[bytes],
    random: RandomSource = SYSTEM_RANDOM,
    *,
    picture_count: int | None = None,
    open_slots: OpenSlots | None = None,
) -> bytes:
    """Make the signed list file. The provider runs it.

    Args:
        provider: Who signs.
        key: The provider's key.
        algorithm: The image hash's name.
        bit_len: Bits per hash.
        hashes: In any order, with or without repeats.
        random: For the salt.
        picture_count: How many pictures they come from; the number of hashes if not given.
        open_slots: See ``HashList``.

    Raises:
        SignatureError: ``key`` is not the provider's.
    """
    if key.public_key != provider.public_key:
        raise SignatureError("the key is not the provider's")
    rows = sort_hashes(hashes, bit_len)
    pictures = len(rows) if picture_count is None else picture_count
    listed = HashList(
        provider,
        algorithm,
        bit_len,
        rows,
        random(SALT_LEN),
        picture_count=pictures,
        open_slots=dict(open_slots or {}),
    )
    header = listed.header()
    header["signature"] = key.sign(_PURPOSE, to_canonical_json(header)).hex()
    lines = [to_canonical_json(header)]
    lines += [b'{"hash":"' + row.tobytes().hex().encode() + b'"}' for row in listed.hashes]
    return b"\n".join(lines) + b"\n"


def _parse_hash_line(line: bytes, width: int, number: int) -> bytes:
    fields = Fields(parse_json(line, f"line {number} of the hash list"), "hash list entry")
    value = fields.hex("hash", width)
    fields.finish()
    return value


def take_open_slots(value: Json) -> dict[int, tuple[int, ...]]:
    """Parse the object ``open_slots`` of a header. Raises EncodingError."""
    fields = Fields(value, "open_slots")
    found: dict[int, tuple[int, ...]] = {}
    for name in sorted(value):
        # Two digits at most, before int() sees them: Python refuses very long numbers its own way.
        number = name.isascii() and name.isdigit() and len(name) <= 2 and str(int(name)) == name
        if not number or not 1 <= int(name) <= MAX_PROBES:
            raise EncodingError("open_slots names no number of probes", field="open_slots")
        weights = fields.array(name, max_count=2 * int(name))
        if not all(type(w) is int and 0 <= w < 2**31 for w in weights):
            raise EncodingError("open_slots holds no counts", field="open_slots")
        found[int(name)] = tuple(weights)
    return found


def parse_hash_list(data: bytes) -> HashList:
    """Parse and verify a signed list. The publisher runs it.

    Returns:
        The list; its signature, count, order and commitment hold.

    Raises:
        EncodingError: Malformed. LengthError: A hash of the wrong length.
        DuplicateError: Hashes repeat or are not in ascending order.
        SignatureError: The signature or the commitment does not verify.

    Not checked: whether the provider is one that the publisher knows.
    """
    lines = data.split(b"\n")
    if len(lines) < 2 or lines[-1] != b"":
        raise EncodingError("the hash list does not end in a line break", field="end")
    header = parse_canonical_json(lines[0], "the hash list's first line")
    fields = Fields(header, "hash list header")
    if fields.text("format") != FORMAT:
        raise EncodingError("not a hash list of a known format", field="format")
    provider = take_provider(fields)
    algorithm, bit_len = fields.text("algorithm", max_len=40), fields.integer("bit_len", 8, 4096)
    content_class = fields.text("content_class", max_len=40)
    count = fields.integer("count", 0, 2**32)
    picture_count = fields.integer("picture_count", 0, 2**32)
    open_slots = take_open_slots(fields.object("open_slots"))
    salt, commitment = fields.hex("salt", SALT_LEN), fields.hex("commitment", ROOT_LEN)
    signature = fields.hex("signature", SIGNATURE_LEN)
    fields.finish()
    signed = {name: value for name, value in header.items() if name != "signature"}
    verify_signature(provider.public_key, _PURPOSE, to_canonical_json(signed), signature)
    width = -(-bit_len // 8)
    rows = [_parse_hash_line(line, width, i + 2) for i, line in enumerate(lines[1:-1])]
    if any(a >= b for a, b in pairwise(rows)):
        raise DuplicateError("the hash list is not in ascending order without repeats")
    listed = HashList(
        provider,
        algorithm,
        bit_len,
        to_batch(rows, width),
        salt,
        content_class,
        picture_count,
        open_slots,
    )
    if len(rows) != count or listed.commitment != commitment:
        raise SignatureError("the hash list's entries are not the signed ones")
    return listed
