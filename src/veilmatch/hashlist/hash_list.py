"""A hash list: the sorted, distinct image hashes that one provider stands behind.

On disk: JSON Lines. The first line is the signed header, each further line one hash::

    {"algorithm":"pdq", … ,"commitment":"…","signature":"…"}
    {"hash":"0f1e…"}

Spec: ``spec/25-hashlist.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from veilmatch.errors import DuplicateError, EncodingError, SignatureError
from veilmatch.hashlist.provider import HashProvider, take_provider
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.hazmat.group import to_batch
from veilmatch.hazmat.merkle import ROOT_LEN, merkle_root
from veilmatch.hazmat.signing import SIGNATURE_LEN, SigningKey, verify_signature
from veilmatch.secret import SYSTEM_RANDOM, RandomSource
from veilmatch.wire import Fields, Json, parse_canonical_json, parse_json, to_canonical_json

FORMAT = "veilmatch-hash-list-v1"
CONTENT_CLASS = "csam"
SALT_LEN = 32
_PURPOSE = "hash list"


@dataclass(frozen=True)
class HashList:
    """One provider's list, verified or about to be signed.

    Attributes:
        provider: Who signs.
        algorithm: The image hash's name, for example ``pdq``.
        bit_len: Bits per hash.
        hashes: ``bytes (n, ceil(bit_len / 8))``, strictly ascending.
        salt: 32 random bytes that keep the commitment from being guessed.
        content_class: What the provider vouches for; ``csam`` in this version.
    """

    provider: HashProvider
    algorithm: str
    bit_len: int
    hashes: Bytes
    salt: bytes
    content_class: str = CONTENT_CLASS

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
            "salt": self.salt.hex(),
            "commitment": self.commitment.hex(),
        }


def sort_hashes(hashes: Iterable[bytes], bit_len: int) -> Bytes:
    """Sort and de-duplicate. Returns ``bytes (n, w)``. Raises LengthError."""
    return to_batch(sorted(set(hashes)), -(-bit_len // 8))


def sign_hash_list(
    provider: HashProvider,
    key: SigningKey,
    algorithm: str,
    bit_len: int,
    hashes: Iterable[bytes],
    random: RandomSource = SYSTEM_RANDOM,
) -> bytes:
    """Make the signed list file. The provider runs it.

    Raises:
        SignatureError: ``key`` is not the provider's.
    """
    if key.public_key != provider.public_key:
        raise SignatureError("the key is not the provider's")
    listed = HashList(provider, algorithm, bit_len, sort_hashes(hashes, bit_len), random(SALT_LEN))
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
    salt, commitment = fields.hex("salt", SALT_LEN), fields.hex("commitment", ROOT_LEN)
    signature = fields.hex("signature", SIGNATURE_LEN)
    fields.finish()
    signed = {name: value for name, value in header.items() if name != "signature"}
    verify_signature(provider.public_key, _PURPOSE, to_canonical_json(signed), signature)
    width = -(-bit_len // 8)
    rows = [_parse_hash_line(line, width, i + 2) for i, line in enumerate(lines[1:-1])]
    if any(a >= b for a, b in pairwise(rows)):
        raise DuplicateError("the hash list is not in ascending order without repeats")
    listed = HashList(provider, algorithm, bit_len, to_batch(rows, width), salt, content_class)
    if len(rows) != count or listed.commitment != commitment:
        raise SignatureError("the hash list's entries are not the signed ones")
    return listed
