"""``veilmatch serve``, ``work`` and ``cases``: what the platform runs."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from veilmatch.cli.console import print_json, progress, say
from veilmatch.cli.key_files import ask_pin
from veilmatch.errors import ConfigError, UnavailableError
from veilmatch.jobs.key_provider import open_key_provider
from veilmatch.jobs.worker import Worker, WorkSummary
from veilmatch.opening.contact_sheet import build_contact_sheet
from veilmatch.service.app import DATABASE, SEGMENTS, STORE_KEY, create_app, system_clock
from veilmatch.service.settings import ServiceSettings
from veilmatch.site.release_site import check_site
from veilmatch.store.case_store import CASE_ID_LEN, CaseStore
from veilmatch.store.crypter import Crypter, load_crypter
from veilmatch.store.database import Database
from veilmatch.store.files import write_atomic
from veilmatch.store.intake_store import IntakeLimits
from veilmatch.store.work_store import WorkStore

cases_app = typer.Typer(no_args_is_help=True, help="Platforms: list cases, write a contact sheet.")

_YEAR_S = 366 * 86_400

Data = Annotated[Path, typer.Option(help="Folder of the service's store.")]
Site = Annotated[Path, typer.Option(help="Folder of the public release files.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on the last line.")]


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port))
    except (OSError, UnicodeError) as exc:
        raise UnavailableError(
            f"cannot listen on {host} port {port}",
            hint="choose another --port, or stop what listens there",
        ) from exc
    listener.setblocking(False)
    return listener


def serve(
    data: Data,
    site: Site,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 picks a free one.")] = 8462,
    segment_age: Annotated[int, typer.Option(help="Seconds until a segment is sealed.")] = 900,
    min_delay: Annotated[
        int, typer.Option(help="Seconds between sealing and matching; 0 only for trials.")
    ] = 6 * 3600,
) -> None:
    """Serve the release files and take vouchers until stopped."""
    if not 0 <= segment_age <= _YEAR_S or not 0 <= min_delay <= _YEAR_S:
        raise ConfigError("--segment-age and --min-delay must lie between 0 and a year, in seconds")
    check_site(site)
    limits = IntakeLimits(segment_max_age_s=segment_age, min_delay_s=min_delay)
    with _listen(host, port) as listener:
        app = create_app(ServiceSettings(data=data, site=site, limits=limits))
        address = listener.getsockname()
        say(f"serving on http://{address[0]}:{address[1]} (Ctrl-C stops)")
        # No date and no server name: replies are equal byte for byte whatever matches.
        config = uvicorn.Config(
            app, log_level="warning", date_header=False, server_header=False, access_log=False
        )
        uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def _open_worker(data: Path, site: Path, secrets: str) -> Iterator[tuple[Worker, WorkStore]]:
    release_site = check_site(site)
    with open_key_provider(secrets, ask_pin=ask_pin) as keys:
        keys.load(release_site.read_current().release_id)  # a missing secret shows at once
        with _open_store(data) as (database, crypter):
            work = WorkStore(database, data / SEGMENTS, crypter)
            cases = CaseStore(database, crypter)
            yield Worker(work, cases, release_site, keys, system_clock), work


@contextmanager
def _open_store(data: Path) -> Iterator[tuple[Database, Crypter]]:
    if not (data / DATABASE).is_file():
        raise ConfigError(
            f"there is no store in {data}", hint="give the folder that veilmatch serve uses"
        )
    crypter = load_crypter(data / STORE_KEY, make=False)
    database = Database(data / DATABASE)
    try:
        yield database, crypter
    finally:
        database.close()


def work(
    data: Data,
    site: Site,
    secrets: Annotated[str, typer.Option(help="Folder of the table secrets, or a PKCS#11 URI.")],
    once: Annotated[bool, typer.Option(help="Do what is due, then stop.")] = False,
    drain: Annotated[bool, typer.Option(help="Wait until nothing is left, then stop.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between two looks.")] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Match what is due and open accounts that pass the threshold."""
    if not 0.05 <= interval <= 3600:
        raise ConfigError("--interval must lie in 0.05…3600 seconds", setting="interval")
    total = WorkSummary()
    with _open_worker(data, site, secrets) as (worker, store), progress() as bars:
        task = bars.add_task("matching vouchers", total=store.pending_count()[1] or None)
        while True:
            done = worker.run(lambda count: bars.advance(task, count))
            total.segments += done.segments
            total.vouchers += done.vouchers
            total.cases += done.cases
            if once or (drain and store.pending_count()[0] == 0):
                break
            time.sleep(interval)
    say(f"{total.vouchers} vouchers in {total.segments} segments processed")
    if as_json:
        print_json({"vouchers": total.vouchers, "segments": total.segments})


@cases_app.command(name="list")
def list_cases(data: Data, as_json: AsJson = False) -> None:
    """List cases and the operator's queue; no account and no picture is shown."""
    with _open_store(data) as (database, crypter):
        store = CaseStore(database, crypter)
        summaries, queue = store.list_cases(), store.operator_counts()
    for one in summaries:
        day = time.strftime("%Y-%m-%d", time.gmtime(one.opened_day * 86_400))
        say(f"{one.case_id.hex()}  {one.state}  {one.item_count} pictures  since {day}")
    if not summaries:
        say("no case")
    for kind, count in sorted(queue.items()):
        say(f"for an operator: {count} × {kind}")
    if as_json:
        cases = [
            {"case_id": one.case_id.hex(), "state": one.state, "pictures": one.item_count}
            for one in summaries
        ]
        print_json({"cases": cases, "operator": queue})


@cases_app.command()
def sheet(
    case: Annotated[str, typer.Argument(help="The case's id, as the list shows it.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Where the PNG goes.")],
    as_json: AsJson = False,
) -> None:
    """Write a case's derivatives as one contact sheet, readable by its owner alone."""
    try:
        case_id = bytes.fromhex(case)
    except ValueError:
        case_id = b""
    if len(case_id) != CASE_ID_LEN:
        raise ConfigError("a case id is 32 hexadecimal digits", hint="veilmatch cases list")
    with _open_store(data) as (database, crypter):
        items = CaseStore(database, crypter).read_items(case_id)
    write_atomic(out, build_contact_sheet([item.derivative for item in items]), mode=0o600)
    say(f"{len(items)} pictures: {out}")
    if as_json:
        print_json({"pictures": len(items), "sheet": str(out)})


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(serve)
    app.command()(work)
    app.add_typer(cases_app, name="cases")
