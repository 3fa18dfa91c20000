"""Rules for all that a schema does not catch, each with an id, a text and a check.

A finding names the rule and the element, never a value: findings may be shown and logged.
Spec: ``spec/70-report.md`` section 4.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from veilmatch.errors import InputError
from veilmatch.report.model.document import FileDetails, FileHash, NameValue, Report
from veilmatch.report.model.fields import Record, Slot, walk
from veilmatch.report.model.incident import CellPhoneIncident
from veilmatch.report.model.people import (
    AssociatedAccount,
    Email,
    IntendedRecipient,
    IpCaptureEvent,
    PersonOrUserReported,
    Phone,
    Victim,
)
from veilmatch.report.model.values import (
    ANNOTATIONS_OF_2026,
    FileAnnotation,
    FileRelevance,
    SchemaVersion,
)
from veilmatch.report.serialize import is_xml_text

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_URL = re.compile(r"https?://\S+")
_CALLING_CODE = re.compile(r"\+\d{1,3}")
_COUNTRY = re.compile(r"[A-Z][A-Z0-9]")
_HEX = re.compile(r"[0-9a-fA-F]+")
_HASH_HEX_LEN = {"MD5": 32, "SHA1": 40, "SHA-1": 40, "SHA256": 64, "SHA-256": 64}

_ACCOUNT_LIMITS = {"esp_identifier": 255, "esp_service": 100, "screen_name": 256}
_LIMITS_BY_TYPE: dict[str, dict[str, int]] = {
    "IncidentSummary": {
        "platform": 256,
        "escalate_to_high_priority": 3000,
        "incident_date_time_description": 3000,
    },
    "Reporter": {"legal_url": 2083},
    "FileDetails": {"original_file_name": 2056, "location_of_file": 2083},
    FileHash.__name__: {"value": 64},
    NameValue.__name__: {"name": 64},
    **{
        kind.__name__: _ACCOUNT_LIMITS
        for kind in (PersonOrUserReported, IntendedRecipient, Victim, AssociatedAccount)
    },
}


@dataclass(frozen=True)
class RuleContext:
    """What the rules need to know beside the documents.

    Args:
        now: Aware time of the check.
        schema: Which revision the report is written for.
        has_hash_sharing_agreement: Whether the company may use the industry scale.
    """

    now: datetime
    schema: SchemaVersion = SchemaVersion.Y2025
    has_hash_sharing_agreement: bool = False

    def __post_init__(self) -> None:
        if self.now.utcoffset() is None:
            raise InputError("the time of a check has no zone")


Places = Iterator[str]
Check = Callable[[Report, Sequence[FileDetails], RuleContext], Places]


@dataclass(frozen=True)
class Rule:
    """One rule; ``check`` gives the places that break it."""

    rule_id: str
    text: str
    check: Check


@dataclass(frozen=True)
class Finding:
    """A broken rule and where: the names of elements, no value."""

    rule_id: str
    text: str
    place: str


_RULES: list[Rule] = []


def _rule(rule_id: str, text: str) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        _RULES.append(Rule(rule_id, text, check))
        return check

    return add


def _place(record: Record, slot: Slot) -> str:
    return f"{record.tag or type(record).__name__}/{slot.xml_name}"


def _values(report: Report, files: Sequence[FileDetails]) -> Iterator[tuple[Record, Slot, Any]]:
    for document in (report, *files):
        yield from walk(document)


def _inside(report: Report, files: Sequence[FileDetails]) -> Iterator[Record]:
    """Give every record that holds at least one value."""
    last = None
    for record, _, _ in _values(report, files):
        if record is not last:
            last = record
            yield record


def _times(report: Report, files: Sequence[FileDetails]) -> Iterator[tuple[str, datetime]]:
    for record, slot, value in _values(report, files):
        if isinstance(value, datetime):
            yield _place(record, slot), value


@_rule("time-zone", "every time names its zone")
def _time_zone(report: Report, files: Sequence[FileDetails], _: RuleContext) -> Places:
    return (place for place, value in _times(report, files) if value.utcoffset() is None)


@_rule("time-past", "no time lies in the future")
def _time_past(report: Report, files: Sequence[FileDetails], context: RuleContext) -> Places:
    for place, value in _times(report, files):
        # A time without a zone breaks its own rule; here it is read as the earliest it can mean.
        if value.utcoffset() is None:
            value = value.replace(tzinfo=timezone(timedelta(hours=14)))
        if value > context.now:
            yield place


@_rule("incident-place", "there is at least one internetDetails")
def _incident_place(report: Report, _f: Sequence[FileDetails], _c: RuleContext) -> Places:
    if not report.internet_details:
        yield "report/internetDetails"


@_rule("reporter-reachable", "the reporting person has a name and a valid e-mail address")
def _reporter(report: Report, _f: Sequence[FileDetails], _c: RuleContext) -> Places:
    person = report.reporter.reporting_person
    if not (person.first_name or "").strip() and not (person.last_name or "").strip():
        yield "Reporter/reportingPerson/name"
    if not any(_EMAIL.fullmatch(email.value) for email in person.email):
        yield "Reporter/reportingPerson/email"


@_rule("email-form", "every e-mail address has a name, an @ and a domain")
def _emails(report: Report, files: Sequence[FileDetails], _: RuleContext) -> Places:
    for record, slot, value in _values(report, files):
        is_address = isinstance(record, Email) and slot.field_name == "value"
        if is_address and not _EMAIL.fullmatch(str(value)):
            yield _place(record, slot)


@_rule("ip-address", "every IP address is one, and every port lies in 0 to 65535")
def _addresses(report: Report, files: Sequence[FileDetails], _: RuleContext) -> Places:
    for record in _inside(report, files):
        if isinstance(record, IpCaptureEvent):
            try:
                ipaddress.ip_address(record.ip_address)
            except ValueError:
                yield "IpCaptureEvent/ipAddress"
            if record.port is not None and not 0 <= record.port <= 65_535:
                yield "IpCaptureEvent/port"


@_rule("text-length", "no text is longer than the documentation allows")
def _lengths(report: Report, files: Sequence[FileDetails], _: RuleContext) -> Places:
    for record, slot, value in _values(report, files):
        limit = _LIMITS_BY_TYPE.get(type(record).__name__, {}).get(slot.field_name)
        if limit is not None and len(str(value)) > limit:
            yield _place(record, slot)


@_rule("text-xml", "no text holds a character that XML cannot carry")
def _characters(report: Report, files: Sequence[FileDetails], _: RuleContext) -> Places:
    for record, slot, value in _values(report, files):
        if isinstance(value, str) and not is_xml_text(value):
            yield _place(record, slot)


@_rule("exif-without-file", "metadata is not marked viewed where the file is not")
def _exif(_r: Report, files: Sequence[FileDetails], _: RuleContext) -> Places:
    for details in files:
        if details.exif_viewed_by_esp and not details.file_viewed_by_esp:
            yield "fileDetails/exifViewedByEsp"


@_rule("supplemental-plain", "a supplemental file has no classification and no meme flag")
def _supplemental(_r: Report, files: Sequence[FileDetails], _: RuleContext) -> Places:
    for details in files:
        if details.file_relevance is not FileRelevance.SUPPLEMENTAL:
            continue
        if details.industry_classification is not None:
            yield "fileDetails/industryClassification"
        if details.potential_meme or FileAnnotation.POTENTIAL_MEME in details.file_annotations:
            yield "fileDetails/potentialMeme"


@_rule("one-person-reported", "at most one person or user is reported")
def _one_person(report: Report, _f: Sequence[FileDetails], _c: RuleContext) -> Places:
    if len(report.person_or_user_reported) > 1:
        yield "report/personOrUserReported"


@_rule("meme-or-annotations", "a file has either potentialMeme or fileAnnotations, not both")
def _meme(_r: Report, files: Sequence[FileDetails], _: RuleContext) -> Places:
    for details in files:
        if details.potential_meme is not None and details.file_annotations:
            yield "fileDetails/potentialMeme"


@_rule("classification-agreement", "the industry scale is used only under its agreement")
def _agreement(_r: Report, files: Sequence[FileDetails], context: RuleContext) -> Places:
    for details in files:
        if details.industry_classification and not context.has_hash_sharing_agreement:
            yield "fileDetails/industryClassification"


@_rule("annotation-version", "annotations of 2026 are used only with the schema of 2026")
def _version(report: Report, _f: Sequence[FileDetails], context: RuleContext) -> Places:
    used = report.incident_summary.report_annotations & ANNOTATIONS_OF_2026
    if used and context.schema is not SchemaVersion.Y2026:
        yield "IncidentSummary/reportAnnotations"


@_rule("hash-form", "a digest of a known kind has that kind's length, in hexadecimal")
def _hashes(_r: Report, files: Sequence[FileDetails], _: RuleContext) -> Places:
    for details in files:
        for one in details.original_file_hash:
            length = _HASH_HEX_LEN.get(one.hash_type.upper(), len(one.value))
            if len(one.value) != length or not _HEX.fullmatch(one.value):
                yield "fileDetails/originalFileHash"


@_rule("url-form", "every web address begins with http:// or https://")
def _urls(report: Report, files: Sequence[FileDetails], _: RuleContext) -> Places:
    fields = {"url", "profile_url", "legal_url", "location_of_file"}
    for record, slot, value in _values(report, files):
        if slot.field_name in fields and not _URL.fullmatch(str(value)):
            yield _place(record, slot)


@_rule("country-code", "every country is a code of two letters, every calling code + and digits")
def _countries(report: Report, files: Sequence[FileDetails], _: RuleContext) -> Places:
    fields = {"country", "country_code", "flea_country"}
    for record, slot, value in _values(report, files):
        if slot.field_name in fields and not _COUNTRY.fullmatch(str(value)):
            yield _place(record, slot)
        is_code = isinstance(record, Phone) and slot.field_name == "country_calling_code"
        if is_code and not _CALLING_CODE.fullmatch(str(value)):
            yield _place(record, slot)


@_rule("coordinates", "latitude lies in -90 to 90, longitude in -180 to 180")
def _coordinates(report: Report, _f: Sequence[FileDetails], _: RuleContext) -> Places:
    for incident in report.internet_details:
        if isinstance(incident, CellPhoneIncident):
            for name, limit in (("latitude", 90.0), ("longitude", 180.0)):
                value = getattr(incident, name)
                if value is not None and not -limit <= value <= limit:
                    yield f"cellPhoneIncident/{name}"


@_rule("required-text", "no required text is empty")
def _required(report: Report, files: Sequence[FileDetails], _: RuleContext) -> Places:
    for record, slot, value in _values(report, files):
        if slot.is_required and isinstance(value, str) and not value.strip():
            yield _place(record, slot)


RULES: tuple[Rule, ...] = tuple(_RULES)
"""All rules, in the order in which findings are shown."""


def find_breaks(
    report: Report, files: Sequence[FileDetails], context: RuleContext
) -> tuple[Finding, ...]:
    """Check a report and its files against every rule. Each place is named once per rule."""
    found: dict[Finding, None] = {}
    for rule in RULES:
        for place in rule.check(report, files, context):
            found[Finding(rule.rule_id, rule.text, place)] = None
    return tuple(found)
