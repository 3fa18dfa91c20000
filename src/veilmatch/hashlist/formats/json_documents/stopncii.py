"""StopNCII: answers of FetchHashes, one or many in one list, each record a snapshot.

Spec: ``spec/26-list-formats.md`` section 5.5.
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
    build_entry,
    take_moment,
    take_text,
)
from veilmatch.hashlist.formats.json_documents.stream import Path, read_parts
from veilmatch.hashlist.kinds import parse_kind

_PATHS = (("hashRecords", "[]"), ("[]", "hashRecords", "[]"))
_MORE = (("hasMoreRecords",), ("[]", "hasMoreRecords"))
_SIGNALS = {
    "ImagePDQ": ("pdq", "image"),
    "VideoMD5": ("md5", "video"),
    "VideoTMK": ("tmk-pdqf", "video"),
}
_WITHDRAWN = frozenset({"Withdrawn", "Deleted"})
_STATES = frozenset({"Unknown", "Received", "Active"}) | _WITHDRAWN


def parse_stopncii_entries(chunks: Chunks, *, kind: str = "", scheme: str = "") -> Iterator[Item]:
    """Yield what answers of FetchHashes list; the newest record of a hash wins.

    Raises:
        EncodingError: Not one whole JSON document, or its last answer says that more follow.
    """
    del kind, scheme
    number, more, seen = 0, False, False
    for path, value in read_parts(chunks, lambda path: path in _PATHS, _is_more):
        if path in _MORE:
            more, seen = value is True, True
            continue
        number += 1
        yield _read_record(number, value)
    if more or not (seen or number):
        raise EncodingError(
            "the answers of FetchHashes are not complete",
            field="hasMoreRecords",
            hint="fetch until hasMoreRecords is false, and join the answers in one JSON list",
        )


def _is_more(path: Path) -> bool:
    return path in _MORE


def _read_record(number: int, value: dict[str, Any]) -> Item:
    try:
        signal = take_text(value.get("signalType"), "signalType")
        kind, media = _SIGNALS.get(signal) or (parse_kind(signal), "")
        status = _take_status(value.get("hashStatus"))
        positives, negatives = _count_feedback(value.get("CSPFeedbacks"))
        moment = take_moment(value.get("lastModtimestamp"), "lastModtimestamp")
    except EncodingError as exc:
        return Malformed(number, exc.field)
    # A hash without a state that says Active may be one that nobody confirmed yet; it stays
    # in the classification, so that an operator can ask for Active alone.
    record = Record(
        number,
        media=media,
        scheme="stopncii",
        classification=status,
        source_at=moment,
        positives=positives,
        negatives=negatives,
    )
    return build_entry(record, kind, value.get("hashValue"), withdrawn=status in _WITHDRAWN)


def _take_status(value: object) -> str:
    status = take_text(value, "hashStatus")
    if status not in _STATES:
        raise EncodingError("a record has no known state", field="hashStatus")
    return status


def _count_feedback(value: object) -> tuple[int, int]:
    if value is None:
        return 0, 0
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise EncodingError("the feedback is no list", field="CSPFeedbacks")
    words = [one.get("feedbackValue") for one in value]
    return words.count("Blocked"), words.count("NotBlocked")
