"""ThreatExchange: answers of ``threat_updates``, one or many in one list.

Spec: ``spec/26-list-formats.md`` section 5.7.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from veilmatch.errors import EncodingError
from veilmatch.hashlist.entry import (
    Chunks,
    Item,
    Malformed,
    Record,
    Tombstone,
    build_entry,
    take_flag,
    take_moment,
    take_text,
)
from veilmatch.hashlist.formats.json_documents.stream import END, Path, read_parts
from veilmatch.hashlist.kinds import parse_kind

_PATHS = (("data", "[]"), ("[]", "data", "[]"))
_NEXT = (("paging", "next"), ("[]", "paging", "next"))
_ENDS = ((END,), ("[]", END))
_TYPES = {
    "HASH_PDQ": ("pdq", "image"),
    "HASH_MD5": ("md5", ""),
    "HASH_SHA1": ("sha1", ""),
    "HASH_SHA256": ("sha256", ""),
    "HASH_VIDEO_MD5": ("md5", "video"),
    "HASH_TMK": ("tmk-pdqf", "video"),
}
# How a member judged a hash, most certain first; the list keeps the most certain.
_STATUSES = ("MALICIOUS", "SUSPICIOUS", "UNKNOWN", "NON_MALICIOUS")


def parse_threatexchange_entries(
    chunks: Chunks, *, kind: str = "", scheme: str = ""
) -> Iterator[Item]:
    """Yield what answers of ``threat_updates`` list; what should be deleted is a tombstone.

    Raises:
        EncodingError: Not one whole JSON document, without any ``data``, or its last answer
            names a further page.
    """
    del kind, scheme
    number, more, answers, complete = 0, False, 0, False
    for path, value in read_parts(chunks, lambda path: path in _PATHS, _is_mark):
        if path in _ENDS:
            answers, complete, more = answers + 1, not more, False
        elif path in _NEXT:
            more = value is not None
        else:
            number += 1
            yield _read_record(number, value)
    if not answers or not complete:
        raise EncodingError(
            "the answers of threat_updates are not complete",
            field="paging",
            hint="fetch until no answer names a next page, and join them in one JSON list",
        )


def _is_mark(path: Path) -> bool:
    return path in _ENDS or path in _NEXT


def _read_record(number: int, value: dict[str, Any]) -> Item:
    try:
        name = take_text(value.get("type"), "type")
        kind, media = _TYPES.get(name) or (parse_kind(name.removeprefix("HASH_")), "")
        entry_id = take_text(value.get("id"), "id")
        moment = take_moment(_as_seconds(value.get("last_updated")), "last_updated")
        deleted = take_flag(value.get("should_delete"), "should_delete")
        status, positives, negatives = _read_descriptors(value.get("descriptors"))
    except EncodingError as exc:
        return Malformed(number, exc.field)
    record = Record(
        number,
        entry_id,
        media=media,
        scheme="threatexchange-status" if status else "",
        classification=status,
        source_at=moment,
        positives=positives,
        negatives=negatives,
    )
    if deleted or "descriptors" not in value:
        return Tombstone(record) if entry_id else Malformed(number, "id")
    return build_entry(record, kind, value.get("indicator"))


def _as_seconds(value: object) -> object:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        return int(value)
    return value


def _read_descriptors(value: object) -> tuple[str, int, int]:
    """Return the most certain status, and how many members call it malicious or harmless."""
    data = value.get("data") if isinstance(value, dict) else value
    if data is None:
        return "", 0, 0
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise EncodingError("the descriptors are no list", field="descriptors")
    words = [one.get("status") for one in data]
    status = next((word for word in _STATUSES if word in words), "")
    return status, words.count("MALICIOUS"), words.count("NON_MALICIOUS")
