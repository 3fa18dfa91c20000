"""Tech Against Terrorism: answers of the hash list, one or many in one list.

Spec: ``spec/26-list-formats.md`` section 5.6.
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
    take_flag,
    take_moment,
    take_text,
)
from veilmatch.hashlist.formats.json_documents.stream import Path, read_parts
from veilmatch.hashlist.kinds import parse_kind

_PATHS = (("results", "[]"), ("[]", "results", "[]"))
_NEXT = (("next",), ("[]", "next"))
_VIDEO = frozenset({"mp4", "mov", "avi", "mkv", "webm", "3gp", "m4v", "wmv", "flv", "video"})
_IMAGE = frozenset({"jpg", "jpeg", "png", "gif", "webp", "bmp", "heic", "tiff", "image"})


def parse_tat_entries(chunks: Chunks, *, kind: str = "", scheme: str = "") -> Iterator[Item]:
    """Yield what answers of the hash list hold.

    Raises:
        EncodingError: Not one whole JSON document, one without any hash, or its last answer
            names a further page.
    """
    del kind, scheme
    number, more = 0, False
    for path, value in read_parts(chunks, lambda path: path in _PATHS, _is_next):
        if path in _NEXT:
            more = value is not None
            continue
        number += 1
        yield _read_record(number, value)
    if more or not number:
        raise EncodingError(
            "the answers of the hash list are not complete",
            field="next",
            hint="fetch until next is null, and join the answers in one JSON list",
        )


def _is_next(path: Path) -> bool:
    return path in _NEXT


def _read_record(number: int, value: dict[str, Any]) -> Item:
    try:
        kind = parse_kind(take_text(value.get("algorithm"), "algorithm"))
        ideology = take_text(value.get("ideology"), "ideology")
        moment = take_moment(value.get("updated_on"), "updated_on")
        withdrawn = take_flag(value.get("deleted"), "deleted")
        file_type = take_text(value.get("file_type"), "file_type").split("/")[0].lower()
        entry_id = take_text(value.get("id"), "id")
    except EncodingError as exc:
        return Malformed(number, exc.field)
    record = Record(
        number,
        entry_id,
        media="video" if file_type in _VIDEO else "image" if file_type in _IMAGE else "",
        scheme="tat-ideology" if ideology else "",
        classification=ideology,
        source_at=moment,
    )
    return build_entry(record, kind, value.get("hash_digest"), withdrawn=withdrawn)
