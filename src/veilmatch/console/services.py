"""What the pages work with: the rooms below, opened once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from veilmatch.access.login.oidc import OidcLogins
from veilmatch.access.login.passkeys import Passkeys
from veilmatch.access.login.password import Logins
from veilmatch.access.login.sites import OidcSettings, PasskeySite
from veilmatch.access.roles import Principal, Role
from veilmatch.access.sessions import Sessions
from veilmatch.casework.after.actions import Actions
from veilmatch.casework.after.appeals import Appeals
from veilmatch.casework.after.reports import ReportPolicy, Reports
from veilmatch.casework.after.source import ReportSource
from veilmatch.casework.decisions import Decisions
from veilmatch.casework.history import Desk, hold_case
from veilmatch.casework.measures.figures import Measures
from veilmatch.casework.measures.preferences import PreferenceStore
from veilmatch.casework.queue import Queue, require_holder
from veilmatch.casework.viewing import FetchOriginal, Viewing, count_views
from veilmatch.console.forms.report_form import FormSource, ReporterProfile
from veilmatch.console.published import NumbersFolder
from veilmatch.errors import ConfigError, PolicyError
from veilmatch.reporting.outbox import Outbox
from veilmatch.review.case import Escalated
from veilmatch.review.decision import Decision
from veilmatch.review.settings import Preferences, ReviewPolicy
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database


@dataclass(frozen=True)
class ConsoleSettings:
    """Settings of the console.

    Args:
        is_secure: The console is reached over TLS: cookies say so, browsers are told so. False
            only where it listens on this machine alone.
        needs_step_up: Cases, decisions and reports ask for a passkey.
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
class Budget:
    """Looks within the window, and how many are allowed."""

    used: int
    limit: int


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
        actions: What the platform is told.
        source: Describes a confirmed case to the reporting body; None leaves it to a person.
        fetch: Gets originals from the platform; None where it offers none.
        numbers: Published numbers; None where there are none to show.
    """

    desk: Desk
    logins: Logins
    sessions: Sessions
    outbox: Outbox
    settings: ConsoleSettings
    passkeys: Passkeys | None = None
    oidc: OidcLogins | None = None
    actions: Actions = field(default_factory=Actions)
    source: ReportSource | None = None
    fetch: FetchOriginal | None = None
    numbers: NumbersFolder | None = None

    @property
    def clock(self) -> Callable[[], int]:
        """Seconds since 1970."""
        return self.desk.clock

    @property
    def queue(self) -> Queue:
        """What waits for whom."""
        return Queue(self.desk)

    @property
    def viewing(self) -> Viewing:
        """Cases and pictures for who holds them."""
        return Viewing(self.desk, self.fetch)

    @property
    def decisions(self) -> Decisions:
        """Takes decisions."""
        profile = self.settings.profile
        if profile is None and self.source is None:
            return Decisions(self.desk)
        return Decisions(self.desk, self.reports())

    @property
    def appeals(self) -> Appeals:
        """Takes and decides appeals."""
        return Appeals(self.desk, self.actions)

    def reports(self, source: ReportSource | None = None) -> Reports:
        """Make reports, described by a source or, without one, by the platform's.

        Raises:
            ConfigError: Nobody said who reports.
        """
        chosen = source or self.source
        if chosen is None:
            chosen = FormSource({}, self.require_profile(), ())
        return Reports(self.desk, self.outbox, chosen, self.actions, self.report_policy)

    @property
    def report_policy(self) -> ReportPolicy:
        """How reports are made."""
        settings = self.settings
        return ReportPolicy(body=settings.body, has_agreement=settings.has_agreement)

    def require_profile(self) -> ReporterProfile:
        """Return who reports. Raises ConfigError if nobody said."""
        if self.settings.profile is None:
            raise ConfigError(
                "this console does not know who reports",
                setting="profile",
                hint="the operator names a reporter's profile",
            )
        return self.settings.profile

    @property
    def preferences(self) -> PreferenceStore:
        """What people and the organisation chose."""
        return PreferenceStore(self.desk)

    @property
    def measures(self) -> Measures:
        """Figures of review."""
        return Measures(self.desk)

    def preferences_of(self, person: Principal | None) -> Preferences:
        """Return how pages look for a person; nobody's have no keys."""
        if person is None:
            return Preferences(has_keys=False)
        return self.preferences.effective(person)

    def budget_of(self, person: Principal | None) -> Budget | None:
        """Return what a person has looked at lately; None for who looks at no pictures."""
        if person is None or not person.roles & {Role.REVIEWER, Role.LEAD}:
            return None
        limit = self.desk.policy.exposure.budget
        return Budget(min(self.viewing.measure(person).used, limit), limit)

    def count_views(self, person: Principal, case_id: bytes) -> dict[int, int]:
        """Count this person's views of each picture of a case."""
        with self.desk.database.transaction() as connection:
            return count_views(connection, person, case_id)

    def read_disagreement(self, person: Principal, case_id: bytes) -> tuple[Decision, ...]:
        """Read the two decisions that a lead settles.

        Raises:
            ConfigError: There is no such case.
            PolicyError: This person does not hold it, or it is not a lead's to settle.
        """
        with self.desk.database.transaction() as connection:
            loaded = hold_case(connection, self.desk, case_id)
            require_holder(loaded, person, self.clock())
            if not isinstance(loaded.case, Escalated):
                raise PolicyError("decisions of others are shown to a lead who settles them")
            return loaded.decisions


def make_services(
    database: Database,
    crypter: Crypter,
    clock: Callable[[], int],
    report_files: Path,
    settings: ConsoleSettings,
    *,
    policy: ReviewPolicy | None = None,
    passkey_site: PasskeySite | None = None,
    oidc: OidcSettings | None = None,
    numbers: NumbersFolder | None = None,
) -> Services:
    """Open the rooms below over one store.

    Args:
        database: The store's database.
        crypter: Its column keys.
        clock: Gives seconds since 1970.
        report_files: Folder of the outbox's sealed files.
        settings: Of the console.
        policy: The organisation's policy of review.
        passkey_site: Which site passkeys are bound to.
        oidc: The organisation's issuer.
        numbers: Published numbers.
    """
    desk = Desk(database, crypter, clock, policy or ReviewPolicy())
    log = desk.log
    passkeys = issuer = None
    if passkey_site is not None:
        passkeys = Passkeys(database, crypter, clock, log, passkey_site)
    if oidc is not None:
        issuer = OidcLogins(database, crypter, clock, log, oidc)
    return Services(
        desk=desk,
        logins=Logins(database, crypter, clock, log),
        sessions=Sessions(database, clock),
        outbox=Outbox(database, crypter, report_files),
        settings=settings,
        passkeys=passkeys,
        oidc=issuer,
        numbers=numbers,
    )
