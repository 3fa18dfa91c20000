"""The console over a temporary store: people with roles, cases of painted pictures, a clock."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pyotp
from starlette.applications import Starlette

from tests.unit.casework.house import SOURCES, opened
from veilmatch.access.login.password import Logins
from veilmatch.access.operators import NewOperator, Operators
from veilmatch.access.roles import Principal, Role
from veilmatch.access.sessions import Sessions
from veilmatch.casework.case_store import CaseStore, CaseSummary
from veilmatch.casework.history import Desk
from veilmatch.console.app import create_console
from veilmatch.console.forms.report_form import ReporterProfile
from veilmatch.console.security import SESSION, derive_form_token
from veilmatch.console.services import ConsoleSettings, Services
from veilmatch.opening.case import Opening
from veilmatch.opening.unseal import OpenedItem
from veilmatch.reporting.outbox import Outbox
from veilmatch.review.exposure import ExposurePolicy
from veilmatch.review.settings import ReviewPolicy
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database

PASSWORD = "a long made-up password"
ACCOUNT = b"made-up-account!"
PROFILE = ReporterProfile(
    platform="Example Photos",
    url="https://photos.example",
    first_name="Trust",
    last_name="Desk",
    email="desk@photos.example",
    phone="+1 555 0100",
    legal_url="https://photos.example/legal",
)
ROLES: dict[str, frozenset[Role]] = {
    "ada": frozenset({Role.REVIEWER}),
    "ben": frozenset({Role.REVIEWER}),
    "cleo": frozenset({Role.LEAD}),
    "dora": frozenset({Role.LEAD}),
    "rita": frozenset({Role.REPORTER}),
    "adam": frozenset({Role.ADMIN}),
    "olga": frozenset({Role.OPERATOR}),
    "abel": frozenset({Role.AUDITOR}),
}


@dataclass
class Clock:
    """The time of this machine, moved."""

    ahead: int = 0

    def __call__(self) -> int:
        return int(time.time()) + self.ahead


@dataclass
class World:
    """A console with everything around it."""

    folder: Path
    policy: ReviewPolicy = field(default_factory=ReviewPolicy)
    settings: ConsoleSettings = field(
        default_factory=lambda: ConsoleSettings(is_secure=False, profile=PROFILE)
    )
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.database = Database(self.folder / "store.sqlite")
        self.crypter = Crypter([SecretBytes(b"c" * 32)])
        self.desk = Desk(self.database, self.crypter, self.clock, self.policy)
        self.sessions = Sessions(self.database, self.clock)
        self.services = Services(
            desk=self.desk,
            logins=Logins(self.database, self.crypter, self.clock, self.desk.log),
            sessions=self.sessions,
            outbox=Outbox(self.database, self.crypter, self.folder / "report-files"),
            settings=self.settings,
        )
        self.app = create_console(self.services)
        self.ids: dict[str, bytes] = {}
        self.totp: dict[str, pyotp.TOTP] = {}

    def close(self) -> None:
        self.database.close()

    def add_person(self, name: str, *, has_password: bool = False) -> bytes:
        """Make an account; with a password and an authenticator where a test logs in by them."""
        operators = Operators(self.database, self.crypter, self.clock)
        secret = PASSWORD if has_password else ""  # hashing one takes long, on purpose
        new = NewOperator(name, ROLES[name], secret, issuer="https://id.example", subject=name)
        with self.database.transaction() as connection:
            self.ids[name] = operators.add(connection, new)
            address = operators.make_totp(connection, self.ids[name])
        parsed = pyotp.parse_uri(address)
        assert isinstance(parsed, pyotp.TOTP)
        self.totp[name] = parsed
        return self.ids[name]

    def principal(self, name: str) -> Principal:
        if name not in self.ids:
            self.add_person(name)
        return Principal(self.ids[name], name, ROLES[name], None)

    def open_case(self, *items: OpenedItem, account: bytes = ACCOUNT) -> bytes:
        """Open a case; by default six pictures in three groups."""
        listed = items or (
            *(opened(10 + k, 1, quality=85 - 8 * k) for k in range(4)),
            opened(20, 2),
            opened(30, 3),
        )
        store = CaseStore(self.database, self.crypter)
        before = {one.case_id for one in store.list_cases()}
        store.save_opening(
            account,
            Opening(tuple(listed), 0, 0),
            self.clock() - 3 * 3600,
            [True] * len(listed),
            distances=[4 + 2 * k for k in range(len(listed))],
            sources=SOURCES,
        )
        (case_id,) = {one.case_id for one in store.list_cases()} - before
        return case_id

    def list_cases(self) -> list[CaseSummary]:
        return CaseStore(self.database, self.crypter).list_cases()

    def visitor(self) -> Person:
        """Somebody who is not logged in."""
        return Person(self, Browser(self.app), "")

    def person(self, name: str) -> Person:
        """Somebody who is logged in, by a session made straight in the store."""
        self.principal(name)
        session = self.sessions.open(self.ids[name])
        client = Browser(self.app, {SESSION: session})
        return Person(self, client, session)


class Browser:
    """Cookies and requests, straight to the application; follows nothing."""

    def __init__(self, app: Starlette, cookies: dict[str, str] | None = None) -> None:
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://testserver",
            cookies=cookies,
        )

    @property
    def cookies(self) -> httpx.Cookies:
        return self._http.cookies

    def get(self, address: str, **headers: str) -> httpx.Response:
        return asyncio.run(self._http.get(address, headers=headers))

    def post(
        self,
        address: str,
        data: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        return asyncio.run(self._http.post(address, data=data, headers=headers, content=content))


@dataclass
class Person:
    """Somebody with a browser that runs no script."""

    world: World
    client: Browser
    session: str

    def get(self, address: str) -> tuple[int, str]:
        answer = self.client.get(address)
        return answer.status_code, answer.text

    def send(self, address: str, **form: str) -> tuple[int, str]:
        """Send a form as a page of ours would."""
        token = derive_form_token(self.session or self.client.cookies.get("veilmatch-form") or "")
        answer = self.client.post(address, data={"form_token": token, **form})
        return answer.status_code, answer.text

    def where(self, address: str, **form: str) -> str:
        """Send a form and say where it leads."""
        token = derive_form_token(self.session or self.client.cookies.get("veilmatch-form") or "")
        answer = self.client.post(address, data={"form_token": token, **form})
        assert answer.status_code == 303, answer.text
        location: str = answer.headers["location"]
        return location

    def claim(self, case_id: bytes) -> str:
        """Claim a case. Returns its page's address."""
        address = f"/review/cases/{case_id.hex()}"
        assert self.where(f"{address}/claim") == address
        return address

    def reveal(self, address: str, group: int, position: int = 0) -> str:
        """Take one step for a group. Returns the address of the picture."""
        status, page = self.send(f"{address}/groups/{group}/reveal", position=str(position))
        assert status == 200, page
        found: list[str] = re.findall(r'src="([^"]+\?ticket=[^"]+)"', page)
        assert len(found) == 1
        return found[0]

    def look(self, address: str, group: int) -> bytes:
        """Take the first step and fetch the picture."""
        answer = self.client.get(self.reveal(address, group))
        assert answer.status_code == 200
        return answer.content

    def groups(self, address: str) -> list[int]:
        """The groups on a case's page."""
        status, page = self.get(address)
        assert status == 200, page
        return [int(number) for number in re.findall(r'id="group-(\d+)"', page)]

    def decide(self, case_id: bytes, decision: str = "confirm:shows_abuse", note: str = "") -> str:
        """Claim a case, look at every group, decide. Returns where that leads."""
        address = self.claim(case_id)
        groups = self.groups(address)
        for group in groups:
            self.look(address, group)
        value = "abuse" if decision.startswith("confirm") else "other"
        marks = {f"mark-{group}": value for group in groups}
        return self.where(f"{address}/decide", decision=decision, note=note, **marks)


def small_budget(**numbers: int) -> ReviewPolicy:
    """A policy under which limits come soon."""
    return replace(ReviewPolicy(), exposure=ExposurePolicy(**numbers))
