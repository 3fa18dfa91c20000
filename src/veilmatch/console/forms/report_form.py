"""From a form to a report: what a reporter says about the account and the files.

Nothing is invented: a field left empty leaves its element out, and the completeness check then
names the gap. The viewed flags are not in the form; recorded views fill them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from veilmatch.casework.after.source import CaseFacts, Described
from veilmatch.errors import ConfigError, InputError
from veilmatch.report.completeness import QUESTIONS, Waiver
from veilmatch.report.model.document import (
    FileDetails,
    FileHash,
    IncidentSummary,
    Report,
    Reporter,
)
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
from veilmatch.report.model.values import EventName, IncidentType
from veilmatch.wire import Fields, parse_json

FIELDS: tuple[tuple[str, str, str, str], ...] = (
    # name, what it is, the gap that it answers, kind of input
    ("account", "Account name or number", "account-name", "text"),
    ("screen_name", "Screen name", "account-name", "text"),
    ("email", "E-mail of the account", "account-contact", "text"),
    ("phone", "Telephone of the account", "account-contact", "text"),
    ("ip", "IP address", "address", "text"),
    ("ip_at", "When the address was used (UTC)", "address-time", "datetime-local"),
    ("country", "Country, two letters", "region", "text"),
    ("incident_at", "Time of the incident (UTC)", "incident-time", "datetime-local"),
    ("incident_means", "What that time means", "incident-time", "text"),
)
FILE_FIELDS: tuple[tuple[str, str, str, str], ...] = (
    ("file_name", "Name that the user gave", "file-name", "text"),
    ("uploaded_at", "Uploaded (UTC)", "upload-time", "datetime-local"),
    ("md5", "MD5 of the file as uploaded", "file-digest", "text"),
)
REDUCED_TEXT = "The attached file is the reduced copy (derivative) that the matching system holds."
_MAX_TEXT = 3000


@dataclass(frozen=True, repr=False)
class ReporterProfile:
    """Who reports: the organisation's own words, the same in every report.

    Args:
        platform: The service's name.
        url: An address of the service.
        first_name: Of the reporting person, or of the desk.
        last_name: Likewise.
        email: Where an officer writes to.
        phone: Where an officer calls; may be empty.
        legal_url: How legal process is served; may be empty.
    """

    platform: str
    url: str
    first_name: str
    last_name: str
    email: str
    phone: str = ""
    legal_url: str = ""


def parse_profile(data: bytes) -> ReporterProfile:
    """Read a profile from its JSON file. Raises ConfigError."""
    try:
        fields = Fields(parse_json(data, "profile"), "profile")
        names = ("platform", "url", "first_name", "last_name", "email", "phone", "legal_url")
        profile = ReporterProfile(**{name: fields.text(name) for name in names})
        fields.finish()
    except InputError as exc:
        raise ConfigError(
            "the reporter's profile is malformed",
            setting="profile",
            hint="docs/guides/reviewer.md shows one",
        ) from exc
    return profile


def parse_time(text: str) -> datetime | None:
    """Read the value of a time field, which is in UTC; None if it is empty.

    Raises:
        InputError: It is no time.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InputError("a time of the report is malformed", hint="2026-05-01T12:30") from exc
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def parse_waivers(form: Mapping[str, str]) -> tuple[Waiver, ...]:
    """Read the reasons for gaps that stay open; an empty one waives nothing."""
    found = []
    for question in QUESTIONS:
        reason = form.get(f"waive-{question.gap_id}", "").strip()
        if reason:
            found.append(Waiver(question.gap_id, reason[:_MAX_TEXT]))
    return tuple(found)


class FormSource:
    """Describes a case by what stands in a form; the source of a report that a person writes.

    Args:
        form: Values by the names in ``FIELDS`` and, with the file's place, ``FILE_FIELDS``.
        profile: Who reports.
        numbers: The pictures that the form is about, in its order.
    """

    def __init__(
        self, form: Mapping[str, str], profile: ReporterProfile, numbers: Sequence[int]
    ) -> None:
        self._text = {name: value.strip()[:_MAX_TEXT] for name, value in form.items()}
        self._profile, self._places = profile, {one: k for k, one in enumerate(numbers)}

    def describe(self, facts: CaseFacts) -> Described:
        """Describe a case. Raises InputError if a time of the form is malformed."""
        details = tuple(
            _build_details(self._text, self._places[file.number])
            if file.number in self._places
            else FileDetails()
            for file in facts.files
        )
        return Described(
            self._build_report(datetime.fromtimestamp(facts.opened_at, UTC)),
            details,
            tuple(file.derivative for file in facts.files),
            parse_waivers(self._text),
        )

    def _build_report(self, opened_at: datetime) -> Report:
        text, profile = self._text, self._profile
        return Report(
            incident_summary=IncidentSummary(
                incident_type=IncidentType.CSAM,
                platform=profile.platform,
                incident_date_time=parse_time(text.get("incident_at", "")) or opened_at,
                incident_date_time_description=text.get("incident_means") or None,
            ),
            internet_details=(WebPageIncident(url=(profile.url,)),),
            reporter=Reporter(
                reporting_person=Person(
                    first_name=profile.first_name,
                    last_name=profile.last_name,
                    phone=(Phone(value=profile.phone),) if profile.phone else (),
                    email=(Email(value=profile.email),),
                ),
                legal_url=profile.legal_url or None,
            ),
            person_or_user_reported=(_build_person(text),),
            additional_info=text.get("additional") or None,
        )


def _build_person(text: Mapping[str, str]) -> PersonOrUserReported:
    email, phone, address = text.get("email"), text.get("phone"), text.get("ip")
    person = None
    if email or phone:
        person = Person(
            email=(Email(value=email),) if email else (),
            phone=(Phone(value=phone),) if phone else (),
        )
    used: tuple[IpCaptureEvent, ...] = ()
    if address:
        at = parse_time(text.get("ip_at", ""))
        used = (IpCaptureEvent(ip_address=address, event_name=EventName.UPLOAD, date_time=at),)
    country = text.get("country", "").upper()
    disabled = text.get("disabled")
    return PersonOrUserReported(
        person=person,
        esp_identifier=text.get("account") or None,
        screen_name=text.get("screen_name") or None,
        ip_capture_event=used,
        account_temporarily_disabled=(
            TemporarilyDisabled(value=disabled == "yes") if disabled in ("yes", "no") else None
        ),
        estimated_location=EstimatedLocation(country_code=country) if country else None,
    )


def _build_details(text: Mapping[str, str], place: int) -> FileDetails:
    digest, public = text.get(f"md5-{place}"), text.get(f"public-{place}")
    return FileDetails(
        original_file_name=text.get(f"file_name-{place}") or None,
        uploaded_to_esp_timestamp=parse_time(text.get(f"uploaded_at-{place}", "")),
        publicly_available={"yes": True, "no": False}.get(public or ""),
        original_file_hash=(FileHash(value=digest, hash_type="MD5"),) if digest else (),
        additional_info=(REDUCED_TEXT,),
    )
