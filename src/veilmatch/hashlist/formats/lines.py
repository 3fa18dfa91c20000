"""From the bytes of a file to its lines, without ever holding the file."""

from __future__ import annotations

from collections.abc import Iterator

from veilmatch.errors import EncodingError
from veilmatch.hashlist.entry import Chunks

MAX_LINE_LEN = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def skip_byte_order_mark(chunks: Chunks) -> Iterator[bytes]:
    """Yield the same bytes without a UTF-8 byte-order mark at the front."""
    stream = iter(chunks)
    head = b""
    for chunk in stream:
        head += chunk
        if len(head) >= len(_BYTE_ORDER_MARK):
            break
    yield head.removeprefix(_BYTE_ORDER_MARK)
    yield from stream


def split_lines(chunks: Chunks) -> Iterator[bytes]:
    r"""Yield lines with their ``\n``; the last may lack it.

    Raises:
        EncodingError: A line is longer than 1 MiB.
    """
    rest = b""
    for chunk in skip_byte_order_mark(chunks):
        *lines, last = chunk.split(b"\n")
        if lines:
            yield rest + lines[0] + b"\n"
            for line in lines[1:]:
                yield line + b"\n"
            rest = last
        else:
            rest += last
        if len(rest) > MAX_LINE_LEN:
            raise EncodingError(
                "a line is longer than 1 MiB",
                field="line",
                hint="the file may be of another form; --format says which it is",
            )
    if rest:
        yield rest


def split_text_lines(chunks: Chunks) -> Iterator[str]:
    """Yield the lines of UTF-8 text.

    Raises:
        EncodingError: Not UTF-8, or the last line has no line break: a file that was cut off
            inside its last field would otherwise look whole.
    """
    for number, line in enumerate(split_lines(chunks), start=1):
        if not line.endswith(b"\n"):
            raise EncodingError(
                "the file does not end in a line break",
                field="line",
                hint="it may have been cut off; if it is whole, add a line break at its end",
            )
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise EncodingError(
                f"line {number} is not UTF-8",
                field="line",
                hint="unpack the file if it is packed, and convert it to UTF-8",
            ) from exc
