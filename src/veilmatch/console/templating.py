"""Pages from templates inside the package; everything is escaped, nothing unknown is empty."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from veilmatch.access.roles import Role
from veilmatch.clock import DAY_S, HOUR_S
from veilmatch.console.guard import CSRF_FIELD, Visit
from veilmatch.errors import InternalError

STATIC = "/review/static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_MINUTE_S = 60


@dataclass(frozen=True)
class StaticFile:
    """A file that the console serves: its bytes, its type, the start of its SHA-256."""

    data: bytes
    media_type: str
    version: str


@dataclass(frozen=True)
class Link:
    """One entry of the bar."""

    name: str
    address: str
    is_current: bool


_LINKS: tuple[tuple[str, str, frozenset[Role]], ...] = (
    ("Queue", "/review/queue", frozenset({Role.REVIEWER, Role.LEAD})),
    ("Appeals", "/review/appeals", frozenset({Role.LEAD})),
    ("Reports", "/review/reports", frozenset({Role.REPORTER, Role.LEAD, Role.AUDITOR})),
    ("Figures", "/review/figures", frozenset({Role.REVIEWER, Role.LEAD, Role.AUDITOR})),
    ("Deliveries", "/review/deliveries", frozenset({Role.ADMIN, Role.OPERATOR, Role.AUDITOR})),
    ("Preferences", "/review/preferences", frozenset({Role.REVIEWER, Role.LEAD})),
)
# A case belongs to the queue, though its address does not say so.
_BELOW = {name: place + "/" for name, place, _ in _LINKS} | {"Queue": "/review/cases/"}


@functools.cache
def static_files() -> dict[str, StaticFile]:
    """Read the files that may be served, once."""
    found = {}
    for one in (resources.files("veilmatch.console") / "static").iterdir():
        kind = _TYPES.get("." + one.name.rpartition(".")[2])
        if kind is not None:
            data = one.read_bytes()
            found[one.name] = StaticFile(data, kind, hashlib.sha256(data).hexdigest()[:12])
    return found


def static_address(name: str) -> str:
    """Return a file's address; it changes with the file, so browsers may keep it."""
    try:
        return f"{STATIC}/{name}?v={static_files()[name].version}"
    except KeyError as exc:
        raise InternalError("a template names a file that is not there") from exc


def format_time(at: int | None) -> str:
    """Write a time (seconds since 1970) for people, in UTC."""
    return "–" if at is None else time.strftime("%d %b %Y, %H:%M UTC", time.gmtime(at))


def format_day(day: int | None) -> str:
    """Write a day (days since 1970) for people."""
    return "–" if day is None else time.strftime("%d %b %Y", time.gmtime(day * DAY_S))


def format_span(seconds: float | None) -> str:
    """Write a span of time for people, to its two largest neighbouring units."""
    if seconds is None:
        return "–"
    left, units = (
        max(0, int(seconds)),
        (("d", DAY_S), ("h", HOUR_S), ("min", _MINUTE_S), ("s", 1)),
    )
    counts: list[tuple[int, str]] = []
    for name, size in units:
        count, left = divmod(left, size)
        if counts or count or name == "s":
            counts.append((count, name))
    shown = [f"{count} {name}" for k, (count, name) in enumerate(counts[:2]) if count or not k]
    return " ".join(shown)


def format_share(share: float | None) -> str:
    """Write a share as a percentage."""
    return "–" if share is None else f"{100 * share:.0f} %"


def plural(count: int, one: str, many: str = "") -> str:
    """Write a number and its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


@functools.cache
def environment() -> Environment:
    """Make the environment of all templates."""
    made = Environment(
        loader=PackageLoader("veilmatch.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        time=format_time, day=format_day, span=format_span, share=format_share, plural=plural
    )
    made.globals.update(static=static_address)
    return made


def _links(visit: Visit) -> Iterable[Link]:
    if visit.principal is None:
        return ()
    roles, address = visit.principal.roles, visit.address
    return [
        Link(name, place, address == place or address.startswith((place + "/", _BELOW[name])))
        for name, place, allowed in _LINKS
        if roles & allowed
    ]


def show(visit: Visit, template: str, *, status: int = 200, **values: Any) -> Response:
    """Answer with a page, or a part of one.

    Args:
        visit: Who looks, with what.
        template: Name of the template's file.
        status: Of the answer.
        values: What the template shows.
    """
    person, services = visit.principal, visit.services
    hidden = Markup('<input type="hidden" name="{}" value="{}">').format(
        CSRF_FIELD, visit.form_token
    )
    shown = {
        "person": person,
        "links": _links(visit),
        "preferences": services.preferences_of(person),
        "budget": services.budget_of(person),
        "home": "/review" if person is not None else visit.address,
        "form_token": lambda: hidden,
        "is_part": visit.is_part,
        "now": services.clock(),
    } | values
    return HTMLResponse(environment().get_template(template).render(shown), status)
