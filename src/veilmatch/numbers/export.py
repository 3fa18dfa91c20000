"""An export of the private log for auditors: records, heads, rows and reports, one per line.

A row says which entry it should be and what that entry should hold; it is written from the
tables, not from the log, so that a changed table shows. It holds nothing private: seals are
told by their digests, people by the tags of the records.

Spec: ``spec/65-review.md`` section 11.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError
from veilmatch.transparency.checkpoint import parse_base64
from veilmatch.transparency.entries.canonical import Fields, JsonObject, build_json, parse_json
from veilmatch.transparency.note import SignedNote, parse_note
from veilmatch.transparency.records.record import TAG_LEN

EXPORT_FORMAT = "veilmatch-private-log-v1"
_WORD = r"[a-z][a-z0-9_.-]{0,63}"


@dataclass(frozen=True)
class ExportedRow:
    """What a row of a table says of its entry.

    Attributes:
        table: Which table.
        place: Which entry.
        kind: What the entry's kind should be.
        subject: And its subject.
        actor_tag: And its tag, ``bytes (16,)``.
        detail: And what its detail should hold, among other things.
    """

    table: str
    place: int
    kind: str
    subject: bytes = field(repr=False)
    actor_tag: bytes = field(repr=False)
    detail: JsonObject = field(repr=False)

    def to_json(self) -> JsonObject:
        """Return the JSON object of its line."""
        return {
            "actor": self.actor_tag.hex(),
            "detail": self.detail,
            "kind": self.kind,
            "place": self.place,
            "row": self.table,
            "subject": self.subject.hex(),
        }


@dataclass(frozen=True)
class ExportedCase:
    """Where a case stands: its state, and the number of its last event."""

    case_id: bytes = field(repr=False)
    state: str
    number: int

    def to_json(self) -> JsonObject:
        """Return the JSON object of its line."""
        return {"case": self.case_id.hex(), "number": self.number, "state": self.state}


@dataclass(frozen=True)
class Export:
    """Everything an auditor gets.

    Attributes:
        records: Of the whole log, in order.
        heads: Those that were signed, oldest first.
        rows: Of every table that names entries.
        cases: Where each case stands.
        reports: The published numbers.
    """

    records: tuple[bytes, ...] = field(repr=False)
    heads: tuple[SignedNote, ...] = field(repr=False)
    rows: tuple[ExportedRow, ...] = field(repr=False)
    cases: tuple[ExportedCase, ...] = field(repr=False)
    reports: tuple[bytes, ...] = field(repr=False)

    def to_lines(self) -> Iterator[bytes]:
        """Write the lines of the file, each with its newline."""
        yield build_json({"format": EXPORT_FORMAT}) + b"\n"
        for data in self.records:
            yield build_json({"record": _text(data)}) + b"\n"
        for note in self.heads:
            yield build_json({"head": _text(note.to_bytes())}) + b"\n"
        for row in self.rows:
            yield build_json(row.to_json()) + b"\n"
        for case in self.cases:
            yield build_json(case.to_json()) + b"\n"
        for report in self.reports:
            yield build_json({"report": _text(report)}) + b"\n"


def is_export(head: bytes) -> bool:
    """Tell whether a file that begins so is an export of a private log."""
    return head.startswith(build_json({"format": EXPORT_FORMAT}) + b"\n")


def parse_export(lines: Iterable[bytes]) -> Export:
    """Read an export, strictly.

    Args:
        lines: Of the file, with or without their newlines.

    Raises:
        EncodingError: A line is malformed. LengthError: Something is not as long as it must be.
    """
    reader = iter(lines)
    first = next(reader, b"").removesuffix(b"\n")
    if parse_json(first, "export") != {"format": EXPORT_FORMAT}:
        raise EncodingError("not an export of a private log", field="format")
    records, heads, reports = list[bytes](), list[SignedNote](), list[bytes]()
    rows, cases = list[ExportedRow](), list[ExportedCase]()
    for line in reader:
        value = parse_json(line.removesuffix(b"\n"), "export")
        fields = Fields(value, "export")
        if "record" in value:
            records.append(_data(fields, "record"))
        elif "head" in value:
            heads.append(parse_note(_data(fields, "head")))
        elif "report" in value:
            reports.append(_data(fields, "report"))
        elif "row" in value:
            rows.append(_row(fields))
        else:
            cases.append(
                ExportedCase(
                    fields.digest("case", 16), fields.text("state", _WORD), fields.count("number")
                )
            )
        fields.finish()
    return Export(tuple(records), tuple(heads), tuple(rows), tuple(cases), tuple(reports))


def _row(fields: Fields) -> ExportedRow:
    return ExportedRow(
        fields.text("row", _WORD),
        fields.count("place"),
        fields.text("kind", _WORD),
        bytes.fromhex(fields.text("subject", r"(?:[0-9a-f]{2}){0,64}")),
        fields.digest("actor", TAG_LEN),
        fields.mapping("detail"),
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _data(fields: Fields, name: str) -> bytes:
    value = fields.take(name)
    if not isinstance(value, str) or not value.isascii():
        raise fields.refuse(name)
    return parse_base64(value.encode(), name)
