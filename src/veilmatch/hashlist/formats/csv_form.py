"""CSV: a header row that names the columns, one column ``hash`` in hexadecimal."""

from __future__ import annotations

import csv
import io

from veilmatch.errors import EncodingError
from veilmatch.wire import check_length

COLUMN = "hash"


def parse_csv(data: bytes, hash_len: int) -> list[bytes]:
    """Read the hashes of a CSV file; other columns are ignored.

    Args:
        data: UTF-8 text, with or without a byte-order mark.
        hash_len: Bytes per hash.

    Raises:
        EncodingError: Not UTF-8, no ``hash`` column, or a value that is not hexadecimal.
        LengthError: A hash of another length.
    """
    try:
        text = data.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as exc:
        raise EncodingError("the file is not CSV in UTF-8") from exc
    if not rows or COLUMN not in rows[0]:
        raise EncodingError(
            "the CSV file has no column named hash",
            field=COLUMN,
            hint="the first row must name the columns",
        )
    column, width = rows[0].index(COLUMN), len(rows[0])
    found = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != width:
            raise EncodingError(f"row {number} has another number of columns", field=COLUMN)
        try:
            value = bytes.fromhex(row[column].strip())
        except ValueError as exc:
            raise EncodingError(f"row {number} holds no hexadecimal hash", field=COLUMN) from exc
        found.append(check_length(value, hash_len, COLUMN))
    return found
