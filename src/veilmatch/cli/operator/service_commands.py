"""``veilmatch work``: the one command of a running service that holds alpha.

Nothing else imports this module: what other commands share lies elsewhere, so that their
programs cannot load the table secret. A test goes through all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.casework.case_store import CaseStore
from veilmatch.cli.console import print_json, progress, say, warn
from veilmatch.cli.key_files import ask_pin
from veilmatch.cli.options import (
    AsJson,
    BlobsPlace,
    Data,
    DatabaseUrl,
    EngineText,
    LogLines,
    MetricsPort,
)
from veilmatch.cli.reviewer.case_commands import open_store
from veilmatch.cli.stopping import asked_to_stop
from veilmatch.clock import system_clock
from veilmatch.errors import ConfigError, StoreError, UnavailableError
from veilmatch.jobs.key_provider import open_key_provider
from veilmatch.jobs.worker import Matcher, Worker, WorkSummary
from veilmatch.service.app import SEGMENTS
from veilmatch.service.watch.roles import WorkMetrics
from veilmatch.service.watch.voice import Voice, served_metrics, voice_of
from veilmatch.site.release_site import check_site
from veilmatch.store.blobs import open_blobs
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.workstore.work_store import WorkStore

Site = Annotated[Path, typer.Option(help="Folder of the public release files.")]
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
                is_left = drain and not store.is_drained()
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


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(work)
