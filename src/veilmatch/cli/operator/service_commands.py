"""``veilmatch work`` and ``cases``: what the platform runs beside the service."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.casework.case_store import CaseStore
from veilmatch.casework.history import CASE_ID_LEN
from veilmatch.cli.console import print_json, progress, say, warn
from veilmatch.cli.key_files import ask_pin
from veilmatch.cli.options import AsJson, Data, DatabaseUrl, EngineText, LogLines, MetricsPort
from veilmatch.cli.stopping import asked_to_stop
from veilmatch.clock import DAY_S, system_clock
from veilmatch.errors import ConfigError, StoreError, UnavailableError
from veilmatch.jobs.key_provider import open_key_provider
from veilmatch.jobs.worker import Matcher, Worker, WorkSummary
from veilmatch.opening.contact_sheet import build_contact_sheet
from veilmatch.service.app import DATABASE, SEGMENTS, STORE_KEY, open_data
from veilmatch.service.watch.roles import WorkMetrics
from veilmatch.service.watch.voice import Voice, served_metrics, voice_of
from veilmatch.site.release_site import check_site
from veilmatch.store.blobs import open_blobs
from veilmatch.store.crypter import Crypter, load_crypter
from veilmatch.store.database import Database
from veilmatch.store.files import write_atomic
from veilmatch.workstore.work_store import WorkStore

cases_app = typer.Typer(no_args_is_help=True, help="Platforms: list cases, write a contact sheet.")

Site = Annotated[Path, typer.Option(help="Folder of the public release files.")]
BlobsPlace = Annotated[
    str | None,
    typer.Option(
        "--blobs",
        envvar="VEILMATCH_BLOBS",
        help="Where sealed segments go: a folder or s3://bucket/prefix.",
    ),
]


SHARDS = "shards"  # folder of unfinished runs on an engine, below the store's


@contextmanager
def _open_worker(
    data: Path,
    site: Path,
    secrets: str,
    url: str | None,
    place: str | None,
    engine: str | None,
    stop: threading.Event,
    voice: Voice,
) -> Iterator[tuple[Worker, WorkStore, Database]]:
    release_site = check_site(site)
    blobs = open_blobs(place) if place else None
    with open_key_provider(secrets, ask_pin=ask_pin) as keys:
        keys.load(release_site.read_current().release_id)  # a missing secret shows at once
        with open_store(data, url) as (database, crypter):
            work = WorkStore(database, data / SEGMENTS, crypter, blobs)
            cases = CaseStore(database, crypter)
            with _open_matcher(engine, secrets, data, database, crypter) as matcher:
                worker = Worker(
                    work, cases, release_site, keys, system_clock, matcher, voice.fault, stop.is_set
                )
                yield worker, work, database


@contextmanager
def _open_matcher(
    engine: str | None, secrets: str, data: Path, database: Database, crypter: Crypter
) -> Iterator[Matcher | None]:
    """Open what ``--engine`` names; None where this process matches itself."""
    if engine is None:
        yield None
        return
    from veilmatch.cli.provider.engine_runs import open_engine_named
    from veilmatch.jobs.match_run import EngineMatcher
    from veilmatch.shards.ledger import ShardLedger

    with open_engine_named(engine) as opened:
        ledger = ShardLedger(database, crypter, data / SHARDS, system_clock)
        yield EngineMatcher(secrets, opened, ledger)


@contextmanager
def open_store(data: Path, url: str | None = None) -> Iterator[tuple[Database, Crypter]]:
    """Open the store that the service uses; never a new one. Raises ConfigError."""
    if not url and not (data / DATABASE).is_file():
        raise ConfigError(
            f"there is no store in {data}", hint="give the folder that veilmatch serve uses"
        )
    load_crypter(data / STORE_KEY, make=False)  # never a new key for an old store
    database, crypter = open_data(data, url)
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
    database: DatabaseUrl = None,
    blobs: BlobsPlace = None,
    engine: EngineText = None,
    metrics_port: MetricsPort = None,
    log: LogLines = False,
    as_json: AsJson = False,
) -> None:
    """Match what is due and open accounts that pass the threshold.

    Asked to stop, it gives back the segment it is at: the next worker has it at once.
    """
    if not 0.05 <= interval <= 3600:
        raise ConfigError("--interval must lie in 0.05…3600 seconds", setting="interval")
    total, metrics, voice = WorkSummary(), WorkMetrics(), voice_of("work", warn, is_log=log)
    with ExitStack() as stack:
        stop = stack.enter_context(asked_to_stop())
        opened = _open_worker(data, site, secrets, database, blobs, engine, stop, voice)
        worker, store, tables = stack.enter_context(opened)
        stack.enter_context(served_metrics(metrics_port, metrics, say))
        bars = stack.enter_context(progress(is_quiet=log))
        task = bars.add_task("matching vouchers", total=store.pending_count()[1] or None)
        voice.say("started")
        while not stop.is_set():
            try:
                done = worker.run(lambda count: bars.advance(task, count))
                total.add(done)
                _tell(done, metrics, voice)
                metrics.look(tables, system_clock)
                voice.goes_on()
                is_left = drain and store.pending_count()[0] > 0
            except UnavailableError as exc:  # a server that restarts ends no worker
                if once or drain:
                    raise
                voice.waits(exc, interval)
                is_left = True
            if once or (drain and (total.failed or not is_left)):
                break
            stop.wait(interval)
        voice.say("stopped")
    if stop.is_set() and (once or drain):
        raise typer.Exit(130)  # interrupted: not all was done
    if total.failed and (once or drain):
        raise StoreError(
            f"{total.failed} segments or accounts could not be processed; they wait",
            hint="veilmatch admin check says what is wrong with the store",
        )
    say(f"{total.vouchers} vouchers in {total.segments} segments processed")
    if as_json:
        print_json({"vouchers": total.vouchers, "segments": total.segments})


def _tell(done: WorkSummary, metrics: WorkMetrics, voice: Voice) -> None:
    """Count and log what one look did; nothing of what matched or opened."""
    metrics.count(
        segments=done.segments, vouchers=done.vouchers, lost=done.lost, failures=done.failed
    )
    if done.segments:
        voice.say("segments processed", segments=done.segments, vouchers=done.vouchers)


@cases_app.command(name="list")
def list_cases(data: Data, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List cases and the operator's queue; no account and no picture is shown."""
    with open_store(data, database) as (opened, crypter):
        store = CaseStore(opened, crypter)
        store.adopt(system_clock())
        summaries, queue = store.list_cases(), store.operator_counts()
    for one in summaries:
        day = time.strftime("%Y-%m-%d", time.gmtime(one.opened_day * DAY_S))
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
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write a case's derivatives as one contact sheet, readable by its owner alone.

    The private log gets an entry first. For small hosts without a console, and the demo.
    """
    try:
        case_id = bytes.fromhex(case)
    except ValueError:
        case_id = b""
    if len(case_id) != CASE_ID_LEN:
        raise ConfigError("a case id is 32 hexadecimal digits", hint="veilmatch cases list")
    with open_store(data, database) as (opened, crypter):
        items = CaseStore(opened, crypter).read_items(case_id, system_clock())
    write_atomic(out, build_contact_sheet([item.derivative for item in items]), mode=0o600)
    say(f"{len(items)} pictures: {out}")
    if as_json:
        print_json({"pictures": len(items), "sheet": str(out)})


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(work)
    app.add_typer(cases_app, name="cases")
