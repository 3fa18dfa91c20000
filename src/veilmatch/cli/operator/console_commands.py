"""``veilmatch console``: the pages for reviewers, apart from the service."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from veilmatch.access.login.oidc import OidcSettings
from veilmatch.access.login.passkeys import PasskeySite
from veilmatch.cli.console import say
from veilmatch.cli.options import Data, DatabaseUrl
from veilmatch.clock import system_clock
from veilmatch.console.app import (
    PUBLIC_DOORS,
    PUBLIC_PREFIXES,
    ConsoleRoute,
    create_console,
)
from veilmatch.console.forms.report_form import parse_profile
from veilmatch.console.published import NumbersFolder
from veilmatch.console.services import ConsoleSettings, make_services
from veilmatch.errors import ConfigError, UnavailableError
from veilmatch.review.decision import Scheme
from veilmatch.review.exposure import ExposurePolicy
from veilmatch.review.settings import ReviewPolicy
from veilmatch.service.app import DATABASE, open_data
from veilmatch.store.files import read_file
from veilmatch.transparency.key import parse_verifier_key
from veilmatch.wire import is_loopback

REPORT_FILES = "report-files"
_PROFILE_LEN_MAX = 16 << 10


def passkey_site(origin: str) -> PasskeySite | None:
    """Return the site that passkeys are bound to; None without an origin. Raises ConfigError."""
    if not origin:
        return None
    scheme, _, rest = origin.partition("://")
    host = rest.rsplit(":", 1)[0] if rest.rpartition(":")[2].isdigit() else rest
    if scheme not in ("http", "https") or not host or "/" in rest:
        raise ConfigError("the origin is like https://review.example", setting="origin")
    return PasskeySite(host, (origin,))


@contextmanager
def opened_console(
    data: Path,
    url: str | None,
    settings: ConsoleSettings,
    *,
    policy: ReviewPolicy | None = None,
    site: PasskeySite | None = None,
    oidc: OidcSettings | None = None,
    numbers: NumbersFolder | None = None,
    is_public: bool = False,
) -> Iterator[ConsoleRoute]:
    """Open the store and make the console, to be entered among the routes of a service.

    Args:
        data: Folder of the store.
        url: The PostgreSQL server, if there is one.
        settings: Of the console.
        policy: What holds for everybody who reviews.
        site: Which site passkeys are bound to.
        oidc: The organisation's issuer.
        numbers: Published numbers.
        is_public: Only the published numbers, no door for reviewers.

    Raises:
        ConfigError: There is no store.
    """
    if not url and not (data / DATABASE).is_file():
        raise ConfigError(
            f"there is no store in {data}", hint="give the folder that veilmatch serve uses"
        )
    database, crypter = open_data(data, url)
    try:
        services = make_services(
            database,
            crypter,
            system_clock,
            data / REPORT_FILES,
            settings,
            policy=policy,
            passkey_site=site,
            oidc=oidc,
            numbers=numbers,
        )
        if is_public:
            yield ConsoleRoute(create_console(services, PUBLIC_DOORS), PUBLIC_PREFIXES)
        else:
            yield ConsoleRoute(create_console(services))
    finally:
        database.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except (OSError, UnicodeError) as exc:
        raise UnavailableError(
            f"cannot listen on {host} port {port}",
            hint="choose another --port, or stop what listens there",
        ) from exc


def read_console_settings(
    host: str,
    origin: str,
    profile: Path | None,
    *,
    has_tls: bool = False,
    step_up: bool = False,
    agreement: bool = False,
) -> ConsoleSettings:
    """Make the console's settings.

    Args:
        host: Address to listen on.
        origin: How browsers reach it; may be empty.
        profile: File that says who reports.
        has_tls: The server itself speaks TLS.
        step_up: A passkey is asked for before cases, decisions, reports.
        agreement: Party to the hash-sharing agreement.

    Raises:
        ConfigError: Neither TLS nor this machine alone, or a malformed file.
    """
    is_secure = has_tls or origin.startswith("https://")
    if not is_secure and not is_loopback(host):
        raise ConfigError(
            "the console is reached over TLS, or from this machine alone",
            setting="origin",
            hint="put a TLS proxy in front and name its --origin https://…",
        )
    if step_up and not origin:
        raise ConfigError("passkeys need --origin", setting="origin")
    said = None
    if profile is not None:
        said = parse_profile(read_file(profile, "the profile", max_len=_PROFILE_LEN_MAX))
    return ConsoleSettings(
        is_secure=is_secure, needs_step_up=step_up, profile=said, has_agreement=agreement
    )


def console(
    data: Data,
    database: DatabaseUrl = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 picks a free one.")] = 8465,
    origin: Annotated[
        str, typer.Option(help="How browsers reach it: https://review.example.")
    ] = "",
    profile: Annotated[
        Path | None, typer.Option(help="Who reports: a JSON file; see the guide for reviewers.")
    ] = None,
    step_up: Annotated[
        bool,
        typer.Option(
            "--step-up", help="Ask for a passkey before a case, a look, a decision, a report."
        ),
    ] = False,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="You are party to the hash-sharing agreement.")
    ] = False,
    scheme: Annotated[Scheme, typer.Option(help="How pictures are classified.")] = Scheme.PLAIN,
    golden: Annotated[
        int, typer.Option(min=0, max=5, help="Golden pictures in each claimed case.")
    ] = 0,
    budget: Annotated[int, typer.Option(min=1, help="Looks of one person in a day.")] = 200,
    numbers: Annotated[
        Path | None, typer.Option(help="Folder of published numbers, shown at /numbers.")
    ] = None,
    log_key: Annotated[
        list[str] | None, typer.Option(help="Verifier key of the private log, for numbers.")
    ] = None,
) -> None:
    """Serve the pages for reviewers until stopped."""
    settings = read_console_settings(host, origin, profile, step_up=step_up, agreement=agreement)
    policy = ReviewPolicy(
        scheme=scheme, golden_per_case=golden, exposure=ExposurePolicy(budget=budget)
    )
    if (numbers is None) != (not log_key):
        raise ConfigError("numbers are shown under the log's key: --numbers and --log-key")
    published = None
    if numbers is not None:
        published = NumbersFolder(
            numbers, [parse_verifier_key(key.encode()) for key in log_key or ()]
        )
    opened = opened_console(
        data, database, settings, policy=policy, site=passkey_site(origin), numbers=published
    )
    with opened as route, _listen(host, port) as listener:
        address = listener.getsockname()
        say(f"the console is on http://{address[0]}:{address[1]}/review (Ctrl-C stops)")
        config = uvicorn.Config(
            route.app, http="h11", log_level="warning", server_header=False, access_log=False
        )
        uvicorn.Server(config).run(sockets=[listener])


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(console)
