"""The names that a CSV header or a JSON Lines object may use, and what they mean.

Spec: ``spec/26-list-formats.md`` section 5.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from veilmatch.errors import EncodingError
from veilmatch.hashlist.entry import (
    Item,
    Malformed,
    Record,
    Tombstone,
    build_entry,
    take_count,
    take_flag,
    take_moment,
    take_text,
)
from veilmatch.hashlist.kinds import MATCHABLE_LEN, parse_kind

_NAMES: dict[str, str] = {
    "id": "entry_id",
    "entry_id": "entry_id",
    "entryid": "entry_id",
    "member": "member",
    "media": "media",
    "scheme": "scheme",
    "classification": "classification",
    "category": "classification",
    "timestamp": "source_at",
    "updated": "source_at",
    "dateupdated": "source_at",
    "size": "size",
    "quality": "quality",
    "withdrawn": "withdrawn",
    "hash": "hash",
    "kind": "kind",
    "hash_type": "kind",
}
_KINDS = frozenset(MATCHABLE_LEN) | {"photodna"}


class ColumnReader:
    """Turns named values into items; which names there are is found once.

    Args:
        names: The header's names, or a JSON object's keys; unknown ones are ignored.
        kind: What the column ``hash`` holds where no column ``kind`` says it; may be empty.
        scheme: Whose categories the column ``classification`` holds.

    Raises:
        EncodingError: No column holds a hash, two columns mean the same, or ``hash`` has no
            kind.
    """

    def __init__(self, names: list[str], kind: str, scheme: str) -> None:
        self._kind, self._scheme = kind, scheme
        self._columns: dict[str, str] = {}
        self._hashes: dict[str, str] = {}
        for name in names:
            word = name.strip().lower()
            aliased = word.replace("-", "").replace("_", "")
            if aliased in _KINDS or word == "pdna":
                target, meaning = self._hashes, parse_kind("pdna" if word == "pdna" else aliased)
            elif word in _NAMES:
                target, meaning = self._columns, _NAMES[word]
            else:
                continue
            if meaning in target:
                raise EncodingError("two columns mean the same", field=meaning)
            target[meaning] = name
        if "hash" in self._columns and not kind and "kind" not in self._columns:
            raise EncodingError(
                "nothing says which kind of hash the column hash holds",
                field="kind",
                hint="give --kind, for example pdq, sha256 or md5",
            )
        if "hash" not in self._columns and not self._hashes:
            raise EncodingError(
                "no column holds a hash",
                field="hash",
                hint="name a column hash, md5, sha1, sha256, sha512, pdq or neuralhash",
            )

    def read(self, number: int, values: Mapping[str, object]) -> Iterator[Item]:
        """Yield the items of one record."""
        try:
            record, quality, withdrawn = self._read_record(number, values)
            hashes = self._read_hashes(values)
        except EncodingError as exc:
            yield Malformed(number, exc.field)
            return
        for kind, text in hashes:
            yield build_entry(record, kind, text, quality=quality, withdrawn=withdrawn)
        if not hashes:
            # A record without a hash says something only if it takes an entry back.
            yield Tombstone(record) if withdrawn and record.entry_id else Malformed(number, "hash")

    def _read_record(
        self, number: int, values: Mapping[str, object]
    ) -> tuple[Record, int | None, bool]:
        def value(meaning: str) -> object:
            name = self._columns.get(meaning)
            return None if name is None else values.get(name)

        classification = take_text(value("classification"), "classification")
        if classification in ("0", "00"):
            classification = ""
        scheme = take_text(value("scheme"), "scheme") or self._scheme
        if classification and not scheme:
            raise EncodingError(
                "a classification needs its scheme",
                field="scheme",
                hint="give --scheme, for example ncmec or vics-2.0-UK",
            )
        record = Record(
            number,
            take_text(value("entry_id"), "entry_id"),
            take_text(value("member"), "member"),
            take_text(value("media"), "media"),
            scheme if classification else "",
            classification,
            "",
            take_moment(value("source_at"), "source_at"),
            take_count(value("size"), "size"),
        )
        quality = take_count(value("quality"), "quality")
        return record, quality, take_flag(value("withdrawn"), "withdrawn")

    def _read_hashes(self, values: Mapping[str, object]) -> list[tuple[str, object]]:
        found = [(kind, values.get(name)) for kind, name in self._hashes.items()]
        if "hash" in self._columns:
            named = take_text(values.get(self._columns.get("kind", "")), "kind")
            kind = parse_kind(named) if named else self._kind
            if not kind:
                raise EncodingError("a record does not say the kind of its hash", field="kind")
            found.append((kind, values.get(self._columns["hash"])))
        return [(kind, text) for kind, text in found if text not in (None, "")]
