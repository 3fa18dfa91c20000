"""Put the service together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from veilmatch.errors import Error, UnavailableError
from veilmatch.service import problems
from veilmatch.service.group_commit import GroupCommit
from veilmatch.service.intake import InFlight, Intake
from veilmatch.service.release_files import ReleaseFiles
from veilmatch.service.settings import ServiceSettings
from veilmatch.site.release_site import check_site
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database
from veilmatch.store.intake_store import IntakeStore

DATABASE, SEGMENTS, STORE_KEY = "store.sqlite", "segments", "store.key"
_TIMER_S = 0.5


def system_clock() -> int:
    """Seconds since 1970, UTC."""
    return int(time.time())


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _seal_by_age(store: IntakeStore) -> None:
    while True:
        await asyncio.sleep(_TIMER_S)
        with suppress(UnavailableError):  # tried again at the next tick; intake reports it too
            await asyncio.to_thread(store.seal_due)


def create_app(settings: ServiceSettings, clock: Callable[[], int] = system_clock) -> Starlette:
    """Make the ASGI application.

    Raises:
        ConfigError: The site holds no release, or the store is another program's.
        StoreError: The store cannot be opened.
    """
    site = check_site(settings.site)
    # The key before the database: where there is a database, its key is there or was lost.
    fresh = not (settings.data / DATABASE).exists()
    crypter = load_crypter(settings.data / STORE_KEY, make=fresh)
    database = Database(settings.data / DATABASE)
    store = IntakeStore(database, settings.data / SEGMENTS, crypter, settings.limits, clock)
    commit = GroupCommit(store, settings.gather_ms / 1000, settings.group_count)
    releases = ReleaseFiles(site)
    intake = Intake(
        store, commit, releases, InFlight(settings.max_in_flight_len), settings.max_body_len
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        store.seal_all()  # what a killed process left open
        commit.start()
        timer = asyncio.create_task(_seal_by_age(store))
        try:
            yield
        finally:
            timer.cancel()
            await commit.stop()
            store.seal_all()
            database.close()

    app = Starlette(
        routes=[
            Route("/healthz", _health),
            Route("/v1/releases/{path:path}", releases.file),
            Route("/v1/vouchers", intake.handle, methods=["POST", "DELETE"]),
        ],
        exception_handlers={
            HTTPException: problems.handle_http,
            Error: problems.handle_error,
            Exception: problems.handle_error,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # another address is 404, with the fixed answer
    return app
