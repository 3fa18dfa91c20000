"""``veilmatch admin``: what keeps a store in order."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from veilmatch.cli.all_tables import load_tables
from veilmatch.cli.console import print_json, progress, say
from veilmatch.cli.options import AsJson, BlobsPlace, Data, DatabaseUrl
from veilmatch.clock import HOUR_S, system_clock
from veilmatch.errors import ConfigError, VerificationError
from veilmatch.intakestore.check import Findings, StoreCheck
from veilmatch.intakestore.clock_watch import read_hold
from veilmatch.intakestore.limits import RetentionLimits
from veilmatch.privatelog.log import LogEntry, PrivateLog
from veilmatch.service.app import DATABASE, SEGMENTS, STORE_KEY, open_data
from veilmatch.store.blobs import open_blobs
from veilmatch.store.crypter import Crypter, add_key, load_crypter, retire_keys
from veilmatch.store.database import Database, is_url
from veilmatch.store.migrations.upgrade import find_differences
from veilmatch.store.reseal import count_old, reseal
from veilmatch.store.segments import SegmentShelf
from veilmatch.transparency.entries.canonical import Json
from veilmatch.workstore.work_store import WorkStore

admin_app = typer.Typer(no_args_is_help=True, help="Platforms: keep the store in order.")

_BATCH = 1000
_STORE = b"store"  # what an entry about the whole store names
_REPORT_FILES = "report-files"


@contextmanager
def _open(data: Path, url: str | None) -> Iterator[tuple[Database, Crypter]]:
    """Open a store that is there; a check makes none."""
    if not url and not (data / DATABASE).is_file():
        raise ConfigError(
            f"there is no store in {data}", hint="give the folder that veilmatch serve uses"
        )
    load_crypter(data / STORE_KEY, make=False)
    database, crypter = open_data(data, url)
    try:
        yield database, crypter
    finally:
        database.close()


def _note(
    database: Database, crypter: Crypter, connection: Connection, kind: str, **detail: Json
) -> None:
    """Append an entry to the private log; it has no actor, since the machine knows no person."""
    log = PrivateLog(database, crypter, system_clock)
    log.append(connection, LogEntry(kind, b"", _STORE, dict(detail)))


@admin_app.command()
def migrate(data: Data, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Bring the database to this version, all steps or none; a fresh one gets a store key.

    Stop every service first. An embedded database migrates itself; here it only says so.
    """
    place: Path | str = database or data / DATABASE
    opened = Database(place)
    try:
        steps = opened.migrate()
        if opened.is_fresh():
            load_crypter(data / STORE_KEY, make=True)
    finally:
        opened.close()
    say(f"{len(steps)} steps taken" if steps else "the database is of this version")
    if as_json:
        print_json({"steps": steps})


@admin_app.command()
def check(
    data: Data, database: DatabaseUrl = None, blobs: BlobsPlace = None, as_json: AsJson = False
) -> None:
    """Check every row against keys, segments and counters; changes nothing."""
    with _open(data, database) as (opened, crypter):
        shelf = SegmentShelf(data / SEGMENTS, open_blobs(blobs) if blobs else None)
        found = _check(opened, crypter, shelf)
        hold_s = read_hold(opened, system_clock())
    if hold_s:
        say(
            f"the clock jumped, or nothing ran for a while: for {hold_s / 3600:.0f} hours more "
            "nothing is destroyed for its age; is the clock right?"
        )
    _say_findings(found, as_json=as_json)


def _check(database: Database, crypter: Crypter, shelf: SegmentShelf) -> Findings:
    metadata = load_tables()
    with database.transaction() as connection:
        differences = find_differences(connection, metadata)
    with progress() as bars:
        task = bars.add_task("checking rows", total=None)
        checked = StoreCheck(database, crypter, shelf, metadata, system_clock())
        found = checked.run(lambda count: bars.advance(task, count))
    found.faults["tables that differ from the declared ones"] += len(differences)
    return found


def _say_findings(found: Findings, *, as_json: bool) -> None:
    faults = {kind: count for kind, count in sorted(found.faults.items()) if count}
    waiting, hours = found.backlog, found.backlog.oldest_age_s / HOUR_S
    say(f"{found.rows} rows checked")
    say(f"{waiting.vouchers} vouchers wait in {waiting.segments} segments, since {hours:.0f} hours")
    if waiting.held:
        say(f"for an operator: {waiting.held} held segments (veilmatch admin retry)")
    if found.elsewhere:
        say(f"{found.elsewhere} segments lie on another machine and were not read")
    is_late = waiting.oldest_age_s > RetentionLimits().alarm_age_s
    if is_late:
        say("alarm: vouchers wait longer than they should; are workers running?")
    for kind, count in faults.items():
        say(f"fault: {kind} ({count})")
    if as_json:
        print_json(
            {
                "rows": found.rows,
                "faults": faults,
                "elsewhere": found.elsewhere,
                "waiting": waiting.vouchers,
                "held": waiting.held,
                "is_late": is_late,
            }
        )
    if faults:
        raise VerificationError(
            f"the store has {sum(faults.values())} faults",
            hint="bring back a backup, after veilmatch admin backup-check of it",
        )


@admin_app.command(name="rotate-keys")
def rotate_keys(
    data: Data,
    database: DatabaseUrl = None,
    add_only: Annotated[
        bool, typer.Option("--add-only", help="Add the key and stop: copy the key file first.")
    ] = False,
    retire: Annotated[
        bool, typer.Option("--retire", help="Destroy the old keys once nothing needs them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a key and seal everything under it; killed, it goes on where it was."""
    metadata = load_tables()
    with _open(data, database) as (opened, crypter):
        asked = "add" if add_only else "retire" if retire else "rotate"
        with opened.transaction() as connection:  # first: an attempt that fails is told, too
            _note(opened, crypter, connection, "store.keys_rotated", asked=asked)
        left = count_old(opened, crypter, metadata)
        is_added = not left and not retire
        if is_added:
            crypter = add_key(data / STORE_KEY)
            left = 0 if add_only else count_old(opened, crypter, metadata)
        count = 0
        if not add_only:
            with progress() as bars:
                task = bars.add_task("sealing anew", total=left)
                count = reseal(
                    opened, crypter, metadata, _BATCH, lambda done: bars.advance(task, done)
                )
        retired = _retire(data, opened, crypter) if retire else 0
    say("a key was added" if is_added else "no key was added: the last rotation goes on")
    say(f"{count} values sealed anew, {retired} keys destroyed")
    if as_json:
        print_json({"added": is_added, "sealed": count, "retired": retired})


def _retire(data: Path, database: Database, crypter: Crypter) -> int:
    """Destroy the old keys, if neither a column nor a file needs one of them."""
    files = [path for path in (data / _REPORT_FILES).glob("*") if path.is_file()]
    newest = bytes([crypter.newest])
    needed = count_old(database, crypter, load_tables())
    for path in files:
        with path.open("rb") as file:
            needed += file.read(1) != newest
    if needed:
        raise ConfigError(
            f"{needed} values or files of reports are still sealed under an old key",
            setting="store key",
            hint="stop every service or restart it, and try again when the reports are done",
        )
    return retire_keys(data / STORE_KEY)


@admin_app.command()
def retry(data: Data, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Give held segments and openings to the workers again, after their cause is mended."""
    with _open(data, database) as (opened, crypter):

        def note(connection: Connection, freed: int) -> None:
            _note(opened, crypter, connection, "store.held_retried", segments=freed)

        count = WorkStore(opened, data / SEGMENTS, crypter).retry_held(note)
    say(f"{count} segments wait for a worker again")
    if as_json:
        print_json({"segments": count})


@admin_app.command(name="backup-check")
def backup_check(
    backup: Annotated[
        str, typer.Argument(help="The backup: a folder, or a restored server's URL.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="With a URL: the backup of the store's folder.")
    ] = None,
    blobs: BlobsPlace = None,
    as_json: AsJson = False,
) -> None:
    """Prove that a backup restores: open a copy of it and check every row; it is not changed."""
    if is_url(backup):
        if data is None:
            raise ConfigError(
                "a server's backup needs its folder too", hint="give --data with its store key"
            )
        check(data, backup, blobs, as_json)
        return
    source = Path(backup)
    if not (source / DATABASE).is_file() or not (source / STORE_KEY).is_file():
        raise ConfigError(
            f"there is no backup in {source}",
            hint=f"a backup holds {DATABASE}, {STORE_KEY} and the folder {SEGMENTS}",
        )
    with tempfile.TemporaryDirectory(prefix="veilmatch-backup-") as folder:
        copy = Path(folder)
        for path in [*source.glob(f"{DATABASE}*"), source / STORE_KEY]:
            shutil.copy2(path, copy)  # opening may migrate it: the copy, never the backup
        with _open(copy, None) as (opened, crypter):
            shelf = SegmentShelf(source / SEGMENTS, open_blobs(blobs) if blobs else None)
            found = _check(opened, crypter, shelf)
    # A backup is whole or it is none: a segment that is not in it is lost.
    found.faults["segments that are not in the backup"] += found.elsewhere
    found.elsewhere = 0
    _say_findings(found, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(admin_app, name="admin")
