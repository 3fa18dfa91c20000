"""Made-up reports: one that may be sent, one with every element, and random ones.

Names, addresses and numbers come from ranges kept for documentation; nobody is meant.
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from veilmatch.report.check import Draft, DraftFile
from veilmatch.report.model.document import (
    FileDetails,
    FileHash,
    IncidentSummary,
    Report,
    Reporter,
)
from veilmatch.report.model.fields import Record, Slot, slots_of
from veilmatch.report.model.incident import WebPageIncident
from veilmatch.report.model.people import (
    Email,
    EstimatedLocation,
    IpCaptureEvent,
    Person,
    PersonOrUserReported,
    Phone,
    TemporarilyDisabled,
)
from veilmatch.report.model.values import EventName, FileAnnotation, IncidentType
from veilmatch.report.rules import RuleContext
from veilmatch.report.serialize import is_xml_text
from veilmatch.report.viewed import ViewedPart, ViewEvent

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
BEFORE = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
CONTEXT = RuleContext(NOW)
FILE_KEY = "asset-1"


def fit_report(note: str | None = None) -> Report:
    """A report with every gap answered."""
    return Report(
        incident_summary=IncidentSummary(
            incident_type=IncidentType.CSAM,
            platform="example-photos",
            incident_date_time=BEFORE,
            incident_date_time_description="Upload that passed the threshold",
        ),
        internet_details=(WebPageIncident(url=("https://photos.example/album/9",)),),
        reporter=Reporter(
            reporting_person=Person(
                first_name="Trust",
                last_name="Desk",
                phone=(Phone(value="555 0100", country_calling_code="+1"),),
                email=(Email(value="desk@provider.example"),),
            ),
            legal_url="https://provider.example/legal",
        ),
        person_or_user_reported=(
            PersonOrUserReported(
                person=Person(email=(Email(value="u@example.test", verified=True),)),
                esp_identifier="acct-000123",
                ip_capture_event=(
                    IpCaptureEvent(
                        ip_address="192.0.2.7",
                        event_name=EventName.UPLOAD,
                        date_time=BEFORE,
                        port=44321,
                    ),
                ),
                account_temporarily_disabled=TemporarilyDisabled(value=True),
                estimated_location=EstimatedLocation(country_code="US"),
            ),
        ),
        additional_info=note,
    )


def fit_details() -> FileDetails:
    """Details of a harmless made-up file, without viewed flags."""
    return FileDetails(
        original_file_name="IMG_0001.jpg",
        uploaded_to_esp_timestamp=BEFORE,
        publicly_available=False,
        file_annotations=frozenset({FileAnnotation.VIRAL}),
        original_file_hash=(FileHash(value="9e107d9d372bb6826bd81d3542a419d6", hash_type="MD5"),),
    )


def fit_draft(note: str | None = None, file_count: int = 1) -> Draft:
    """A draft that may be sent."""
    return Draft(
        fit_report(note),
        tuple(DraftFile(f"asset-{k + 1}", fit_details()) for k in range(file_count)),
        (ViewEvent(FILE_KEY, ViewedPart.DERIVATIVE, BEFORE),),
    )


_TEXTS = ("plain", "a < b & c > d", "quote \" and ' here", "line\nbreak\r\ttab", "Zürich – 東京")


class Maximal:
    """Fills every field of a record type, each text another one."""

    def __init__(self) -> None:
        self._count = 0
        self.seen: set[tuple[str, str]] = set()

    def value(self, slot: Slot, kind: type[Any]) -> Any:
        self._count += 1
        if issubclass(kind, Record):
            return self.record(kind)
        if issubclass(kind, enum.Enum):
            members = list(kind)
            return members[self._count % len(members)]
        if kind is bool:
            return bool(self._count % 2)
        if kind is int:
            return self._count
        if kind is float:
            return self._count + 0.25
        if kind is datetime:
            zone = UTC if self._count % 2 else timezone(timedelta(hours=-5))
            return BEFORE.astimezone(zone) + timedelta(seconds=self._count)
        if kind is date:
            return date(1990, 1, 1) + timedelta(days=self._count)
        return _special(slot) or f"{_TEXTS[self._count % len(_TEXTS)]} {self._count}"

    def record(self, kind: type[Record]) -> Any:
        values: dict[str, Any] = {}
        for slot in slots_of(kind):
            self.seen.add((kind.__name__, slot.xml_name))
            if slot.is_flags:
                values[slot.field_name] = frozenset(slot.kinds[0].__members__.values())
            elif slot.is_many:
                kinds = slot.kinds if len(slot.kinds) > 1 else slot.kinds * 2
                values[slot.field_name] = tuple(self.value(slot, one) for one in kinds)
            else:
                values[slot.field_name] = self.value(slot, slot.kinds[0])
        return kind(**values)


def _special(slot: Slot) -> str:
    """Texts that a schema constrains."""
    fixed = {
        "country": "US",
        "countryCode": "CH",
        "fleaCountry": "FR",
        "state": "CA",
        "countryCallingCode": "+41",
        "ipAddress": "2001:db8::7",
    }
    return fixed.get(slot.xml_name, "")


def maximal_report() -> Report:
    """A report with every element of the 2025 schema."""
    report: Report = Maximal().record(Report)
    summary = report.incident_summary
    kept = frozenset(list(type(next(iter(summary.report_annotations))))[:5])
    return replace(report, incident_summary=replace(summary, report_annotations=kept))


def maximal_details() -> tuple[FileDetails, FileDetails]:
    """Two files that together have every element: a schema lets one have only a choice."""
    full: FileDetails = replace(Maximal().record(FileDetails), file_id="ab" * 16)
    return (replace(full, potential_meme=None), replace(full, file_annotations=frozenset()))


_TEXT = st.text(max_size=8).filter(is_xml_text)
_ZONES: Any = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30))])
_SCALARS: dict[type[Any], st.SearchStrategy[Any]] = {
    str: _TEXT,
    bool: st.booleans(),
    int: st.integers(-(10**17), 10**17),
    float: st.floats(allow_nan=False, allow_infinity=False),
    date: st.dates(min_value=date(1000, 1, 1)),
    datetime: st.datetimes(min_value=datetime(1000, 1, 2), timezones=_ZONES),  # noqa: DTZ001
}


def _of(kind: type[Any]) -> st.SearchStrategy[Any]:
    if issubclass(kind, Record):
        return records(kind)
    if issubclass(kind, enum.Enum):
        return st.sampled_from(list(kind))
    return _SCALARS[kind]


def _any_of(slot: Slot) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: st.one_of(*[_of(one) for one in slot.kinds]))


def records(kind: type[Record]) -> st.SearchStrategy[Any]:
    """Random records of a type."""
    parts: dict[str, st.SearchStrategy[Any]] = {}
    defaults = {one.name: one.default for one in dataclasses.fields(kind)}
    for slot in slots_of(kind):
        single = _any_of(slot)
        if slot.is_flags:
            parts[slot.field_name] = st.frozensets(single, max_size=3)
        elif slot.is_many:
            parts[slot.field_name] = st.lists(single, max_size=2).map(tuple)
        elif defaults[slot.field_name] is not None:
            parts[slot.field_name] = single
        else:
            parts[slot.field_name] = st.none() | single
    return st.fixed_dictionaries(parts).map(lambda values: kind(**values))
