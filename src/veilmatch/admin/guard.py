"""Who asks, whether that role may, and how a refusal looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Connection

from veilmatch.access.gate.platforms import Platforms
from veilmatch.access.gate.usage import Quotas
from veilmatch.access.login.passkeys import Passkeys
from veilmatch.access.login.password import Logins
from veilmatch.access.login.sites import PasskeySite
from veilmatch.access.operators import Operators
from veilmatch.access.roles import Principal, Role, require_role, require_step_up
from veilmatch.access.sessions import Sessions
from veilmatch.actions.endpoints import Endpoints
from veilmatch.errors import PolicyError, SessionError
from veilmatch.intakestore.limits import IntakeLimits, RetentionLimits
from veilmatch.privatelog.log import LogEntry, PrivateLog
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.transparency.entries.canonical import JsonObject


@dataclass(frozen=True)
class AdminParts:
    """What the interface works on.

    Attributes:
        database: The store's database.
        crypter: Opens sealed columns.
        clock: Gives seconds since 1970.
        quotas: What an account may use a day.
        limits: What it may have in all.
        retention: How long anything is kept.
        settings: Every setting, for people to read; no secret.
        passkey_site: Which site passkeys are bound to; None where there are none.
        needs_step_up: Whether a change needs a passkey of the last minutes.
    """

    database: Database
    crypter: Crypter = field(repr=False)
    clock: Callable[[], int]
    quotas: Quotas = field(default_factory=Quotas)
    limits: IntakeLimits = field(default_factory=IntakeLimits)
    retention: RetentionLimits = field(default_factory=RetentionLimits)
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    passkey_site: PasskeySite | None = None
    needs_step_up: bool = True

    @property
    def log(self) -> PrivateLog:
        """The private log."""
        return PrivateLog(self.database, self.crypter, self.clock)

    @property
    def sessions(self) -> Sessions:
        """Operators' sessions."""
        return Sessions(self.database, self.clock)

    @property
    def operators(self) -> Operators:
        """Operators' accounts."""
        return Operators(self.database, self.crypter, self.clock)

    @property
    def logins(self) -> Logins:
        """Logging in."""
        return Logins(self.database, self.crypter, self.clock, self.log)

    @property
    def passkeys(self) -> Passkeys:
        """Operators' passkeys. Raises PolicyError where there are none."""
        if self.passkey_site is None:
            raise PolicyError("passkeys are not set up here", hint="set origin")
        return Passkeys(self.database, self.crypter, self.clock, self.log, self.passkey_site)

    @property
    def platforms(self) -> Platforms:
        """Platforms."""
        return Platforms(self.database, self.clock)

    @property
    def endpoints(self) -> Endpoints:
        """Where actions go."""
        return Endpoints(self.database, self.crypter, self.clock)

    def note(
        self,
        connection: Connection,
        who: Principal,
        kind: str,
        subject: bytes,
        private: JsonObject | None = None,
        **detail: str,
    ) -> None:
        """Append an entry to the private log, last in its transaction."""
        entry = LogEntry(kind, who.operator_id, subject, dict(detail), private)
        self.log.append(connection, entry)


_bearer = HTTPBearer(auto_error=False, description="A session's token.")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def parts_of(request: Request) -> AdminParts:
    """Return what the interface works on."""
    parts: AdminParts = request.app.state.parts
    return parts


Parts = Annotated[AdminParts, Depends(parts_of)]


def token_of(credentials: _Credentials) -> str:
    """Return the session's token. Raises SessionError."""
    if credentials is None:
        raise SessionError("there is no session")
    return credentials.credentials


Token = Annotated[str, Depends(token_of)]


def caller_of(parts: Parts, token: Token) -> Principal:
    """Return who asks. Raises SessionError."""
    return parts.sessions.verify(token)


Caller = Annotated[Principal, Depends(caller_of)]


def allow(*roles: Role) -> Callable[[Principal], Principal]:
    """Make a dependency that lets only these roles in."""

    def check(who: Caller) -> Principal:
        require_role(who, *roles)
        return who

    return check


def change(*roles: Role) -> Callable[[Principal, AdminParts], Principal]:
    """Make a dependency for what changes something: these roles, with a passkey lately."""

    def check(who: Caller, parts: Parts) -> Principal:
        require_role(who, *roles)  # first: whoever may not do it learns nothing of passkeys
        if parts.needs_step_up:
            require_step_up(who, parts.clock())
        return who

    return check


AdminChange = Annotated[Principal, Depends(change(Role.ADMIN))]
EngineerChange = Annotated[Principal, Depends(change(Role.ADMIN, Role.OPERATOR))]
OperatorChange = Annotated[Principal, Depends(change(Role.OPERATOR))]
Engineer = Annotated[Principal, Depends(allow(Role.ADMIN, Role.OPERATOR))]
Operator = Annotated[Principal, Depends(allow(Role.OPERATOR))]
Auditor = Annotated[Principal, Depends(allow(Role.AUDITOR))]
AdminOrAuditor = Annotated[Principal, Depends(allow(Role.ADMIN, Role.AUDITOR))]
Reader = Annotated[Principal, Depends(allow(Role.ADMIN, Role.OPERATOR, Role.AUDITOR))]


def require_other(who: Principal, operator_id: bytes) -> None:
    """Refuse who would change their own rights. Raises PolicyError."""
    if who.operator_id == operator_id:
        raise PolicyError("nobody changes their own account's rights")
