"""``veilmatch serve``: the platform's HTTP side. It loads nothing that holds alpha."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from veilmatch.cli.console import say
from veilmatch.cli.operator.review_timer import review_timer
from veilmatch.cli.stopping import stop_at_signal
from veilmatch.clock import system_clock
from veilmatch.errors import ConfigError, UnavailableError
from veilmatch.service.app import Surroundings, create_app, open_data
from veilmatch.service.setup.configuration import ServeConfiguration, load_configuration
from veilmatch.service.setup.tls import CertificateProtocol, tls_options
from veilmatch.service.watch.events import Events, take_over_logging
from veilmatch.service.watch.metrics import Metrics
from veilmatch.service.watch.voice import served_metrics
from veilmatch.site.release_site import check_site

if TYPE_CHECKING:
    from veilmatch.console.published import NumbersFolder

_BACKLOG = 2048
Config = Annotated[
    Path | None, typer.Option(envvar="VEILMATCH_CONFIG", help="A TOML file with settings.")
]


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=_BACKLOG)
    except (OSError, UnicodeError) as exc:
        raise UnavailableError(
            f"cannot listen on {host} port {port}",
            hint="choose another --port, or stop what listens there",
        ) from exc
    listener.setblocking(False)
    return listener


@contextmanager
def _administration(chosen: ServeConfiguration) -> Iterator[tuple[BaseRoute, ...]]:
    """Mount the administration API, where it is wanted."""
    if not chosen.administration:
        yield ()
        return
    # Loaded only where it is wanted: it is most of what takes time at the start.
    from veilmatch.admin.app import PREFIX, create_admin
    from veilmatch.admin.guard import AdminParts

    site = chosen.passkey_site()
    if chosen.administration_step_up and site is None:
        raise ConfigError(
            "changes by the administration API need a passkey, and passkeys need an origin",
            setting="origin",
            hint="set origin, or administration_step_up = false",
        )
    settings = chosen.service_settings()
    database, crypter = open_data(settings.data, settings.database)
    parts = AdminParts(
        database,
        crypter,
        system_clock,
        settings.quotas,
        settings.limits,
        settings.retention,
        chosen.describe(),
        site,
        chosen.administration_step_up,
    )
    try:
        yield (Mount(PREFIX, create_admin(parts)),)
    finally:
        database.close()


def _pages(chosen: ServeConfiguration) -> list[BaseRoute]:
    """Mount the public pages, where they are wanted."""
    if not chosen.pages:
        return []
    from veilmatch.pages.app import pages_routes
    from veilmatch.pages.library import PublicFolders

    return pages_routes(PublicFolders(chosen.site, chosen.log, chosen.log_policy), system_clock)


def _numbers(chosen: ServeConfiguration) -> NumbersFolder | None:
    """Return the published numbers, where they are wanted. Raises ConfigError."""
    if (chosen.numbers is None) != (not chosen.numbers_log_keys):
        raise ConfigError(
            "numbers are shown under the private log's key",
            setting="numbers",
            hint="set numbers and numbers_log_keys",
        )
    if chosen.numbers is None:
        return None
    from veilmatch.console.published import NumbersFolder
    from veilmatch.transparency.key import parse_verifier_key

    keys = [parse_verifier_key(key.encode()) for key in chosen.numbers_log_keys]
    return NumbersFolder(chosen.numbers, keys)


@contextmanager
def _console(chosen: ServeConfiguration) -> Iterator[tuple[BaseRoute, ...]]:
    """Take in the pages for reviewers, or the public numbers alone, where they are wanted."""
    numbers = _numbers(chosen)
    if not chosen.console and numbers is None:
        yield ()
        return
    from veilmatch.cli.operator.console_commands import opened_console, read_console_settings
    from veilmatch.console.services import ConsoleSettings

    settings, policy = chosen.service_settings(), chosen.review_policy()
    if not chosen.console:
        is_secure = chosen.tls_certificate is not None or chosen.origin.startswith("https://")
        public = opened_console(
            settings.data,
            settings.database,
            ConsoleSettings(is_secure=is_secure),
            numbers=numbers,
            is_public=True,
        )
        with public as route:
            yield (route,)
        return
    console = read_console_settings(
        chosen.host,
        chosen.origin,
        chosen.console_profile,
        has_tls=chosen.tls_certificate is not None,
        step_up=chosen.console_step_up,
        agreement=chosen.hash_sharing_agreement,
    )
    opened = opened_console(
        settings.data,
        settings.database,
        console,
        policy=policy,
        numbers=numbers,
        site=chosen.passkey_site(),
        oidc=chosen.oidc(),
    )
    with opened as route:
        yield (route,)


def _uvicorn_options(chosen: ServeConfiguration) -> dict[str, Any]:
    return {
        "http": CertificateProtocol,
        "ws": "none",
        # No date and no server name: replies are equal byte for byte whatever matches.
        "date_header": False,
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "backlog": _BACKLOG,
        "limit_concurrency": chosen.max_connections or None,
        "timeout_graceful_shutdown": chosen.graceful_s,
        "proxy_headers": bool(chosen.forwarded_from),
        "forwarded_allow_ips": chosen.forwarded_from,
    } | tls_options(
        chosen.tls_certificate,
        chosen.tls_key,
        chosen.tls_client_ca,
        require=chosen.tls_require_client,
    )


@contextmanager
def opened_app(chosen: ServeConfiguration, metrics: Metrics, events: Events) -> Iterator[Starlette]:
    """Put together everything that the settings want served.

    Raises:
        ConfigError: Settings do not stand together, or the store is another program's.
        StoreError: The store cannot be opened.
    """
    with ExitStack() as stack:
        # The store's key and tables are made by the service, before anything is mounted.
        app = create_app(chosen.service_settings(), Surroundings(metrics=metrics, events=events))
        app.router.routes.extend(stack.enter_context(_administration(chosen)))
        app.router.routes.extend(_pages(chosen))
        app.router.routes.extend(stack.enter_context(_console(chosen)))
        yield app


def run_service(chosen: ServeConfiguration) -> None:
    """Serve until a signal says stop; what was begun is finished first."""
    options = _uvicorn_options(chosen)
    check_site(chosen.site)
    events, metrics = Events(system_clock), Metrics()
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(chosen.host, chosen.port))
        app = stack.enter_context(opened_app(chosen, metrics, events))
        stack.enter_context(review_timer(chosen, metrics, events))
        stack.enter_context(served_metrics(chosen.metrics_port, metrics, say))
        host, port = listener.getsockname()[:2]
        scheme = "https" if "ssl_certfile" in options else "http"
        server = uvicorn.Server(uvicorn.Config(app, **options))
        stop_at_signal(server)
        say(f"serving on {scheme}://{host}:{port} (Ctrl-C stops)")
        take_over_logging(events)
        events.say("service started", port=port)
        gc.collect()
        gc.freeze()  # what is loaded stays: it is not looked through again and again
        server.run(sockets=[listener])
        events.say("service stopped")


def serve(
    data: Annotated[Path | None, typer.Option(help="Folder of the service's store.")] = None,
    site: Annotated[Path | None, typer.Option(help="Folder of the release files.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port; 0 picks a free one.")
    ] = None,
    segment_age: Annotated[
        int | None, typer.Option(help="Seconds until a segment is sealed.")
    ] = None,
    min_delay: Annotated[
        int | None,
        typer.Option(help="Seconds between sealing and matching; 0 only for trials."),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            envvar="VEILMATCH_DATABASE",
            help="URL of a PostgreSQL server (postgresql://…); without it a file in --data.",
        ),
    ] = None,
    blobs: Annotated[
        str | None,
        typer.Option(
            envvar="VEILMATCH_BLOBS",
            help="Where sealed segments go: a folder or s3://bucket/prefix.",
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Serve the release files and take vouchers until stopped."""
    given = {
        "data": data,
        "site": site,
        "host": host,
        "port": port,
        "segment_max_age_s": segment_age,
        "min_delay_s": min_delay,
        "database": None if database is None else SecretStr(database),
        "blobs": blobs,
    }
    if config is None and data is None:
        raise ConfigError("missing option '--data'", hint="veilmatch serve --help")
    run_service(load_configuration(config, given))


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(serve)
