"""One JSON document as a stream of parts, in memory that does not grow with it.

Only what a caller asks for is built; everything has a limit: depth, fields of one object,
bytes without a complete value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ijson

from veilmatch.errors import EncodingError
from veilmatch.hashlist.entry import Chunks
from veilmatch.hashlist.formats.lines import skip_byte_order_mark

Path = tuple[str, ...]
"""Where a value stands: field names from the top; a list adds ``[]``."""

END = "{end}"
"""Stands in a path for the end of an object that was not built."""

MAX_DEPTH = 32
MAX_SILENT_LEN = 2 << 20
MAX_VALUES = 20_000
_PIECE_LEN = 1 << 16
_OPEN, _CLOSE = ("start_map", "start_array"), ("end_map", "end_array")


def _read_events(chunks: Chunks) -> Iterator[tuple[str, Any]]:
    """Yield the parser's events. Raises EncodingError for anything but one whole document."""
    events: Any = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events)
    silent = 0
    try:
        for chunk in skip_byte_order_mark(chunks):
            for start in range(0, len(chunk), _PIECE_LEN):
                piece = chunk[start : start + _PIECE_LEN]
                parser.send(piece)
                silent = 0 if events else silent + len(piece)
                _check_silence(silent)
                yield from events
                del events[:]
        parser.close()
        yield from events
    except EncodingError:
        raise
    except (ijson.JSONError, ValueError, ArithmeticError, SystemError, StopIteration) as exc:
        # The parser's own text would quote what stands there. SystemError is what its C core
        # makes of an integer that Python finds too long.
        raise EncodingError(
            "the file is not one whole JSON document",
            field="json",
            hint="it may have been cut off; fetch it again",
        ) from exc


def _check_silence(length: int) -> None:
    if length > MAX_SILENT_LEN:
        raise EncodingError("a value in the JSON document is too long", field="json")


class _Builder:
    """Builds one value out of events, within the limits."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._keys: list[str] = []
        self._count = 0
        self.value: Any = None

    def take(self, event: str, value: Any) -> bool:
        """Add an event; True once the value is whole."""
        self._count += 1
        if self._count > MAX_VALUES:
            raise EncodingError("one record of the JSON document is too large", field="json")
        if event == "map_key":
            if value in self._stack[-1]:
                raise EncodingError("JSON names a field twice", field="json")
            self._keys.append(value)
            return False
        if event in _OPEN:
            opened: Any = {} if event == "start_map" else []
            self._put(opened)
            self._stack.append(opened)
            return False
        if event in _CLOSE:
            self._stack.pop()
        else:
            self._put(value)
        return not self._stack

    def _put(self, value: Any) -> None:
        if not self._stack:
            self.value = value
        elif isinstance(self._stack[-1], dict):
            self._stack[-1][self._keys.pop()] = value
        else:
            self._stack[-1].append(value)


def read_parts(
    chunks: Chunks, wanted: Callable[[Path], bool], scalars: Callable[[Path], bool]
) -> Iterator[tuple[Path, Any]]:
    """Yield parts of a JSON document in the order they stand in.

    Args:
        chunks: The document, UTF-8 with or without a byte-order mark.
        wanted: Says for the path of an object whether it is to be built and yielded.
        scalars: Says for the path of a simple value outside such objects the same, and for
            the end of an object that is not built (its path and ``END``).

    Raises:
        EncodingError: Not one whole JSON document, a field named twice in an object that is
            built, too deep, or one part too large.
    """
    path: list[str] = []
    builder: _Builder | None = None
    depth = 0
    for event, value in _read_events(chunks):
        if event in _OPEN:
            depth += 1
            if depth > MAX_DEPTH:
                raise EncodingError("the JSON document is nested too deeply", field="json")
        elif event in _CLOSE:
            depth -= 1
        if builder is not None:
            if builder.take(event, value):
                yield tuple(path), builder.value
                builder = None
                _leave(path)
            continue
        if event == "map_key":
            path.append(value)
        elif event == "start_map" and wanted(tuple(path)):
            builder = _Builder()
            builder.take(event, value)
        elif event == "start_array":
            path.append("[]")
        elif event == "end_array":
            path.pop()
            _leave(path)
        elif event == "end_map":
            if scalars((*path, END)):
                yield (*path, END), None
            _leave(path)
        elif event != "start_map":
            if scalars(tuple(path)):
                yield tuple(path), value
            _leave(path)


def _leave(path: list[str]) -> None:
    """Drop the field's name after its value; the mark of a list stays until the list ends."""
    if path and path[-1] != "[]":
        path.pop()
