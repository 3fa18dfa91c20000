"""People, accounts, addresses and devices, in the schema's order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from veilmatch.report.model.fields import TEXT, Record, attribute, named
from veilmatch.report.model.values import (
    AddressType,
    AssociatedAccountType,
    EmailType,
    EventName,
    PhoneType,
)


@dataclass(frozen=True, kw_only=True, repr=False)
class IpCaptureEvent(Record):
    """An address that somebody used, and when."""

    ip_address: str
    event_name: EventName | None = None
    date_time: datetime | None = None
    possible_proxy: bool | None = None
    port: int | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class DeviceId(Record):
    """A device that somebody used, and when."""

    id_type: str
    id_value: str
    event_name: EventName | None = None
    date_time: datetime | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Address(Record):
    """A postal address."""

    kind: AddressType | None = field(default=None, metadata=attribute("type"))
    address: str | None = None
    city: str | None = None
    zip_code: str | None = None
    state: str | None = None
    non_usa_state: str | None = None
    country: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Email(Record):
    """An e-mail address."""

    value: str = field(metadata=TEXT)
    kind: EmailType | None = field(default=None, metadata=attribute("type"))
    verified: bool | None = field(default=None, metadata=attribute())
    verification_date: datetime | None = field(default=None, metadata=attribute())


@dataclass(frozen=True, kw_only=True, repr=False)
class Phone(Record):
    """A telephone number."""

    value: str = field(metadata=TEXT)
    kind: PhoneType | None = field(default=None, metadata=attribute("type"))
    verified: bool | None = field(default=None, metadata=attribute())
    verification_date: datetime | None = field(default=None, metadata=attribute())
    country_calling_code: str | None = field(default=None, metadata=attribute())
    extension: str | None = field(default=None, metadata=attribute())


@dataclass(frozen=True, kw_only=True, repr=False)
class ContactPerson(Record):
    """Somebody who can be written to or called."""

    first_name: str | None = None
    last_name: str | None = None
    phone: tuple[Phone, ...] = ()
    email: tuple[Email, ...] = ()
    address: tuple[Address, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class Person(Record):
    """A person with an age."""

    first_name: str | None = None
    last_name: str | None = None
    phone: tuple[Phone, ...] = ()
    email: tuple[Email, ...] = ()
    address: tuple[Address, ...] = ()
    age: int | None = None
    date_of_birth: date | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class TemporarilyDisabled(Record):
    """Whether an account was disabled for a time."""

    value: bool = field(metadata=TEXT)
    disabled_date: datetime | None = field(default=None, metadata=attribute())
    user_notified: bool | None = field(default=None, metadata=attribute())
    user_notified_date: datetime | None = field(default=None, metadata=attribute())
    reenabled_date: datetime | None = field(default=None, metadata=attribute())


@dataclass(frozen=True, kw_only=True, repr=False)
class PermanentlyDisabled(Record):
    """Whether an account was disabled for good."""

    value: bool = field(metadata=TEXT)
    disabled_date: datetime | None = field(default=None, metadata=attribute())
    user_notified: bool | None = field(default=None, metadata=attribute())
    user_notified_date: datetime | None = field(default=None, metadata=attribute())


@dataclass(frozen=True, kw_only=True, repr=False)
class EstimatedLocation(Record):
    """Where a person is believed to be."""

    verified: bool | None = field(default=None, metadata=attribute())
    timestamp: datetime | None = field(default=None, metadata=attribute())
    city: str | None = None
    region: str | None = None
    country_code: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Platform(Record):
    """The service that an associated account belongs to."""

    value: str = field(metadata=TEXT)
    third_party_user: bool | None = field(default=None, metadata=attribute())


@dataclass(frozen=True, kw_only=True, repr=False)
class AssociatedAccount(Record):
    """Another account of the same person."""

    kind: AssociatedAccountType = field(metadata=attribute("type"))
    platform: Platform | None = None
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    approximate_age: int | None = None
    date_of_birth: date | None = None
    phone: tuple[Phone, ...] = ()
    email: tuple[Email, ...] = ()
    all_emails_reported: bool | None = None
    address: tuple[Address, ...] = ()
    esp_service: str | None = None
    esp_identifier: str | None = None
    profile_url: tuple[str, ...] = ()
    screen_name: str | None = None
    display_name: tuple[str, ...] = ()
    profile_bio: str | None = None
    group_identifier: str | None = None
    compromised_account: bool | None = None
    account_temporarily_disabled: TemporarilyDisabled | None = None
    account_permanently_disabled: PermanentlyDisabled | None = None
    ip_capture_event: tuple[IpCaptureEvent, ...] = ()
    device_id: tuple[DeviceId, ...] = ()
    prior_ct_report: tuple[int, ...] = field(default=(), metadata=named("priorCTReport"))
    additional_info: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class PersonOrUserReported(Record):
    """Who is reported."""

    person: Person | None = field(default=None, metadata=named("personOrUserReportedPerson"))
    vehicle_description: str | None = None
    esp_identifier: str | None = None
    esp_service: str | None = None
    compromised_account: bool | None = None
    screen_name: str | None = None
    display_name: tuple[str, ...] = ()
    profile_url: tuple[str, ...] = ()
    profile_bio: str | None = None
    ip_capture_event: tuple[IpCaptureEvent, ...] = ()
    device_id: tuple[DeviceId, ...] = ()
    third_party_user_reported: bool | None = None
    prior_ct_reports: tuple[int, ...] = field(default=(), metadata=named("priorCTReports"))
    group_identifier: str | None = None
    account_temporarily_disabled: TemporarilyDisabled | None = None
    account_permanently_disabled: PermanentlyDisabled | None = None
    estimated_location: EstimatedLocation | None = None
    all_emails_reported: bool | None = None
    associated_account: tuple[AssociatedAccount, ...] = ()
    additional_info: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class IntendedRecipient(Record):
    """Whom something was meant for."""

    person: Person | None = field(default=None, metadata=named("intendedRecipientPerson"))
    esp_identifier: str | None = None
    esp_service: str | None = None
    compromised_account: bool | None = None
    screen_name: str | None = None
    display_name: tuple[str, ...] = ()
    profile_url: tuple[str, ...] = ()
    profile_bio: str | None = None
    ip_capture_event: tuple[IpCaptureEvent, ...] = ()
    device_id: tuple[DeviceId, ...] = ()
    prior_ct_reports: tuple[int, ...] = field(default=(), metadata=named("priorCTReports"))
    group_identifier: str | None = None
    account_temporarily_disabled: TemporarilyDisabled | None = None
    account_permanently_disabled: PermanentlyDisabled | None = None
    estimated_location: EstimatedLocation | None = None
    all_emails_reported: bool | None = None
    additional_info: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class Victim(Record):
    """A child who was harmed, as far as known."""

    victim_person: Person
    esp_identifier: str | None = None
    esp_service: str | None = None
    compromised_account: bool | None = None
    screen_name: str | None = None
    display_name: tuple[str, ...] = ()
    profile_url: tuple[str, ...] = ()
    profile_bio: str | None = None
    ip_capture_event: tuple[IpCaptureEvent, ...] = ()
    device_id: tuple[DeviceId, ...] = ()
    school_name: str | None = None
    prior_ct_reports: tuple[int, ...] = field(default=(), metadata=named("priorCTReports"))
    account_temporarily_disabled: TemporarilyDisabled | None = None
    account_permanently_disabled: PermanentlyDisabled | None = None
    estimated_location: EstimatedLocation | None = None
    all_emails_reported: bool | None = None
    associated_account: tuple[AssociatedAccount, ...] = ()
    additional_info: str | None = None
