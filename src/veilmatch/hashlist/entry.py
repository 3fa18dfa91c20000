"""What an importer yields: hashes with everything their source said, tombstones, malformed records.

Spec: ``spec/26-list-formats.md`` section 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from veilmatch.errors import EncodingError, LengthError
from veilmatch.hashlist.kinds import (
    PHOTODNA,
    is_matchable,
    parse_opaque,
    parse_photodna,
    parse_value,
)

KNOWN_BAD = "known-bad"
BENIGN = "benign"
NEGATIVE = "negative"
POLARITIES = (KNOWN_BAD, BENIGN, NEGATIVE)
"""What a list is for: to match; a benign corpus for the flood guard; known false positives."""

MAX_TEXT_LEN = 200
_MAX_SECONDS = 10**11
_MS_DATE = re.compile(r"/Date\((-?\d{1,16})(?:([+-])(\d\d)(\d\d))?\)/")
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no", ""})


@dataclass(frozen=True)
class ListSource:
    """Where a list comes from; fixed when the list is first imported.

    Attributes:
        name: The organisation or exchange.
        environment: Its environment, for example ``industry-csam`` or ``test``; may be empty.
        jurisdiction: ISO 3166-1 alpha-2, in capitals.
        polarity: One of ``POLARITIES``; a list never changes it.
        format: The importer's name.
    """

    name: str
    environment: str
    jurisdiction: str
    polarity: str
    format: str


class Record(NamedTuple):
    """What a source says about one file; its hashes share it.

    ``number`` counts records from 1. ``scheme`` and ``classification`` belong together: a bare
    category number means nothing. ``member`` is who inside the source gave it (a member
    organisation, a case). ``flags`` are the source's marks that were true. ``source_at`` is the
    source's own time, UTC. ``positives`` and ``negatives`` count feedback that others gave.
    """

    number: int
    entry_id: str = ""
    member: str = ""
    media: str = ""
    scheme: str = ""
    classification: str = ""
    flags: str = ""
    source_at: datetime | None = None
    size: int | None = None
    positives: int = 0
    negatives: int = 0


class ListEntry(NamedTuple):
    """One hash of one record. Printing it shows no hash."""

    record: Record
    kind: str
    value: bytes
    quality: int | None = None
    withdrawn: bool = False

    def __repr__(self) -> str:
        return f"ListEntry({self.kind}, record {self.record.number})"


class Tombstone(NamedTuple):
    """The source took an entry back, with all its hashes."""

    record: Record


class Malformed(NamedTuple):
    """A record, or one hash of it, that cannot be read; the rest of the file can.

    ``field`` names the part. What stood there is not kept.
    """

    number: int
    field: str


Item = ListEntry | Tombstone | Malformed
Chunks = Iterable[bytes]
"""The bytes of a file, in order, in pieces of any size."""


def take_text(value: object, field: str) -> str:
    """Return a short, printable text; numbers become text, nothing becomes empty.

    Raises:
        EncodingError: Something else, longer than 200 characters, or with control characters.
    """
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**18 else None
    if not isinstance(value, str):
        raise EncodingError(f"{field} is no text", field=field)
    value = value.strip()
    if len(value) > MAX_TEXT_LEN or not value.isprintable():
        raise EncodingError(f"{field} is no short text", field=field)
    return value


def take_count(value: object, field: str) -> int | None:
    """Return a number that may stand as a number or as text. Raises EncodingError."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value) if len(value) < 19 else -1
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**62:
        raise EncodingError(f"{field} is no count", field=field)
    return value


def take_flag(value: object, field: str) -> bool:
    """Return a mark that may stand as a boolean, a number or text. Raises EncodingError."""
    if value is None or isinstance(value, bool):
        return bool(value)
    word = str(value).strip().lower() if isinstance(value, str | int) else None
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise EncodingError(f"{field} is neither true nor false", field=field)


def take_moment(value: object, field: str) -> datetime | None:
    """Return a time in UTC: ISO 8601, ``/Date(ms)/``, or seconds since 1970.

    A time without a zone is taken as UTC.

    Raises:
        EncodingError: None of these, or outside the years 1970 to 2261.
    """
    if value is None or value == "":
        return None
    moment: datetime | None = None
    try:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            # Compared before it is converted: 1e999999999 as an integer would fill the memory.
            if -_MAX_SECONDS < value < _MAX_SECONDS:
                moment = datetime.fromtimestamp(int(value), UTC)
        elif isinstance(value, str) and (match := _MS_DATE.fullmatch(value.strip())):
            # The number is in UTC already; the zone only says how it was shown.
            moment = datetime.fromtimestamp(int(match[1]) // 1000, UTC)
        elif isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, ArithmeticError, OSError) as exc:
        raise EncodingError(f"{field} is no time", field=field) from exc
    if moment is None or not 1970 <= moment.year <= 2261:
        raise EncodingError(f"{field} is no time", field=field)
    return moment


def build_entry(
    record: Record,
    kind: str,
    text: object,
    *,
    quality: int | None = None,
    withdrawn: bool = False,
) -> ListEntry | Malformed:
    """Decode one hash and join it to its record; what cannot be decoded comes back as such."""
    if not isinstance(text, str):
        return Malformed(record.number, kind)
    try:
        if is_matchable(kind):
            value = parse_value(kind, text)
        elif kind == PHOTODNA:
            kind, value = parse_photodna(text)
        else:
            value = parse_opaque(text)
    except (EncodingError, LengthError):
        return Malformed(record.number, kind)
    return ListEntry(record, kind, value, quality, withdrawn)
