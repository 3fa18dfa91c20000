"""What goes in and out, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from veilmatch.access.roles import Role
from veilmatch.actions.signing import Scheme
from veilmatch.clock import DAY_S

_PLAIN = r"^[^\x00-\x1f\x7f]+$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_PLAIN)]
Text = Annotated[str, StringConstraints(max_length=2048, pattern=r"^[^\x00-\x1f\x7f]*$")]
Password = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Hex16 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="16 bytes in hexadecimal.")]
DeviceId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="8 bytes in hexadecimal.")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Seconds = Annotated[int, Field(ge=1, le=400 * DAY_S)]


class State(StrEnum):
    """Whether something is in use."""

    ACTIVE = "active"
    DISABLED = "disabled"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, object]]:
        """Show nothing: some hold a password, a token or a name."""
        return ()


ProblemType = Literal[
    "urn:veilmatch:problem:malformed",
    "urn:veilmatch:problem:session",
    "urn:veilmatch:problem:policy",
    "urn:veilmatch:problem:step-up",
    "urn:veilmatch:problem:not-found",
    "urn:veilmatch:problem:method",
    "urn:veilmatch:problem:too-large",
    "urn:veilmatch:problem:unfit",
    "urn:veilmatch:problem:busy",
    "urn:veilmatch:problem:internal",
    "urn:veilmatch:problem:unavailable",
]
"""Every kind of refusal; ``step-up`` asks for a passkey, then the request again."""


class Problem(_Model):
    """A refusal (RFC 9457); the text is fixed for each kind."""

    type: ProblemType
    title: str
    status: int
    detail: str


class PasswordLogin(_Model):
    """First factor."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class Ticket(_Model):
    """Good for the second factor, for five minutes."""

    ticket: str


class CodeLogin(_Model):
    """Second factor."""

    ticket: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    code: Annotated[str, StringConstraints(min_length=1, max_length=16)]


_Token = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class TicketIn(_Model):
    """The ticket of the first factor."""

    ticket: _Token


class ChallengeOut(_Model):
    """For ``navigator.credentials``: the options as the browser takes them, as JSON text."""

    challenge: str
    options: str


class CredentialIn(_Model):
    """What the browser answered, as JSON text."""

    challenge: _Token
    credential: Annotated[str, StringConstraints(min_length=2, max_length=16_384)]


class PasskeyLogin(CredentialIn):
    """Second factor by a passkey."""

    ticket: _Token


class SessionToken(_Model):
    """A session's token, for ``Authorization: Bearer``."""

    token: str


class Me(_Model):
    """Who asks."""

    operator_id: Hex16
    name: str
    roles: list[Role]
    stepped_up_at: int | None


class OperatorOut(_Model):
    """An operator's account."""

    operator_id: Hex16
    name: str
    state: State
    roles: list[Role]
    has_password: bool
    has_totp: bool
    has_issuer: bool


class OperatorIn(_Model):
    """A new account: with a password, or with an issuer's subject."""

    name: Name
    roles: Annotated[list[Role], Field(min_length=1, max_length=6)]
    password: Annotated[str, StringConstraints(max_length=256)] = ""
    issuer: Text = ""
    subject: Annotated[Text, StringConstraints(max_length=255)] = ""


class OperatorMade(_Model):
    """The account that was made; ``totp_uri`` is shown once."""

    operator_id: Hex16
    totp_uri: str


class TotpUri(_Model):
    """For an authenticator; shown once."""

    totp_uri: str


class StateIn(_Model):
    """Whether it is in use."""

    state: State


class RolesIn(_Model):
    """What the person may do."""

    roles: Annotated[list[Role], Field(min_length=1, max_length=6)]


class PasswordIn(_Model):
    """A new password."""

    password: Password


class PlatformIn(_Model):
    """A new platform."""

    name: Name


class PlatformOut(_Model):
    """A platform."""

    platform_id: Hex16
    name: str
    state: State


class CredentialOut(_Model):
    """A token or a certificate; nothing that opens anything."""

    credential_id: Hex16
    kind: str
    created_at: int
    expires_at: int
    revoked_at: int | None


class ValidIn(_Model):
    """For how long."""

    valid_s: Seconds = 365 * DAY_S


class TokenOut(_Model):
    """A bearer token, shown once."""

    credential_id: Hex16
    token: str


class CertificateIn(_Model):
    """A client certificate in PEM."""

    pem: Annotated[str, StringConstraints(min_length=1, max_length=16_384)]
    valid_s: Seconds = 365 * DAY_S


class CredentialMade(_Model):
    """What was made."""

    credential_id: Hex16


class UsageOut(_Model):
    """What an account has used today, and may use."""

    body_len: int
    deletion_count: int
    device_count: int
    voucher_count: int


class QuotasOut(_Model):
    """What every account may use."""

    bytes_per_day: int
    deletions_per_day: int
    vouchers: int
    devices: int


class QueueOut(_Model):
    """How many accounts need an engineer, by kind."""

    counts: dict[str, int]


class QueueItem(_Model):
    """An account that needs an engineer; nobody looks at its pictures."""

    account: Hex16
    kind: str


class RetentionOut(_Model):
    """What waits, and for how long."""

    segments: dict[str, int]
    waiting_vouchers: int
    oldest_opened_at: int | None
    is_alarm: bool


class EndpointIn(_Model):
    """Where actions go."""

    url: Annotated[Text, StringConstraints(min_length=1)]
    scheme: Scheme = Scheme.HMAC


class EndpointOut(_Model):
    """Where actions go."""

    endpoint_id: Hex16
    url: str
    scheme: Scheme
    state: State


class SecretOut(_Model):
    """What the receiver needs, shown once."""

    endpoint_id: Hex16
    secret: str


class DeadLetterOut(_Model):
    """A delivery that was given up."""

    number: int
    endpoint_id: Hex16
    kind: str
    attempts: int
    reason: str


class DeadReportOut(_Model):
    """A report that a person must look at."""

    report_key: Hex16
    body: str
    reason: str
    attempts: int


class SettingsOut(_Model):
    """Every setting; a secret shows only whether it is set."""

    settings: dict[str, str | int | float | bool | None]


class LogOut(_Model):
    """Entries of the private log, as auditors see them."""

    size: int
    records: list[str]
