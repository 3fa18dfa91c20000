"""``veilmatch cases``, and the store as commands open it that need no table secret."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.casework.case_store import CaseStore
from veilmatch.casework.history import CASE_ID_LEN
from veilmatch.cli.console import print_json, say
from veilmatch.cli.options import AsJson, Data, DatabaseUrl
from veilmatch.clock import DAY_S, system_clock
from veilmatch.errors import ConfigError
from veilmatch.opening.contact_sheet import build_contact_sheet
from veilmatch.service.app import DATABASE, STORE_KEY, open_data
from veilmatch.store.crypter import Crypter, load_crypter
from veilmatch.store.database import Database
from veilmatch.store.files import write_atomic

cases_app = typer.Typer(no_args_is_help=True, help="Platforms: list cases, write a contact sheet.")


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
    app.add_typer(cases_app, name="cases")
