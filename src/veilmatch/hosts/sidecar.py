"""``veilmatch client sidecar``: a small HTTP server beside a host's own, on loopback.

    POST   /scan    the picture as the body; Veilmatch-User: the host's own id of the user;
                    Veilmatch-Asset, if it is to be deleted one day: its own id of the picture
    DELETE /scan    the same headers, no body
    GET    /status  counts
    GET    /healthz

``POST`` answers ``{"stored": true}`` once the voucher is durable here; it is sent
soon after. The answer says nothing of a match: this machine does not know. A picture that
cannot be hashed is refused by name, 422, and never passes as stored.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from veilmatch.client.session import ClientOptions
from veilmatch.errors import (
    ConfigError,
    DuplicateError,
    Error,
    ExpiredError,
    InputError,
    UnavailableError,
)
from veilmatch.hosts.accounts import HostAccounts
from veilmatch.hosts.users import MAX_NAME_LEN
from veilmatch.hosts.watch import refresh
from veilmatch.secret import SecretBytes
from veilmatch.wire import is_loopback

USER_HEADER, ASSET_HEADER = "veilmatch-user", "veilmatch-asset"
MEDIA_TYPE = "application/problem+json"
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class SidecarSettings:
    """How the sidecar runs.

    Attributes:
        data: The host's folder.
        token: Callers must show it as a bearer token; None only on loopback.
        max_picture_len: Largest picture, bytes.
        max_waiting: Pictures that may wait at once; more are answered 429.
        send_every_s: Seconds between two rounds of sending.
        update_every_s: Seconds between two looks for a newer release.
    """

    data: Path
    token: SecretBytes | None = None
    max_picture_len: int = 64 << 20
    max_waiting: int = 32
    send_every_s: float = 2.0
    update_every_s: float = 3600.0


def _problem(status: int, slug: str, detail: str, *, retry_s: int = 0) -> Response:
    """Make an answer that is not a success."""
    headers = {"Retry-After": str(retry_s)} if retry_s else {}
    body = {
        "type": f"urn:veilmatch:problem:{slug}",
        "title": slug.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
    }
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def _answer_to(error: Error) -> Response:
    if isinstance(error, DuplicateError):
        return _problem(409, "asset-taken", "The asset id was used for another picture.")
    if isinstance(error, ExpiredError | ConfigError):
        return _problem(
            503, "no-release", "No release may be used now; nothing was stored.", retry_s=60
        )
    if isinstance(error, UnavailableError):
        return _problem(503, "unavailable", "Nothing was stored; try again.", retry_s=5)
    if isinstance(error, InputError):
        return _problem(400, "malformed", "A header is missing or malformed.")
    return _problem(500, "internal", "This is a fault of the sidecar.")


class Sidecar:
    """The application's state: one thread that owns the clients, and the rounds of sending."""

    def __init__(self, settings: SidecarSettings, options: ClientOptions) -> None:
        self._settings, self._options = settings, options
        # Clients live in one thread; hashing inside uses as many cores as it is given.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clients")
        self._accounts: HostAccounts | None = None
        self._waiting = 0
        self._counts = {"stored": 0, "refused": 0, "deleted": 0, "sent": 0}
        self._notice, self._fault = "", ""

    async def _do(self, work: Callable[[HostAccounts], _Result]) -> _Result:
        def run() -> _Result:
            if self._accounts is None:
                self._accounts = HostAccounts(self._settings.data, self._options)
            return work(self._accounts)

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    async def start(self) -> None:
        """Open the accounts and look for a release. Raises ConfigError, StoreError."""
        self._notice = await self._do(refresh)

    async def stop(self) -> None:
        """Send what waits, if that is possible, and close."""
        await self._send()
        if self._accounts is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._accounts.close)
        self._thread.shutdown()

    async def run(self) -> None:
        """Send every few seconds, look for a release every hour; never ends by itself."""
        since_update = 0.0
        while True:
            await asyncio.sleep(self._settings.send_every_s)
            await self._send()
            since_update += self._settings.send_every_s
            if since_update >= self._settings.update_every_s or self._notice:
                self._notice, since_update = await self._do(refresh), 0.0

    async def _send(self) -> None:
        try:
            sent = await self._do(lambda accounts: accounts.send_pending())
        except UnavailableError:
            return  # everything is kept; the next round tries again
        except Error as exc:  # told in the status; the rounds must not end
            self._fault = f"sending failed: {type(exc).__name__}"
            return
        self._fault = ""
        self._counts["sent"] += sent.sent

    # -- endpoints ----------------------------------------------------------------------

    async def scan(self, request: Request) -> Response:
        """``POST /scan`` and ``DELETE /scan``."""
        if not self._has_token(request):
            return _no_token()
        user = request.headers.get(USER_HEADER, "")
        asset = _asset_of(request)
        if request.method == "DELETE":
            if asset is None:
                raise InputError("no asset is named")
            await self._do(lambda accounts: accounts.delete_picture(user, asset))
            self._counts["deleted"] += 1
            return Response(status_code=204)
        length = request.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return _problem(411, "length-required", "Send a Content-Length header.")
        if int(length[:18]) > self._settings.max_picture_len:
            return _problem(413, "too-large", "The picture is larger than is allowed.")
        if self._waiting >= self._settings.max_waiting:
            return _problem(429, "busy", "Too many pictures wait; try again.", retry_s=1)
        self._waiting += 1
        try:
            data = await request.body()
            return await self._add(user, data, asset)
        finally:
            self._waiting -= 1

    async def _add(self, user: str, data: bytes, asset: str | None) -> Response:
        report = await self._do(lambda accounts: accounts.add_picture(user, data, asset))
        if report.refused:
            self._counts["refused"] += 1
            reason = next(iter(report.refused))
            return _problem(
                422, "not-hashed", f"The picture was not hashed, so nobody checked it: {reason}."
            )
        self._counts["stored"] += 1
        return JSONResponse({"stored": True})

    async def status(self, request: Request) -> Response:
        """``GET /status``: counts since the start, and what waits."""
        if not self._has_token(request):
            return _no_token()
        users, pending = await self._do(lambda a: (a.user_count(), a.pending_count()))
        return JSONResponse(
            {
                **self._counts,
                "users": users,
                "users_waiting": pending,
                "notice": self._fault or self._notice,
            }
        )

    def _has_token(self, request: Request) -> bool:
        token = self._settings.token
        if token is None:
            # A page of another site that has its name lead here still sends that name.
            return is_loopback(request.url.hostname or "")
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(shown.encode(), token.reveal())


def _no_token() -> Response:
    return _problem(401, "token", "Show the sidecar's token as a bearer token.")


def _asset_of(request: Request) -> str | None:
    name = request.headers.get(ASSET_HEADER)
    if name is not None and not (0 < len(name) <= MAX_NAME_LEN and name.isprintable()):
        raise InputError(f"an asset's name has 1 to {MAX_NAME_LEN} printable characters")
    return name


async def _healthy(_request: Request) -> Response:
    return JSONResponse({"ok": True})


async def _on_error(_request: Request, exc: Exception) -> Response:
    if isinstance(exc, Error):
        return _answer_to(exc)
    return _problem(500, "internal", "This is a fault of the sidecar.")


async def _on_http(_request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    slug = {404: "not-found", 405: "method"}.get(status, "malformed")
    return _problem(status, slug, "There is nothing like this here.")


async def _on_gone(_request: Request, _exc: Exception) -> Response:
    return _problem(400, "malformed", "The body was cut short.")


def create_sidecar(settings: SidecarSettings, options: ClientOptions | None = None) -> Starlette:
    """Make the ASGI application."""
    sidecar = Sidecar(settings, options or ClientOptions())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await sidecar.start()
        rounds = asyncio.create_task(sidecar.run())
        try:
            yield
        finally:
            rounds.cancel()
            await sidecar.stop()

    app = Starlette(
        routes=[
            Route("/scan", sidecar.scan, methods=["POST", "DELETE"]),
            Route("/status", sidecar.status),
            Route("/healthz", _healthy),
        ],
        exception_handlers={
            ClientDisconnect: _on_gone,
            HTTPException: _on_http,
            Error: _on_error,
            Exception: _on_error,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app
