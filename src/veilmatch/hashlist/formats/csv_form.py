"""CSV: a header row that names the columns, one column ``hash`` in hexadecimal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from veilmatch.errors import EncodingError
from veilmatch.hashlist.entry import Chunks, Item
from veilmatch.hashlist.formats.columns import ColumnReader
from veilmatch.hashlist.formats.lines import split_text_lines
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


def parse_csv_entries(chunks: Chunks, *, kind: str = "", scheme: str = "") -> Iterator[Item]:
    """Yield what a CSV file of any size lists. The first row names the columns.

    Args:
        chunks: The file, UTF-8 with or without a byte-order mark.
        kind: What the column ``hash`` holds where no column ``kind`` says it.
        scheme: Whose categories a column ``classification`` holds.

    Raises:
        EncodingError: Not CSV in UTF-8, no usable header, or a row with another number of
            columns, as the last row of a file that was cut off has.

    Not checked: a file cut off between two rows; the importer compares counts for that.

    Source: spec/26-list-formats.md, section 5.1.
    """
    rows = csv.reader(split_text_lines(chunks), strict=True)
    number = 0
    try:
        header = next(rows, [])
        if len(set(header)) != len(header):
            raise EncodingError("the header names a column twice", field="header")
        reader = ColumnReader(header, kind, scheme)
        for number, row in enumerate(rows, start=1):
            if len(row) != len(header):
                raise EncodingError(f"record {number} has another number of columns", field="row")
            yield from reader.read(number, dict(zip(header, row, strict=True)))
    except csv.Error as exc:
        raise EncodingError(f"the file is not CSV after record {number}", field="row") from exc
