"""Errors on the wire: problem+json (RFC 9457), one fixed answer per class of error.

The text never depends on what was sent beyond the class, and says nothing private.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from veilmatch.errors import (
    EpochError,
    Error,
    InputError,
    LimitError,
    PolicyError,
    SignatureError,
    UnavailableError,
)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
QUOTA_TEXT = "over the day's quota"


@dataclass(frozen=True)
class Problem:
    """One kind of refusal."""

    status: int
    slug: str
    title: str
    detail: str


MALFORMED = Problem(400, "malformed", "Malformed request", "The body is not a valid batch.")
SIGNATURE = Problem(401, "signature", "Not verified", "A signature does not verify.")
PLATFORM = Problem(401, "platform", "Not known", "Only a known platform may do this.")
POLICY = Problem(403, "policy", "Not allowed", "This account or device may not do this.")
NOT_FOUND = Problem(404, "not-found", "Not found", "There is nothing at this address.")
METHOD = Problem(405, "method", "Method not allowed", "This address takes another method.")
TIMEOUT = Problem(408, "timeout", "Too slow", "The body did not arrive in time.")
RELEASE = Problem(409, "release", "Unknown release", "Fetch the current release and try again.")
LENGTH = Problem(411, "length-required", "Length required", "Send a Content-Length header.")
TOO_LARGE = Problem(413, "too-large", "Too large", "Send fewer vouchers in one batch.")
RANGE = Problem(416, "range", "No such range", "The file has no such part.")
BUSY = Problem(429, "busy", "Busy", "Wait as long as Retry-After says, then try again.")
INTERNAL = Problem(500, "internal", "Internal error", "This is a fault of the service.")
UNAVAILABLE = Problem(503, "unavailable", "Unavailable", "Nothing was stored; try again later.")

ALL = (
    MALFORMED,
    SIGNATURE,
    PLATFORM,
    POLICY,
    NOT_FOUND,
    METHOD,
    TIMEOUT,
    RELEASE,
    LENGTH,
    TOO_LARGE,
    RANGE,
    BUSY,
    INTERNAL,
    UNAVAILABLE,
)

# The first class that fits answers.
_BY_CLASS: tuple[tuple[type[Error], Problem], ...] = (
    (SignatureError, SIGNATURE),
    (LimitError, BUSY),
    (PolicyError, POLICY),
    (EpochError, RELEASE),
    (InputError, MALFORMED),
    (UnavailableError, UNAVAILABLE),
)
_BY_STATUS = {problem.status: problem for problem in reversed(ALL)}


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Make the response of a problem, with its own headers and those given."""
    more = dict(headers or {})
    if problem.status in (429, 503):
        more.setdefault("Retry-After", str(RETRY_AFTER_S))
    if problem is PLATFORM:
        more["WWW-Authenticate"] = "Bearer"
    if problem is TIMEOUT:
        more["Connection"] = "close"
    body = {
        "type": f"urn:veilmatch:problem:{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    return JSONResponse(body, problem.status, more, media_type=MEDIA_TYPE)


def busy(wait_s: int) -> Response:
    """Say that it is too much for now, and in how many seconds to try again."""
    return answer(BUSY, {"Retry-After": str(wait_s)})


def problem_of(error: Error) -> Problem:
    """Return the fixed answer for an error."""
    for kind, problem in _BY_CLASS:
        if isinstance(error, kind):
            return problem
    return INTERNAL


async def handle_error(_request: Request, exc: Exception) -> Response:
    """Answer one of our errors."""
    if isinstance(exc, LimitError):
        return busy(exc.retry_after_s)
    return answer(problem_of(exc) if isinstance(exc, Error) else INTERNAL)


async def handle_http(_request: Request, exc: Exception) -> Response:
    """Answer what routing refused."""
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    allow = (exc.headers or {}).get("Allow", "") if isinstance(exc, HTTPException) else ""
    headers = {"Allow": ", ".join(sorted(allow.split(", ")))} if allow else {}
    return answer(_BY_STATUS.get(status, INTERNAL), headers)
