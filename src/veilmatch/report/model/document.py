"""The two documents that are sent: ``report`` and ``fileDetails``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, Self

from veilmatch.report.model.fields import TEXT, Record, attribute, named
from veilmatch.report.model.incident import Incident
from veilmatch.report.model.people import (
    ContactPerson,
    DeviceId,
    IntendedRecipient,
    IpCaptureEvent,
    Person,
    PersonOrUserReported,
    Victim,
)
from veilmatch.report.model.values import (
    BatchReason,
    DetailsType,
    FileAnnotation,
    FileRelevance,
    IncidentType,
    IndustryClassification,
    ReportAnnotation,
)

UNADDRESSED_REPORT_ID = 0
UNADDRESSED_FILE_ID = "0" * 32


@dataclass(frozen=True, kw_only=True, repr=False)
class BatchedReport(Record):
    """Several incidents in one report."""

    reason: BatchReason = field(metadata=attribute())


@dataclass(frozen=True, kw_only=True, repr=False)
class IncidentSummary(Record):
    """What happened, and when."""

    incident_type: IncidentType
    platform: str | None = None
    escalate_to_high_priority: str | None = None
    report_annotations: frozenset[ReportAnnotation] = frozenset()
    incident_date_time: datetime
    incident_date_time_description: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class ServedInternational(Record):
    """Whether another country's authority has served legal process."""

    value: bool = field(metadata=TEXT)
    flea_country: str | None = field(default=None, metadata=attribute())


@dataclass(frozen=True, kw_only=True, repr=False)
class LawEnforcement(Record):
    """An agency that already knows of the matter."""

    agency_name: str
    case_number: str | None = None
    officer_contact: ContactPerson | None = None
    reported_to_le: bool | None = None
    served_legal_process_domestic: bool | None = None
    served_legal_process_international: ServedInternational | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Reporter(Record):
    """Who reports, and whom the police may ask."""

    reporting_person: Person
    contact_person: ContactPerson | None = None
    company_template: str | None = None
    terms_of_service: str | None = None
    legal_url: str | None = field(default=None, metadata=named("legalURL"))


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(Record):
    """A report, without its files."""

    tag: ClassVar[str] = "report"
    batched_report: BatchedReport | None = None
    incident_summary: IncidentSummary
    internet_details: tuple[Incident, ...] = ()
    law_enforcement: LawEnforcement | None = None
    reporter: Reporter
    person_or_user_reported: tuple[PersonOrUserReported, ...] = ()
    intended_recipient: tuple[IntendedRecipient, ...] = ()
    victim: tuple[Victim, ...] = ()
    additional_info: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class FileHash(Record):
    """A digest of the file as its user uploaded it."""

    value: str = field(metadata=TEXT)
    hash_type: str = field(metadata=attribute())


@dataclass(frozen=True, kw_only=True, repr=False)
class NameValue(Record):
    """One named value about a file."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Details(Record):
    """Named values about a file: its camera data, or perceptual hashes."""

    kind: DetailsType | None = field(default=None, metadata=attribute("type"))
    name_value_pair: tuple[NameValue, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class FileDetails(Record):
    """What is known about one uploaded file.

    ``file_viewed_by_esp`` and ``exif_viewed_by_esp`` come from ``report.viewed`` alone.
    """

    tag: ClassVar[str] = "fileDetails"
    report_id: int = UNADDRESSED_REPORT_ID
    file_id: str = UNADDRESSED_FILE_ID
    file_name: str | None = None
    original_file_name: str | None = None
    uploaded_to_esp_timestamp: datetime | None = None
    location_of_file: str | None = None
    file_viewed_by_esp: bool | None = None
    exif_viewed_by_esp: bool | None = None
    publicly_available: bool | None = None
    file_relevance: FileRelevance | None = None
    potential_meme: bool | None = None
    file_annotations: frozenset[FileAnnotation] = frozenset()
    industry_classification: IndustryClassification | None = None
    original_file_hash: tuple[FileHash, ...] = ()
    ip_capture_event: IpCaptureEvent | None = None
    device_id: tuple[DeviceId, ...] = ()
    details: tuple[Details, ...] = ()
    additional_info: tuple[str, ...] = ()

    def addressed_to(self, report_id: int, file_id: str) -> Self:
        """Return a copy that names the opened report and the uploaded file."""
        return replace(self, report_id=report_id, file_id=file_id)
