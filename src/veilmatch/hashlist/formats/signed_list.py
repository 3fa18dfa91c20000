"""A provider's signed list (page 25) of any length: verified while it is read.

``parse_hash_list`` holds the whole list; this holds one line and the right edge of the tree.
Spec: ``spec/26-list-formats.md`` section 5.8.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from veilmatch.errors import DuplicateError, EncodingError, SignatureError
from veilmatch.hashlist.entry import Chunks, Item, ListEntry, Record
from veilmatch.hashlist.formats.lines import split_lines
from veilmatch.hashlist.hash_list import FORMAT, SALT_LEN
from veilmatch.hashlist.kinds import MATCHABLE_LEN
from veilmatch.hashlist.provider import HashProvider, parse_provider
from veilmatch.hazmat.merkle import ROOT_LEN
from veilmatch.hazmat.signing import SIGNATURE_LEN, verify_signature
from veilmatch.wire import Fields, Json, parse_canonical_json, parse_json, to_canonical_json

_PURPOSE = "hash list"
_HASH_LINE = b'{"hash":"'


class _Tree:
    """The Merkle root of RFC 9162 over leaves that come one by one."""

    def __init__(self) -> None:
        self._edge: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        """Add the next leaf: join complete subtrees of equal height at the right edge."""
        height, node = 0, hashlib.sha256(b"\x00" + leaf).digest()
        while self._edge and self._edge[-1][0] == height:
            node = hashlib.sha256(b"\x01" + self._edge.pop()[1] + node).digest()
            height += 1
        self._edge.append((height, node))

    def root(self) -> bytes:
        """Return the root of what was added."""
        if not self._edge:
            return hashlib.sha256(b"").digest()
        edge = [node for _, node in self._edge]
        root = edge.pop()
        while edge:
            root = hashlib.sha256(b"\x01" + edge.pop() + root).digest()
        return root


def parse_signed_entries(
    chunks: Chunks,
    *,
    provider: HashProvider,
    seen: Callable[[Json], None] = lambda header: None,
) -> Iterator[Item]:
    """Yield the hashes of a signed list.

    The checks: 1. the provider is the known one; 2. the signature over the header verifies;
    3. the hashes are of a kind that can be compared; 4. each line is whole and in strictly
    ascending order; 5. at the end, count and commitment are the signed ones. An importer that
    keeps nothing before the end so keeps nothing that was not signed.

    Args:
        chunks: The file.
        provider: Who must have signed it.
        seen: Called with the header after check 3; what it holds of the entries counts only
            once the last of them was read.

    Raises:
        EncodingError: Malformed, or of a kind that cannot be compared here.
        SignatureError: Check 1, 2 or 5 fails.
        DuplicateError: Check 4 fails.

    Source: spec/26-list-formats.md, section 5.8; spec/25-hashlist.md, section 2.
    """
    lines = split_lines(chunks)
    header = parse_canonical_json(_strip(next(lines, b"")), "the hash list's first line")
    kind, count, salt, commitment = _verify_header(header, provider)
    seen(header)
    width = MATCHABLE_LEN[kind]
    tree, before, number = _Tree(), b"", 0
    for number, line in enumerate(lines, start=1):
        value = _parse_line(_strip(line), width, number)
        if value <= before:  # 4
            raise DuplicateError("the hash list is not in ascending order without repeats")
        before = value
        tree.add(salt + value)
        yield ListEntry(Record(number), kind, value)
    if number != count or tree.root() != commitment:  # 5
        raise SignatureError("the hash list's entries are not the signed ones")


def _strip(line: bytes) -> bytes:
    if not line.endswith(b"\n"):
        raise EncodingError("the hash list does not end in a line break", field="end")
    return line[:-1]


def _verify_header(header: Json, provider: HashProvider) -> tuple[str, int, bytes, bytes]:
    """Run checks 1 to 3; returns kind, count, salt and commitment."""
    fields = Fields(header, "hash list header")
    if fields.text("format") != FORMAT:
        raise EncodingError("not a hash list of a known format", field="format")
    named = {name: header.get(name) for name in ("name", "jurisdiction", "public_key")}
    if parse_provider(named) != provider:  # 1
        raise SignatureError("the list is not signed by the provider that was named")
    signature = fields.hex("signature", SIGNATURE_LEN)
    signed = {name: value for name, value in header.items() if name != "signature"}
    verify_signature(provider.public_key, _PURPOSE, to_canonical_json(signed), signature)  # 2
    kind, bit_len = fields.text("algorithm", max_len=40), fields.integer("bit_len", 8, 4096)
    if MATCHABLE_LEN.get(kind, 0) * 8 != bit_len:  # 3
        raise EncodingError("hashes of this algorithm cannot be compared here", field="algorithm")
    count = fields.integer("count", 0, 2**32)
    return kind, count, fields.hex("salt", SALT_LEN), fields.hex("commitment", ROOT_LEN)


def _parse_line(line: bytes, width: int, number: int) -> bytes:
    # The one spelling there is; anything else goes through the strict reader to its error.
    digits = line[len(_HASH_LINE) : -2]
    try:
        value = bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        value = b""
    if len(value) == width and line == _HASH_LINE + value.hex().encode() + b'"}':
        return value
    fields = Fields(parse_json(line, f"line {number + 1} of the hash list"), "hash list entry")
    fields.hex("hash", width)
    fields.finish()
    raise EncodingError(f"line {number + 1} of the hash list is not canonical", field="hash")
