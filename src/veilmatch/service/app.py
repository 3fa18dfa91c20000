"""Put the service together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from veilmatch.access.gate.snapshot import Gate
from veilmatch.access.gate.usage import Usage
from veilmatch.clock import system_clock
from veilmatch.errors import Error, UnavailableError
from veilmatch.intakestore.intake_store import IntakeStore
from veilmatch.intakestore.retention import Collector
from veilmatch.privatelog.log import PrivateLog
from veilmatch.service import problems
from veilmatch.service.accounts import Accounts
from veilmatch.service.admission import Admission
from veilmatch.service.group_commit import GroupCommit
from veilmatch.service.intake import BodyLimits, InFlight, Intake
from veilmatch.service.release_files import ReleaseFiles
from veilmatch.service.settings import ServiceSettings
from veilmatch.service.setup.health import Health
from veilmatch.service.watch.backlog import BacklogWatch
from veilmatch.service.watch.events import Events
from veilmatch.service.watch.metrics import Metrics, Watch
from veilmatch.service.watch.timers import repeat
from veilmatch.site.release_site import check_site
from veilmatch.site.repository import Repository
from veilmatch.store.blobs import open_blobs
from veilmatch.store.crypter import Crypter, load_crypter
from veilmatch.store.database import Database

DATABASE, SEGMENTS, STORE_KEY = "store.sqlite", "segments", "store.key"
_TIMER_S, _COLLECT_S, _UPKEEP_S = 0.5, 60.0, 1.0


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


@dataclass(frozen=True)
class Surroundings:
    """What a service is given from outside.

    Attributes:
        clock: Gives seconds since 1970.
        timer: Seconds that only grow.
        metrics: Where requests are counted.
        events: Where log lines go.
        mounts: Other applications under their own addresses: administration, review.
    """

    clock: Callable[[], int] = system_clock
    timer: Callable[[], float] = time.monotonic
    metrics: Metrics = field(default_factory=Metrics)
    events: Events = field(default_factory=lambda: Events(system_clock))
    mounts: tuple[BaseRoute, ...] = ()


class _Parts:
    """The service's parts, put together."""

    def __init__(self, settings: ServiceSettings, around: Surroundings) -> None:
        site, clock = check_site(settings.site), around.clock
        blobs = open_blobs(settings.blobs) if settings.blobs else None
        self.database, crypter = open_data(settings.data, settings.database)
        folder = settings.data / SEGMENTS
        self.store = IntakeStore(self.database, folder, crypter, settings.limits, clock, blobs)
        self.backlog = BacklogWatch(
            self.database,
            Collector(self.database, folder, settings.retention, clock, blobs),
            settings.retention,
            clock,
            around.metrics,
            around.events,
        )
        self.metrics, self._site = around.metrics, site
        self.commit = GroupCommit(
            self.store,
            settings.gather_ms / 1000,
            settings.group_count,
            around.metrics.timer,
            around.metrics.commit_seconds.observe,
        )
        self.releases = ReleaseFiles(site)
        self.gate = Gate(self.database, clock)
        self.usage = Usage(self.database, settings.quotas, clock)
        admission = Admission(settings.admission, self.gate, self.usage, around.timer)
        limits = BodyLimits(settings.max_body_len, settings.body_base_s, settings.body_min_rate)
        self.intake = Intake(
            self.store,
            self.commit,
            self.releases,
            InFlight(settings.max_in_flight_len),
            admission,
            around.metrics,
            limits,
        )
        log = PrivateLog(self.database, crypter, clock)
        self.accounts = Accounts(self.database, log, self.gate, admission, clock)
        self.health = Health(self.database, around.timer, settings.data, self.commit.has_failed)

    def upkeep(self) -> None:
        """Do what is done every second. Raises StoreError."""
        self.gate.refresh()
        self.usage.flush()

    def timers(self) -> list[tuple[str, Callable[[], object], float]]:
        """Return what is done by the clock: name, step, seconds between two times."""
        return [
            ("seal", self.store.seal_due, _TIMER_S),
            ("upload", self.store.upload_sealed, _TIMER_S),
            ("delays", self.store.mend_delays, _COLLECT_S),
            ("collect", self.backlog.collect, _COLLECT_S),
            ("release", self.look_at_release, _COLLECT_S),
            ("upkeep", self.upkeep, _UPKEEP_S),
        ]

    def look_at_release(self) -> None:
        """Show when the release's timestamp ends. Raises EncodingError if it is damaged."""
        timestamp = Repository(self._site.folder).timestamp()
        if timestamp is not None:
            self.metrics.release_expires.set(int(timestamp.expires.timestamp()))

    def routes(self) -> list[BaseRoute]:
        """Return the addresses."""
        return [
            Route("/healthz", self.health.live),
            Route("/readyz", self.health.ready),
            Route("/v1/releases/{path:path}", self.releases.file),
            Route("/v1/vouchers", self.intake.handle, methods=["POST", "DELETE"]),
            Route(
                "/v1/accounts/{account}/suspension",
                self.accounts.suspension,
                methods=["PUT", "DELETE"],
            ),
            Route(
                "/v1/accounts/{account}/devices/{device_key_id}/revocation",
                self.accounts.revocation,
                methods=["PUT"],
            ),
        ]


def create_app(settings: ServiceSettings, around: Surroundings | None = None) -> Starlette:
    """Make the ASGI application.

    Raises:
        ConfigError: The site holds no release, or the store is another program's.
        StoreError: The store cannot be opened.
    """
    around = around or Surroundings()
    parts = _Parts(settings, around)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        parts.store.seal_all()  # what a killed process left open
        parts.backlog.look_at_clock()
        parts.gate.refresh()
        parts.usage.forget_old()
        parts.backlog.look()  # an alarm shows from the first moment
        with suppress(Error):  # a damaged one is told by its timer; the release is still served
            parts.look_at_release()
        parts.commit.start()
        timers = [
            asyncio.create_task(repeat(name, step, every_s, around.metrics, around.events))
            for name, step, every_s in parts.timers()
        ]
        try:
            yield
        finally:
            for timer in timers:
                timer.cancel()
            await parts.commit.stop()
            parts.store.seal_all()
            parts.usage.flush()
            with suppress(UnavailableError):  # the next process here takes what is left along
                parts.store.upload_sealed()
            parts.database.close()

    watch = Middleware(Watch, metrics=around.metrics, events=around.events)
    if not settings.access_log:
        watch = Middleware(Watch, metrics=around.metrics)
    app = Starlette(
        routes=[*parts.routes(), *around.mounts],
        middleware=[watch],
        exception_handlers={
            HTTPException: problems.handle_http,
            Error: problems.handle_error,
            Exception: problems.handle_error,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # another address is 404, with the fixed answer
    return app
