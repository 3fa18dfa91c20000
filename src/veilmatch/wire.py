"""One canonical layout for every record: big-endian fields read strictly, canonical JSON.

A parser here accepts exactly the bytes that the writer makes; two spellings of one record
do not exist, so digests and signatures over bytes are digests over meaning.
Spec: ``spec/00-conventions.md``.
"""

from __future__ import annotations

import ipaddress
import json
import struct
from typing import Any

import rfc8785

from veilmatch.errors import EncodingError, LengthError

Json = dict[str, Any]
RELEASE_ID_LEN = 32
"""Bytes of a release's id, in whatever record names one."""


class Reader:
    """Read fields from the front of ``data``; ``finish`` refuses what is left over.

    Args:
        data: The whole record.
        what: The record's name, for messages.
    """

    def __init__(self, data: bytes | memoryview, what: str) -> None:
        self._data = memoryview(data)
        self._what = what
        self.offset = 0

    def take(self, length: int, field: str) -> bytes:
        """Return the next ``length`` bytes. Raises EncodingError if there are fewer."""
        end = self.offset + length
        if end > len(self._data):
            raise EncodingError(
                f"{self._what} ends inside its field {field}", field=field, offset=self.offset
            )
        value = bytes(self._data[self.offset : end])
        self.offset = end
        return value

    def uint(self, length: int, field: str) -> int:
        """Return an unsigned big-endian integer of ``length`` bytes."""
        return int.from_bytes(self.take(length, field), "big")

    def expect(self, value: bytes, field: str) -> None:
        """Read ``value`` exactly. Raises EncodingError if other bytes stand there."""
        start = self.offset
        if self.take(len(value), field) != value:
            raise EncodingError(f"{self._what} has the wrong {field}", field=field, offset=start)

    def finish(self) -> None:
        """Refuse bytes after the end of the record."""
        if self.offset != len(self._data):
            raise EncodingError(
                f"{self._what} has bytes after its end", field="end", offset=self.offset
            )


def length_prefixed(*fields: bytes) -> bytes:
    """Join fields, each behind its length in two bytes, so that no two lists collide."""
    return b"".join(struct.pack(">H", len(field)) + field for field in fields)


def is_loopback(host: str) -> bool:
    """Say whether only this machine answers to a host's name: a loopback address or ``localhost``.

    Only there is plain http allowed, and no proxy is asked.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_length(value: bytes, expected: int, field: str) -> bytes:
    """Return ``value`` if it has ``expected`` bytes. Raises LengthError otherwise."""
    if len(value) != expected:
        raise LengthError(field, expected, len(value))
    return value


def to_canonical_json(value: Json) -> bytes:
    """Serialise by RFC 8785. Raises EncodingError for what JSON cannot say exactly."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError) as exc:
        raise EncodingError("not expressible as canonical JSON") from exc


def _no_duplicates(pairs: list[tuple[str, Any]]) -> Json:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise EncodingError("JSON names a field twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise EncodingError(f"JSON holds {name}")


def parse_json(data: bytes, what: str) -> Json:
    """Parse one JSON object: UTF-8, no repeated field, no NaN. Raises EncodingError."""
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except EncodingError:
        raise
    except (ValueError, RecursionError) as exc:
        raise EncodingError(f"{what} is not JSON") from exc
    if not isinstance(value, dict):
        raise EncodingError(f"{what} is not a JSON object")
    return value


def parse_canonical_json(data: bytes, what: str) -> Json:
    """Parse one JSON object and refuse any spelling but the canonical one of RFC 8785."""
    value = parse_json(data, what)
    if to_canonical_json(value) != data:
        raise EncodingError(f"{what} is not in canonical form")
    return value


class Fields:
    """Take named, typed fields out of a JSON object; ``finish`` refuses unknown ones."""

    def __init__(self, value: Json, what: str) -> None:
        self._value = dict(value)
        self._what = what

    def _take(self, name: str) -> Any:
        if name not in self._value:
            raise EncodingError(f"{self._what} lacks the field {name}", field=name)
        return self._value.pop(name)

    def text(self, name: str, *, max_len: int = 1024) -> str:
        """Take a string of at most ``max_len`` characters, without control characters."""
        value = self._take(name)
        if not isinstance(value, str) or len(value) > max_len:
            raise EncodingError(f"{self._what}: {name} is not a short string", field=name)
        if not value.isprintable():
            raise EncodingError(f"{self._what}: {name} is not printable", field=name)
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """Take an integer in [low, high]."""
        value = self._take(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise EncodingError(f"{self._what}: {name} is not in its range", field=name)
        return value

    def number(self, name: str, low: float, high: float) -> float:
        """Take a number in [low, high]."""
        value = self._take(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise EncodingError(f"{self._what}: {name} is not a number", field=name)
        if not low <= value <= high:
            raise EncodingError(f"{self._what}: {name} is not in its range", field=name)
        return float(value)

    def hex(self, name: str, length: int | None) -> bytes:
        """Take bytes in lower-case hexadecimal, ``length`` of them if given."""
        value = self._take(name)
        try:
            data = bytes.fromhex(value) if isinstance(value, str) else None
        except ValueError:
            data = None
        if data is None or data.hex() != value:
            raise EncodingError(f"{self._what}: {name} is not lower-case hex", field=name)
        return data if length is None else check_length(data, length, name)

    def array(self, name: str, *, max_count: int = 65_536) -> list[Any]:
        """Take a list."""
        value = self._take(name)
        if not isinstance(value, list) or len(value) > max_count:
            raise EncodingError(f"{self._what}: {name} is not a list", field=name)
        return value

    def object(self, name: str) -> Json:
        """Take a nested object."""
        value = self._take(name)
        if not isinstance(value, dict):
            raise EncodingError(f"{self._what}: {name} is not an object", field=name)
        return value

    def object_or_none(self, name: str) -> Json | None:
        """Take a nested object, or null."""
        if self._value.get(name, 0) is None:
            del self._value[name]
            return None
        return self.object(name)

    def finish(self) -> None:
        """Refuse fields that nobody took."""
        if self._value:
            raise EncodingError(f"{self._what} has an unknown field", field=min(self._value))
