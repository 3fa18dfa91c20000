"""JSON Lines: one object per line with a field ``hash`` in hexadecimal."""

from __future__ import annotations

from collections.abc import Iterator

from veilmatch.errors import EncodingError
from veilmatch.hashlist.entry import Chunks, Item, Malformed
from veilmatch.hashlist.formats.columns import ColumnReader
from veilmatch.hashlist.formats.lines import split_lines
from veilmatch.wire import check_length, parse_json

_MAX_SHAPES = 64  # sets of field names whose meaning is remembered


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


def parse_json_line_entries(chunks: Chunks, *, kind: str = "", scheme: str = "") -> Iterator[Item]:
    """Yield what a JSON Lines file of any size lists: one object per record.

    Args:
        chunks: The file, UTF-8 with or without a byte-order mark; empty lines are skipped.
        kind: What the field ``hash`` holds where no field ``kind`` says it.
        scheme: Whose categories a field ``classification`` holds.

    Raises:
        EncodingError: A line is not a JSON object, as the last line of a file that was cut
            off is not.

    Source: spec/26-list-formats.md, section 5.1.
    """
    readers: dict[tuple[str, ...], ColumnReader] = {}
    number = 0
    for line in split_lines(chunks):
        if not line.strip():
            continue
        number += 1
        values = parse_json(line, f"record {number}")
        names = tuple(values)
        reader = readers.get(names)
        if reader is None:
            try:
                reader = ColumnReader(list(names), kind, scheme)
            except EncodingError as exc:
                if number == 1:
                    raise
                yield Malformed(number, exc.field)
                continue
            if len(readers) < _MAX_SHAPES:
                readers[names] = reader
        yield from reader.read(number, values)
