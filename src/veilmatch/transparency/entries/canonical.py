"""JSON in one spelling: what parses here is written back byte for byte the same.

A subset of RFC 8785 for which the standard library is enough: no fractions, no null, names of
plain ASCII. Digests over such bytes are digests over what they say.

Spec: ``spec/80-transparency.md`` section 8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NoReturn, TypeAlias

from veilmatch.errors import EncodingError

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json]"
JsonObject: TypeAlias = "dict[str, Json]"

JSON_LEN_MAX = 16_000_000
INTEGER_MAX = 2**53 - 1
_DEPTH_MAX = 16
_DIGITS_MAX = 17
_NAME = re.compile(r"[\x20-\x7e]+")


def build_json(value: Mapping[str, Json]) -> bytes:
    """Write an object in its one spelling.

    Raises:
        EncodingError: It holds something these rules do not allow.

    Source: spec/80-transparency.md rules J-1 to J-5.
    """
    _check(value, 0)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def parse_json(data: bytes, what: str) -> JsonObject:
    """Read an object that is written in its one spelling. The inverse is ``build_json``.

    Args:
        data: UTF-8, at most ``JSON_LEN_MAX`` bytes.
        what: What is read, for the error.

    Raises:
        EncodingError: Not JSON, not an object, or in any other spelling.

    Source: spec/80-transparency.md rules J-1 to J-6.
    """
    if len(data) > JSON_LEN_MAX:
        raise EncodingError(f"{what} is too long", field=what)
    try:
        value = _load(data)
        again = build_json(value)
    except EncodingError as error:
        raise EncodingError(f"{what}: {error}", field=what) from None
    except (ValueError, RecursionError):
        raise EncodingError(f"{what} is not JSON", field=what) from None
    if again != data:
        raise EncodingError(f"{what} is not in its one spelling", field=what)
    return value


def take_json(data: bytes, what: str) -> JsonObject:
    """Read an object of the same values in whatever spelling; the caller asks for one.

    Raises:
        EncodingError: Not JSON, not an object, a name twice, a null or a fraction, too deep.
    """
    try:
        value = _load(data)
        _check(value, 0)
    except EncodingError as error:
        raise EncodingError(f"{what}: {error}", field=what) from None
    except (ValueError, RecursionError):
        raise EncodingError(f"{what}: not JSON", field=what) from None
    return value


def _load(data: bytes) -> JsonObject:
    value = json.loads(
        data.decode(),
        object_pairs_hook=_take_pairs,
        parse_int=_take_integer,
        parse_float=_refuse,
        parse_constant=_refuse,
    )
    if not isinstance(value, dict):
        raise EncodingError("not an object")
    return value


def _take_pairs(pairs: list[tuple[str, Json]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise EncodingError("a name stands there twice")
    return found


def _take_integer(digits: str) -> int:
    if len(digits) > _DIGITS_MAX:
        raise EncodingError("a number is too large")
    return int(digits)


def _refuse(_: str) -> NoReturn:
    raise EncodingError("a number is not whole")


def _check(value: object, depth: int) -> None:
    if depth > _DEPTH_MAX:
        raise EncodingError("nested too deeply")
    if isinstance(value, str):
        _check_string(value)
    elif isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise EncodingError("a number is too large")
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise EncodingError("a name is not plain ASCII")
            _check(item, depth + 1)
    else:
        raise EncodingError("a value is null or a fraction")


def _check_string(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise EncodingError("a string is not Unicode") from None


class Fields:
    """Takes the fields of an object one by one; ``finish`` refuses what is left over.

    Args:
        value: From ``parse_json``.
        what: What is read, for errors.
    """

    def __init__(self, value: Json, what: str) -> None:
        if not isinstance(value, dict):
            raise EncodingError(f"{what} is not an object", field=what)
        self._left = dict(value)
        self._what = what

    def refuse(self, name: str) -> EncodingError:
        """Build the error for one field."""
        return EncodingError(f"{self._what}: {name} is missing or malformed", field=name)

    def take(self, name: str) -> Json:
        """Take a field of any type. Raises EncodingError if it is not there."""
        if name not in self._left:
            raise self.refuse(name)
        return self._left.pop(name)

    def text(self, name: str, pattern: str = r"[^\x00-\x1f\x7f]{1,500}") -> str:
        """Take a string that matches a pattern as a whole."""
        value = self.take(name)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self.refuse(name)
        return value

    def count(self, name: str, most: int = INTEGER_MAX) -> int:
        """Take a whole number from 0 to ``most``."""
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise self.refuse(name)
        return value

    def digest(self, name: str, length: int = 32) -> bytes:
        """Take bytes of a fixed length, written in lower-case hexadecimal digits."""
        return bytes.fromhex(self.text(name, f"[0-9a-f]{{{2 * length}}}"))

    def items(self, name: str, most: int = 100_000) -> list[Json]:
        """Take a list with at most so many items."""
        value = self.take(name)
        if not isinstance(value, list) or len(value) > most:
            raise self.refuse(name)
        return value

    def mapping(self, name: str, most: int = 100_000) -> JsonObject:
        """Take an object with at most so many fields."""
        value = self.take(name)
        if not isinstance(value, dict) or len(value) > most:
            raise self.refuse(name)
        return value

    def finish(self) -> None:
        """Refuse fields that nobody took. Raises EncodingError."""
        if self._left:
            raise EncodingError(f"{self._what} has an unknown field", field=self._what)
