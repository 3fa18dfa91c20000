"""A draft in a folder: for dry runs, and for cases that come from elsewhere.

::

    draft.json   case, files (key, content, details), views, waivers
    report.xml   the report
    …            contents and details of files, as draft.json names them

Spec: ``spec/70-report.md`` section 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from veilmatch.errors import EncodingError
from veilmatch.report.check import Draft, DraftFile
from veilmatch.report.completeness import Waiver
from veilmatch.report.model.document import FileDetails, Report
from veilmatch.report.parse import MAX_LEN, parse_document
from veilmatch.report.viewed import ViewedPart, ViewEvent
from veilmatch.reporting.outbox import MAX_FILE_LEN, REPORT_KEY_LEN
from veilmatch.store.files import read_file
from veilmatch.wire import Fields, parse_json

INDEX, REPORT = "draft.json", "report.xml"


@dataclass(frozen=True, repr=False)
class LoadedDraft:
    """A draft, the case it is of, and the contents of its files in order."""

    report_key: bytes
    draft: Draft
    contents: tuple[bytes, ...]


def load_draft(folder: Path) -> LoadedDraft:
    """Read a draft folder.

    Raises:
        ConfigError: A file is missing or too large.
        EncodingError: A file is malformed.
    """
    index = read_file(folder / INDEX, "the draft's index", max_len=MAX_LEN)
    fields = Fields(parse_json(index, "draft"), "draft")
    key = fields.hex("case", REPORT_KEY_LEN)
    files, contents = [], []
    for entry in fields.array("files", max_count=1000):
        one = _fields(entry, "file")
        file_key = one.text("key")
        contents.append(_read(folder, one.text("content"), MAX_FILE_LEN))
        details = parse_document(FileDetails, _read(folder, one.text("details"), MAX_LEN))
        one.finish()
        files.append(DraftFile(file_key, details))
    views = tuple(_view(entry) for entry in fields.array("views"))
    waivers = tuple(_waiver(entry) for entry in fields.array("waivers"))
    fields.finish()
    report = parse_document(Report, _read(folder, REPORT, MAX_LEN))
    return LoadedDraft(key, Draft(report, tuple(files), views, waivers), tuple(contents))


def _fields(entry: Any, what: str) -> Fields:
    if not isinstance(entry, dict):
        raise EncodingError(f"a {what} of the draft is not an object", field=what)
    return Fields(entry, what)


def _read(folder: Path, name: str, max_len: int) -> bytes:
    if Path(name).name != name:
        raise EncodingError("a draft names a file outside its folder", field="content")
    return read_file(folder / name, "a file of the draft", max_len=max_len)


def _view(entry: Any) -> ViewEvent:
    one = _fields(entry, "view")
    file_key, part, at = one.text("file"), one.text("part"), one.text("at")
    one.finish()
    try:
        return ViewEvent(file_key, ViewedPart(part), datetime.fromisoformat(at))
    except ValueError as exc:
        raise EncodingError("a view of the draft has a wrong part or time", field="view") from exc


def _waiver(entry: Any) -> Waiver:
    one = _fields(entry, "waiver")
    waiver = Waiver(one.text("gap"), one.text("reason", max_len=4096))
    one.finish()
    return waiver
