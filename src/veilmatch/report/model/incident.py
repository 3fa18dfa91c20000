"""Where an incident happened: the eight kinds of ``internetDetails``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from veilmatch.report.model.fields import Record, attribute
from veilmatch.report.model.people import Address, Email, IpCaptureEvent, Phone


@dataclass(frozen=True, kw_only=True, repr=False)
class WebPageIncident(Record):
    """On a web page, or in a web service."""

    tag: ClassVar[str] = "webPageIncident"
    third_party_hosted_content: bool | None = field(default=None, metadata=attribute())
    url: tuple[str, ...] = ()
    additional_info: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class EmailIncident(Record):
    """By e-mail."""

    tag: ClassVar[str] = "emailIncident"
    email_address: tuple[Email, ...] = ()
    content: str | None = None
    additional_info: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class NewsgroupIncident(Record):
    """In a newsgroup."""

    tag: ClassVar[str] = "newsgroupIncident"
    name: str | None = None
    email_address: tuple[Email, ...] = ()
    content: str | None = None
    additional_info: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class ChatImIncident(Record):
    """In a chat."""

    tag: ClassVar[str] = "chatImIncident"
    chat_client: str | None = None
    chat_room_name: str | None = None
    content: str | None = None
    additional_info: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class OnlineGamingIncident(Record):
    """In an online game."""

    tag: ClassVar[str] = "onlineGamingIncident"
    game_name: str | None = None
    console: str | None = None
    content: str | None = None
    additional_info: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class CellPhoneIncident(Record):
    """By a mobile telephone."""

    tag: ClassVar[str] = "cellPhoneIncident"
    phone_number: Phone | None = None
    latitude: float | None = None
    longitude: float | None = None
    additional_info: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class NonInternetIncident(Record):
    """Outside any network."""

    tag: ClassVar[str] = "nonInternetIncident"
    location_name: str | None = None
    incident_address: tuple[Address, ...] = ()
    additional_info: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class PeerToPeerIncident(Record):
    """In a peer-to-peer network."""

    tag: ClassVar[str] = "peer2peerIncident"
    client: str | None = None
    ip_capture_event: tuple[IpCaptureEvent, ...] = ()
    file_names: str | None = None
    additional_info: str | None = None


Incident = (
    WebPageIncident
    | EmailIncident
    | NewsgroupIncident
    | ChatImIncident
    | OnlineGamingIncident
    | CellPhoneIncident
    | NonInternetIncident
    | PeerToPeerIncident
)
