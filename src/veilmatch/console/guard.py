"""Who may pass which door. Every page and form of the console is a ``Door``; there is no other way.

In order, for every request:

1. a form is small, comes from a page of ours, and carries its visitor's token;
2. without a session, only open doors; every other one leads to the login page;
3. the door's roles; 4. where the door and the settings ask for it, a passkey not long ago.

A door that names no role and is not open cannot be made. What a person may do to a *case*
(claim, see, decide, not twice) is decided in ``casework``, below every page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from veilmatch.access.roles import Principal, Role, require_role, require_step_up
from veilmatch.console.security import (
    FORM,
    ISSUER,
    SESSION,
    derive_form_token,
    is_form_token,
    is_same_site,
    new_form_secret,
    read_cookie,
    set_cookie,
)
from veilmatch.console.services import Services
from veilmatch.errors import InputError, InternalError, PolicyError

LOGIN, STEP_UP = "/review/login", "/review/step-up"
CSRF_FIELD = "form_token"
MAX_FORM_LEN, MAX_FIELDS = 64 * 1024, 400


@dataclass
class Visit:
    """One request, checked: who comes, with what.

    Attributes:
        services: What the pages work with.
        path: Values from the address.
        query: Values after the question mark.
        form: Values of the form; the last one of a name.
        lists: All values of each name.
        principal: Who is logged in; None only behind open doors.
        session: The session's token; empty behind open doors.
        form_token: What the forms of the answer carry.
        is_part: Whether htmx asks for a part of the page.
        address: The page's own address.
        client: Where the visitor comes from; for limits on attempts.
        issuer_step: What was begun at an issuer, from its cookie.
        form_secret: What ``form_token`` was derived from.
    """

    services: Services
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    lists: Mapping[str, list[str]]
    principal: Principal | None
    session: str
    form_token: str
    is_part: bool
    address: str
    client: str = ""
    issuer_step: str = field(default="", repr=False)
    form_secret: str = field(default="", repr=False)

    def __repr__(self) -> str:
        return f"Visit({self.address})"  # a form may hold a password

    @property
    def person(self) -> Principal:
        """Who is logged in. Raises InternalError behind an open door."""
        if self.principal is None:
            raise InternalError("an open door asked who is logged in")
        return self.principal

    def text(self, name: str, max_len: int = 4000) -> str:
        """Return a form's value without blanks around it; empty if it is not there."""
        value = self.form.get(name, "").strip().replace("\r\n", "\n")
        if len(value) > max_len:
            raise InputError(
                f"a text is longer than {max_len} characters", hint="make it shorter, then send it"
            )
        return value


Handler = Callable[[Visit], Response]


@dataclass(frozen=True)
class Door:
    """One address and method of the console.

    Attributes:
        method: GET or POST.
        path: Starlette's form of the address.
        handler: Makes the answer.
        roles: Any of these may pass.
        step_up_s: A passkey was used within so many seconds; 0 asks for none.
        back: Where a form leads after its passkey: the page it stands on.
        is_open: Nobody needs to be logged in.
    """

    method: str
    path: str
    handler: Handler
    roles: frozenset[Role] = frozenset()
    step_up_s: int = 0
    back: str = "/review"
    is_open: bool = False

    def __post_init__(self) -> None:
        if bool(self.roles) == self.is_open:
            raise InternalError("a door of the console is either open or names its roles")


async def read_form(request: Request) -> list[tuple[str, str]]:
    """Read a form's fields, in order, within bounds. Raises HTTPException."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_LEN:
            raise HTTPException(413)
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError as exc:
        raise HTTPException(400) from exc


def redirect(address: str, *, is_part: bool = False) -> Response:
    """Send the browser elsewhere, by GET; htmx is told in its own way."""
    if is_part:
        return Response(status_code=204, headers={"HX-Redirect": address})
    return RedirectResponse(address, 303)


class Guard:
    """Turns doors into routes.

    Args:
        services: What the pages work with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self, doors: list[Door]) -> list[Route]:
        """Make the routes, one for each address, whatever its methods."""
        by_path: dict[str, dict[str, Door]] = {}
        for door in doors:
            methods = by_path.setdefault(door.path, {})
            if door.method in methods:
                raise InternalError("two doors of the console have one address and method")
            methods[door.method] = door
        return [
            Route(path, self._endpoint(methods), methods=sorted(methods))
            for path, methods in by_path.items()
        ]

    def _endpoint(self, methods: Mapping[str, Door]) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            door = methods.get(method)
            if door is None:
                raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})
            fields = await read_form(request) if method == "POST" else []
            return await run_in_threadpool(self._pass, door, request, fields)

        return answer

    def _pass(self, door: Door, request: Request, fields: list[tuple[str, str]]) -> Response:
        secure = self._services.settings.is_secure
        session = read_cookie(request, SESSION, is_secure=secure)
        visitor = read_cookie(request, FORM, is_secure=secure)
        principal = self._verify(session)
        secret = session if principal is not None else visitor
        if door.method == "POST":
            sent = dict(fields).get(CSRF_FIELD, "")
            if not is_same_site(request) or not is_form_token(secret, sent):
                raise PolicyError(
                    "this form is stale or did not come from this page",
                    hint="load the page again, then send the form once more",
                )
        is_part = request.headers.get("hx-request") == "true"
        if principal is None and not door.is_open:
            back = request.url.path if door.method == "GET" and not is_part else "/review"
            return redirect(f"{LOGIN}?next={quote(back)}", is_part=is_part)
        if principal is not None and not door.is_open:
            require_role(principal, *door.roles)
            if door.step_up_s and self._services.settings.needs_step_up:
                try:
                    require_step_up(principal, self._services.clock(), door.step_up_s)
                except PolicyError:
                    page = door.back.format_map(request.path_params)
                    back = request.url.path if door.method == "GET" else page
                    return redirect(f"{STEP_UP}?next={quote(back)}", is_part=is_part)
        fresh = "" if secret else new_form_secret()
        lists: dict[str, list[str]] = {}
        for name, value in fields:
            lists.setdefault(name, []).append(value)
        visit = Visit(
            services=self._services,
            path=request.path_params,
            query=request.query_params,
            form=dict(fields),
            lists=lists,
            principal=principal,
            session=session if principal is not None else "",
            form_token=derive_form_token(secret or fresh),
            is_part=is_part,
            address=request.url.path,
            client=request.client.host if request.client else "",
            issuer_step=read_cookie(request, ISSUER, is_secure=secure),
            form_secret=secret or fresh,
        )
        response = door.handler(visit)
        if fresh:
            set_cookie(response, FORM, fresh, is_secure=secure)
        return response

    def _verify(self, session: str) -> Principal | None:
        if not session:
            return None
        try:
            return self._services.sessions.verify(session)
        except PolicyError:
            return None
