"""Put the service together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from veilmatch.errors import Error, UnavailableError
from veilmatch.intakestore.intake_store import IntakeStore
from veilmatch.intakestore.retention import Collector
from veilmatch.service import problems
from veilmatch.service.group_commit import GroupCommit
from veilmatch.service.intake import InFlight, Intake
from veilmatch.service.release_files import ReleaseFiles
from veilmatch.service.settings import ServiceSettings
from veilmatch.store.blobs import open_blobs
from veilmatch.store.crypter import Crypter, load_crypter
from veilmatch.store.database import Database
from veilmatch.store.release_site import check_site

DATABASE, SEGMENTS, STORE_KEY = "store.sqlite", "segments", "store.key"
_TIMER_S, _COLLECT_S = 0.5, 60.0


def system_clock() -> int:
    """Seconds since 1970, UTC."""
    return int(time.time())


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _repeat(step: Callable[[], object], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        with suppress(UnavailableError):  # tried again at the next tick; intake reports it too
            await asyncio.to_thread(step)


def open_data(data: Path, url: str | None) -> tuple[Database, Crypter]:
    """Open the database and the keys of a store.

    Args:
        data: The store's folder: store key, segments, and without a URL the database.
        url: The PostgreSQL server, already migrated.

    Raises:
        ConfigError: The key is missing, or the database is not ours or not of this version.
        StoreError: It cannot be opened.
    """
    if url:
        crypter, database = load_crypter(data / STORE_KEY, make=False), Database(url)
        database.require_current()
        return database, crypter
    # The key before the database: where there is a database, its key is there or was lost.
    crypter = load_crypter(data / STORE_KEY, make=not (data / DATABASE).exists())
    return Database(data / DATABASE), crypter


def create_app(settings: ServiceSettings, clock: Callable[[], int] = system_clock) -> Starlette:
    """Make the ASGI application.

    Raises:
        ConfigError: The site holds no release, or the store is another program's.
        StoreError: The store cannot be opened.
    """
    site = check_site(settings.site)
    blobs = open_blobs(settings.blobs) if settings.blobs else None
    database, crypter = open_data(settings.data, settings.database)
    folder = settings.data / SEGMENTS
    store = IntakeStore(database, folder, crypter, settings.limits, clock, blobs)
    collector = Collector(database, folder, settings.retention, clock, blobs)
    commit = GroupCommit(store, settings.gather_ms / 1000, settings.group_count)
    releases = ReleaseFiles(site)
    intake = Intake(
        store, commit, releases, InFlight(settings.max_in_flight_len), settings.max_body_len
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        store.seal_all()  # what a killed process left open
        commit.start()
        timers = [
            asyncio.create_task(_repeat(store.seal_due, _TIMER_S)),
            asyncio.create_task(_repeat(store.upload_sealed, _TIMER_S)),
            asyncio.create_task(_repeat(collector.run, _COLLECT_S)),
        ]
        try:
            yield
        finally:
            for timer in timers:
                timer.cancel()
            await commit.stop()
            store.seal_all()
            with suppress(UnavailableError):  # the next process here takes what is left along
                store.upload_sealed()
            database.close()

    app = Starlette(
        routes=[
            Route("/healthz", _health),
            Route("/v1/release", releases.current),
            Route("/v1/releases/{release_id}/{name}", releases.file),
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
