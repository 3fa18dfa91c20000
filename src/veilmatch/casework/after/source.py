"""What a report says beside the pictures: the company's part, and the platform's facts.

The reviewer never sees these facts; they go from the platform into the report alone.
Spec: ``spec/65-review.md`` section 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from veilmatch.report.completeness import Waiver
from veilmatch.report.model.document import (
    FileDetails,
    FileHash,
    IncidentSummary,
    Report,
    Reporter,
)
from veilmatch.report.model.incident import WebPageIncident
from veilmatch.report.model.people import PersonOrUserReported
from veilmatch.report.model.values import IncidentType

_TIME_MEANS = "When the matches of this account were opened by the matching system"
_REDUCED = "The attached file is the reduced copy (derivative) that the matching system holds."


@dataclass(frozen=True, repr=False)
class CaseFile:
    """A picture of a case: its number, its asset id, its derivative (JPEG)."""

    number: int
    asset_id: bytes
    derivative: bytes

    @property
    def file_key(self) -> str:
        """How recorded views name it."""
        return str(self.number)


@dataclass(frozen=True, repr=False)
class CaseFacts:
    """What the store knows of a case that may be reported."""

    case_id: bytes
    account: bytes
    opened_at: int
    files: tuple[CaseFile, ...]


@dataclass(frozen=True, repr=False)
class Described:
    """A report without viewed flags: details and bytes are one for each file, in order."""

    report: Report
    details: tuple[FileDetails, ...]
    contents: tuple[bytes, ...]
    waivers: tuple[Waiver, ...] = ()


class ReportSource(Protocol):
    """Describes a case to a reporting body."""

    def describe(self, facts: CaseFacts) -> Described:
        """Describe it; may ask the platform. Called outside any transaction."""


@dataclass(frozen=True, repr=False)
class FileFacts:
    """What the platform knows of one file.

    Attributes:
        name: What the user called it.
        uploaded_at: Aware time of the upload.
        is_public: Whether others could see it.
        digests: Of the file as uploaded.
        content: The file itself; None if the platform does not hand it over.
    """

    name: str | None = None
    uploaded_at: datetime | None = None
    is_public: bool | None = None
    digests: tuple[FileHash, ...] = ()
    content: bytes | None = None


@dataclass(frozen=True, repr=False)
class AccountFacts:
    """What the platform knows of an account and its files, by asset id."""

    person: PersonOrUserReported
    files: Mapping[bytes, FileFacts] = field(default_factory=dict)


AskPlatform = Callable[[bytes, tuple[bytes, ...]], AccountFacts | None]
"""Asks the platform about an account and its assets; None if it does not answer."""


@dataclass(frozen=True, repr=False)
class Company:
    """The company's part of every report.

    Attributes:
        reporter: Who reports, and whom the police may ask.
        platform: What the service is called.
        url: Where it is.
        waivers: Gaps that the company has waived in general, with its reasons.
    """

    reporter: Reporter
    platform: str
    url: str
    waivers: tuple[Waiver, ...] = ()


class CompanySource:
    """Describes cases by the company's settings and the platform's facts.

    Args:
        company: What stands in every report.
        ask: How the platform is asked; None where it cannot be.
    """

    def __init__(self, company: Company, ask: AskPlatform | None = None) -> None:
        self._company, self._ask = company, ask

    def describe(self, facts: CaseFacts) -> Described:
        """Describe a case; what nobody knows stays a gap, for people to answer or waive."""
        ids = tuple(file.asset_id for file in facts.files)
        known = self._ask(facts.account, ids) if self._ask is not None else None
        person = PersonOrUserReported() if known is None else known.person
        if person.esp_identifier is None:
            person = replace(person, esp_identifier=facts.account.hex())
        report = Report(
            incident_summary=IncidentSummary(
                incident_type=IncidentType.CSAM,
                platform=self._company.platform,
                incident_date_time=datetime.fromtimestamp(facts.opened_at, UTC),
                incident_date_time_description=_TIME_MEANS,
            ),
            reporter=self._company.reporter,
            internet_details=(WebPageIncident(url=(self._company.url,)),),
            person_or_user_reported=(person,),
        )
        files = {} if known is None else known.files
        described = [_describe(one, files.get(one.asset_id, FileFacts())) for one in facts.files]
        return Described(
            report,
            tuple(details for details, _ in described),
            tuple(content for _, content in described),
            self._company.waivers,
        )


def _describe(file: CaseFile, facts: FileFacts) -> tuple[FileDetails, bytes]:
    content = file.derivative if facts.content is None else facts.content
    details = FileDetails(
        file_name=f"{file.number}.jpg",
        original_file_name=facts.name,
        uploaded_to_esp_timestamp=facts.uploaded_at,
        publicly_available=facts.is_public,
        original_file_hash=facts.digests,
        additional_info=() if facts.content is not None else (_REDUCED,),
    )
    return details, content
