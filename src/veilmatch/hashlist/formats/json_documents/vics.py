"""Project VIC VICS 1.1 to 2.0: one OData document of any size.

The model itself is shared under agreement; this reads what open readers accept.
``IsPrecategorized`` and ``TotalMediaFiles`` are not read: neither can be trusted.
Spec: ``spec/26-list-formats.md`` section 5.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from veilmatch.errors import EncodingError
from veilmatch.hashlist.entry import (
    Chunks,
    Item,
    Malformed,
    Record,
    build_entry,
    take_count,
    take_flag,
    take_moment,
    take_text,
)
from veilmatch.hashlist.formats.json_documents.stream import END, Path, read_parts
from veilmatch.hashlist.kinds import parse_kind

_HEADS = (("odata.metadata",), ("@odata.context",))
_MEDIA, _CASE_MEDIA = ("value", "[]"), ("value", "[]", "Media", "[]")
# Marks that the media do not stand where the head says: never skip them in silence.
_UNREAD, _NOT_CASES = ("value", "[]", END), ("value", "[]", "MD5")
_CASE_NAMES = frozenset({("value", "[]", "CaseID"), ("value", "[]", "CaseNumber")})
_OLD_HEAD = re.compile(r"/DataModels/(1\.[1-3])\.xml(?:/\$metadata)?#(Media|Cases)$")
_NEW_HEAD = re.compile(r"/DataModels/(2\.0)\.xml/(US|UK|CUSTOM)/\$metadata#(Media|Cases)$")
_HASHES = {"MD5": "md5", "SHA1": "sha1", "SHA256": "sha256", "PhotoDNA": "photodna"}
_FLAGS = (
    "VictimIdentified",
    "OffenderIdentified",
    "IsDistributed",
    "IsSuspected",
    "SelfGenerated",
)


def parse_vics_entries(chunks: Chunks, *, kind: str = "", scheme: str = "") -> Iterator[Item]:
    """Yield what a VICS file lists.

    Args:
        chunks: The file, UTF-8 with or without a byte-order mark.
        kind: Not used: the file names its hashes.
        scheme: Whose category numbers a file of 1.1 to 1.3 holds; 2.0 says it itself.

    Raises:
        EncodingError: Not one whole JSON document, or no head of a known version before the
            media.
    """
    del kind
    found_scheme, content, case = "", "", ""
    number = 0

    def wanted(path: Path) -> bool:
        return path == (_CASE_MEDIA if content == "Cases" else _MEDIA) and bool(content)

    def scalars(path: Path) -> bool:
        return path in _HEADS or path in _CASE_NAMES or path in (_UNREAD, _NOT_CASES)

    for path, value in read_parts(chunks, wanted, scalars):
        if path in _HEADS:
            if content:
                raise EncodingError("the VICS file has two heads", field="odata.context")
            found_scheme, content = _parse_head(value, scheme)
        elif path == _NOT_CASES or (path == _UNREAD and not content):
            raise EncodingError(
                "the VICS head does not stand before the media, or names another shape",
                field="odata.context",
            )
        elif path == _UNREAD:
            case = ""
        elif path in _CASE_NAMES:
            case = _case_name(value)
        else:
            number += 1
            yield from _read_media(number, value, found_scheme, case)
    if not content:
        raise EncodingError(
            "the file has no VICS head",
            field="odata.context",
            hint="the head must stand before the media, as VICS 1.1 to 2.0 have it",
        )


def _case_name(value: object) -> str:
    try:
        return take_text(value, "case")
    except EncodingError:
        return ""


def _parse_head(value: object, scheme: str) -> tuple[str, str]:
    """Return the scheme of the categories, and whether media stand in cases."""
    if isinstance(value, str) and len(value) <= 400:
        if match := _NEW_HEAD.search(value):
            return f"vics-{match[1]}-{match[2]}", match[3]
        if match := _OLD_HEAD.search(value):
            return scheme or f"vics-{match[1]}", match[2]
    raise EncodingError("the VICS file is of no known version", field="odata.context")


def _read_media(number: int, media: dict[str, Any], scheme: str, case: str) -> Iterator[Item]:
    try:
        flags = " ".join(name for name in _FLAGS if take_flag(media.get(name), name))
        category = take_text(media.get("Category"), "Category")
        # 0 means that nobody looked yet. It never means harmless.
        category = "" if category.strip("0") == "" else category
        record = Record(
            number,
            take_text(media.get("MediaID"), "MediaID"),
            case,
            _media_of(media.get("MimeType")),
            scheme if category else "",
            category,
            flags,
            take_moment(media.get("DateUpdated"), "DateUpdated"),
            take_count(media.get("MediaSize"), "MediaSize"),
        )
        hashes = _read_hashes(media)
    except EncodingError as exc:
        yield Malformed(number, exc.field)
        return
    for kind, text in hashes:
        yield build_entry(record, kind, text)
    if not hashes:
        yield Malformed(number, "MD5")


def _read_hashes(media: dict[str, Any]) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, kind in _HASHES.items():
        value = media.get(name)
        if isinstance(value, list):
            value = ",".join(map(str, value))
        if value not in (None, ""):
            found.append((kind, value))
    others = media.get("AlternativeHashes") or []
    if not isinstance(others, list):
        raise EncodingError("AlternativeHashes is no list", field="AlternativeHashes")
    for other in others:
        if not isinstance(other, dict) or not isinstance(other.get("HashName"), str):
            raise EncodingError("an alternative hash has no name", field="AlternativeHashes")
        value = other.get("HashValue")
        if isinstance(value, list):
            value = ",".join(map(str, value))
        found.append((parse_kind(other["HashName"]), value))
    return found


def _media_of(mime: object) -> str:
    word = mime.split("/")[0].lower() if isinstance(mime, str) else ""
    return word if word in ("image", "video") else ""
