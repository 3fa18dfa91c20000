"""Put the interface together: routes, fixed refusals, a valid OpenAPI document."""

from __future__ import annotations

import functools
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from veilmatch.admin import hosts, passkeys, people, upkeep
from veilmatch.admin.guard import AdminParts
from veilmatch.admin.models import Problem
from veilmatch.errors import (
    Error,
    InputError,
    LimitError,
    PolicyError,
    SessionError,
    StepUpError,
    UnavailableError,
)

MEDIA_TYPE = "application/problem+json"
PREFIX = "/admin/v1"
MAX_BODY_LEN = 64 << 10
_RETRY_AFTER_S = 2
_TITLES = {
    400: ("malformed", "Malformed request", "The request is not as the interface says."),
    401: ("session", "Not logged in", "Log in and send the session's token."),
    403: ("policy", "Not allowed", "This role may not do that."),
    404: ("not-found", "Not found", "There is nothing at this address."),
    405: ("method", "Method not allowed", "This address takes another method."),
    413: ("too-large", "Too large", "The body is too long."),
    422: ("unfit", "Unfit", "A value is unknown, taken or out of its range."),
    429: ("busy", "Busy", "Wait as long as Retry-After says, then try again."),
    500: ("internal", "Internal error", "This is a fault of the service."),
    503: ("unavailable", "Unavailable", "Nothing was stored; try again later."),
}
_STEP_UP = ("step-up", "Passkey needed", "Confirm with your passkey, then send this again.")
_DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": _TITLES[status][1]}
    for status in (400, 401, 403, 404, 413, 422, 429, 503)
}
_DOCUMENTED[403]["description"] = (
    "Not allowed (`policy`), or a passkey is needed first (`step-up`): every change asks for one "
    "that this session saw within five minutes, where the service is set up so."
)
_BY_CLASS: tuple[tuple[type[Error], int], ...] = (
    (SessionError, 401),
    (LimitError, 429),
    (PolicyError, 403),
    (InputError, 422),
    (UnavailableError, 503),
)


def _answer(
    status: int,
    headers: dict[str, str] | None = None,
    words: tuple[str, str, str] | None = None,
) -> Response:
    known = status if status in _TITLES else 500
    slug, title, detail = words or _TITLES[known]
    more = dict(headers or {})
    if known in (429, 503):
        more.setdefault("Retry-After", str(_RETRY_AFTER_S))
    if known == 401:
        more["WWW-Authenticate"] = "Bearer"
    body = {
        "type": f"urn:veilmatch:problem:{slug}",
        "title": title,
        "status": known,
        "detail": detail,
    }
    return JSONResponse(body, known, more, media_type=MEDIA_TYPE)


async def _handle_error(_request: Request, exc: Exception) -> Response:
    if isinstance(exc, LimitError):
        return _answer(429, {"Retry-After": str(exc.retry_after_s)})
    if isinstance(exc, StepUpError):
        return _answer(403, words=_STEP_UP)
    for kind, status in _BY_CLASS:
        if isinstance(exc, kind):
            return _answer(status)
    return _answer(500)


async def _handle_invalid(_request: Request, exc: Exception) -> Response:
    # What was sent is not repeated: it may be a password.
    errors = exc.errors() if isinstance(exc, RequestValidationError) else []
    return _answer(400 if any(one["type"] == "json_invalid" for one in errors) else 422)


async def _handle_http(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, HTTPException):
        return _answer(500)
    allow = (exc.headers or {}).get("Allow", "")
    return _answer(exc.status_code, {"Allow": allow} if allow else None)


class _BoundedBody:
    """Refuses a long body before it is read."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            length = headers.get(b"content-length", b"0")
            is_long = not length.isdigit() or len(length) > 9 or int(length) > MAX_BODY_LEN
            if is_long or b"transfer-encoding" in headers:
                await _answer(413)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _describe(app: FastAPI) -> dict[str, Any]:
    """Build the OpenAPI document: refusals are problem+json, which FastAPI does not know."""
    document = get_openapi(
        title=app.title, version=app.version, routes=app.routes, servers=app.servers
    )
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    answer["content"] = {MEDIA_TYPE: answer["content"]["application/json"]}
    return document


def create_admin(parts: AdminParts) -> FastAPI:
    """Make the application; the service mounts it at ``/admin/v1``."""
    app = FastAPI(
        title="Veilmatch administration",
        version="1",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
        exception_handlers={
            Error: _handle_error,
            RequestValidationError: _handle_invalid,
            HTTPException: _handle_http,
            Exception: _handle_error,
        },
        redirect_slashes=False,
    )
    app.state.parts = parts
    app.openapi = functools.cache(functools.partial(_describe, app))  # type: ignore[method-assign]
    app.add_middleware(_BoundedBody)
    for part in (people, passkeys, hosts, upkeep):
        app.include_router(part.router, responses=_DOCUMENTED)
    return app
