"""What the pages work with: the rooms below, opened once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from veilmatch.access.login.oidc import OidcLogins
from veilmatch.access.login.passkeys import Passkeys
from veilmatch.access.login.password import Logins
from veilmatch.access.sessions import Sessions
from veilmatch.casework.history import Desk
from veilmatch.console.report_form import ReporterProfile
from veilmatch.reporting.outbox import Outbox


@dataclass(frozen=True)
class ConsoleSettings:
    """Settings of the console.

    Args:
        is_secure: The console is reached over TLS: cookies say so, browsers are told so. False
            only where it listens on this machine alone.
        needs_step_up: Sending a report asks for a passkey.
        oidc_name: What the organisation's login is called.
        support: Address of somebody to talk to, for the page of a break; may be empty.
        body: Which reporting body reports go to.
        profile: Who reports; without it no report can be written here.
        has_agreement: Party to the hash-sharing agreement: the industry scale may be used.
    """

    is_secure: bool = True
    needs_step_up: bool = False
    oidc_name: str = "your organisation"
    support: str = ""
    body: str = "cybertipline"
    profile: ReporterProfile | None = field(default=None, repr=False)
    has_agreement: bool = False


@dataclass(frozen=True)
class Services:
    """The rooms that pages call.

    Args:
        desk: Casework: database, column keys, clock, policy.
        logins: Passwords and codes.
        sessions: Who is logged in.
        outbox: Reports on their way.
        settings: Of the console.
        passkeys: None where no site is set.
        oidc: None where no issuer is set.
    """

    desk: Desk
    logins: Logins
    sessions: Sessions
    outbox: Outbox
    settings: ConsoleSettings
    passkeys: Passkeys | None = None
    oidc: OidcLogins | None = None

    @property
    def clock(self) -> Callable[[], int]:
        """Seconds since 1970."""
        return self.desk.clock
