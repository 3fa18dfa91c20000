"""Put the console together: one Starlette application, to mount or to run apart.

``serve`` takes it in by a ``ConsoleRoute``; its addresses are ``/review``, ``/appeal`` and
``/numbers``. Every door is listed in ``DOORS``; a test goes through all of them with every role.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from veilmatch.console.guard import Door, Guard, Visit
from veilmatch.console.operations import deliveries
from veilmatch.console.screens import (
    appeals,
    case,
    entrance,
    figures,
    numbers,
    queue,
    reports,
    user,
)
from veilmatch.console.security import SecurityHeaders
from veilmatch.console.services import Services
from veilmatch.console.templating import show, static_files
from veilmatch.errors import (
    Error,
    InputError,
    PolicyError,
    ProtocolError,
    UnavailableError,
    VerificationError,
)

DOORS: list[Door] = [
    *entrance.DOORS,
    *queue.DOORS,
    *case.DOORS,
    *reports.DOORS,
    *appeals.DOORS,
    *figures.DOORS,
    *deliveries.DOORS,
    *user.DOORS,
    *numbers.DOORS,
]

# What a person reads: a status and a title by class; the first class that fits answers.
_BY_CLASS: tuple[tuple[type[Error], int, str], ...] = (
    (PolicyError, 403, "This is not open to you"),
    (InputError, 400, "This could not be taken"),
    (VerificationError, 409, "This is not ready yet"),
    (ProtocolError, 409, "Somebody was there before you"),
    (UnavailableError, 503, "This is not there just now"),
)
_BY_STATUS = {
    400: ("This could not be read", "The form was malformed."),
    404: ("There is nothing here", "The address is wrong, or what was here is gone."),
    405: ("This does not work that way", "The address takes another method."),
    413: ("This is too large", "The form holds more than the console takes."),
    415: ("This could not be read", "The form has another type than a form of ours."),
}
PREFIXES = ("/review", "/appeal", "/numbers")
PUBLIC_DOORS = list(numbers.DOORS)
"""What is shown where only the published numbers are wanted."""
PUBLIC_PREFIXES = ("/numbers", "/review/static")
_STATIC_AGE = "public, max-age=31536000, immutable"


def create_console(services: Services, doors: Sequence[Door] | None = None) -> Starlette:
    """Make the ASGI application.

    Args:
        services: What the pages work with; ``services.make_services`` makes them.
        doors: Which doors there are; all of them if not given.
    """
    guard = Guard(services)
    routes = [
        Route("/review/static/{name}", _static, methods=["GET"]),
        *guard.routes(list(DOORS if doors is None else doors)),
    ]
    handlers = _Handlers(services)
    app = Starlette(
        routes=routes,
        middleware=[Middleware(SecurityHeaders, is_secure=services.settings.is_secure)],
        exception_handlers={
            HTTPException: handlers.http,
            Error: handlers.error,
            Exception: handlers.error,
        },
    )
    app.router.redirect_slashes = False
    return app


class ConsoleRoute(BaseRoute):
    """The console inside another application: its own addresses, its own headers and refusals.

    Args:
        app: From ``create_console``.
        prefixes: The addresses that are its own, with what lies below them.
    """

    def __init__(self, app: Starlette, prefixes: Sequence[str] = PREFIXES) -> None:
        self.app, self._prefixes = app, tuple(prefixes)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the console's own addresses and what lies below them."""
        if scope["type"] == "http":
            path = scope["path"]
            if any(path == one or path.startswith(f"{one}/") for one in self._prefixes):
                return Match.FULL, {}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await self.app(scope, receive, send)


async def _static(request: Request) -> Response:
    found = static_files().get(request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    headers = {"Cache-Control": _STATIC_AGE}
    return Response(found.data, media_type=found.media_type, headers=headers)


class _Handlers:
    """Pages for refusals. They say what our error says, which is never private."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def error(self, request: Request, exc: Exception) -> Response:
        for kind, status, title in _BY_CLASS:
            if isinstance(exc, kind):
                return self._page(request, status, title, _sentence(str(exc)), exc.hint)
        return self._page(
            request, 500, "This went wrong", "It is a fault of the program, not yours.", ""
        )

    async def http(self, request: Request, exc: Exception) -> Response:
        status = exc.status_code if isinstance(exc, HTTPException) else 500
        title, message = _BY_STATUS.get(status, ("This went wrong", "Try again."))
        response = self._page(request, status, title, message, "")
        if isinstance(exc, HTTPException):
            response.headers.update(exc.headers or {})
        return response

    def _page(self, request: Request, status: int, title: str, text: str, hint: str) -> Response:
        visit = Visit(
            services=self._services,
            path={},
            query={},
            form={},
            lists={},
            principal=None,  # a refusal shows nothing that depends on who was refused
            session="",
            form_token="",
            is_part=False,
            address=request.url.path,
        )
        values = {"title": title, "message": text, "hint": _sentence(hint)}
        return show(visit, "error.html", status=status, **values)


def _sentence(text: str) -> str:
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
