"""What every answer of the console carries: headers, cookies, the tokens of forms."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Literal

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from veilmatch.clock import HOUR_S

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",  # htmx asks this server for parts of a page
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), display-capture=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
_TRANSPORT = "max-age=31536000"

SESSION, FORM, ISSUER = "veilmatch-session", "veilmatch-form", "veilmatch-issuer"
_TOKEN_LEN = 32
_FORM_PURPOSE = b"veilmatch console form v1"
_SESSION_S = 12 * HOUR_S


class SecurityHeaders:
    """ASGI middleware: sets the headers on every answer, errors included.

    Args:
        app: What answers.
        is_secure: Whether the console is reached over TLS.
    """

    def __init__(self, app: ASGIApp, *, is_secure: bool) -> None:
        self._app, self._is_secure = app, is_secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                if self._is_secure:
                    headers["Strict-Transport-Security"] = _TRANSPORT
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _cookie_name(name: str, *, is_secure: bool) -> str:
    return f"__Host-{name}" if is_secure else name


def read_cookie(request: Request, name: str, *, is_secure: bool) -> str:
    """Read one of our cookies; empty if it is not there."""
    value: str = request.cookies.get(_cookie_name(name, is_secure=is_secure), "")
    return value if len(value) <= 512 else ""


def set_cookie(
    response: Response,
    name: str,
    value: str,
    *,
    is_secure: bool,
    same_site: Literal["strict", "lax"] = "strict",
) -> None:
    """Set a cookie that no script reads and no other site sends; empty removes it.

    Only what an issuer's answer is matched with is ``lax``: it comes from another site.
    """
    response.set_cookie(
        _cookie_name(name, is_secure=is_secure),
        value,
        max_age=_SESSION_S if value else 0,
        path="/",
        secure=is_secure,
        httponly=True,
        samesite=same_site,
    )


def new_form_secret() -> str:
    """Make what the forms of a visitor without a session are bound to."""
    return secrets.token_urlsafe(_TOKEN_LEN)


def derive_form_token(secret: str) -> str:
    """Derive the token that each form carries from the session's, or visitor's, secret.

    A page of another site can make a browser send a form, but cannot read the token.
    """
    return hmac.new(secret.encode(), _FORM_PURPOSE, hashlib.sha256).hexdigest()


def is_form_token(secret: str, token: str) -> bool:
    """Tell in constant time whether a form's token belongs to this visitor."""
    expected = derive_form_token(secret)
    return bool(secret) and hmac.compare_digest(expected.encode(), token.encode())


def is_same_site(request: Request) -> bool:
    """Tell whether a browser says that a form came from a page of ours.

    A client that sends neither header is no browser; the form's token then stands alone.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    return origin.partition("://")[2] == request.headers.get("host", "")
