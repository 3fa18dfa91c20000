"""JSON Lines: one object per line with a field ``hash`` in hexadecimal."""

from __future__ import annotations

from veilmatch.errors import EncodingError
from veilmatch.wire import check_length, parse_json


def parse_json_lines(data: bytes, hash_len: int) -> list[bytes]:
    """Read the hashes of a JSON Lines file; other fields are ignored, empty lines too.

    Args:
        data: UTF-8 text.
        hash_len: Bytes per hash.

    Raises:
        EncodingError: A line that is not an object with a hexadecimal ``hash``.
        LengthError: A hash of another length.
    """
    found = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        value = parse_json(line, f"line {number}").get("hash")
        if not isinstance(value, str):
            raise EncodingError(f"line {number} has no field hash", field="hash")
        try:
            digest = bytes.fromhex(value)
        except ValueError as exc:
            raise EncodingError(f"line {number} holds no hexadecimal hash", field="hash") from exc
        found.append(check_length(digest, hash_len, "hash"))
    return found
