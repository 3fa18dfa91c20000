"""``veilmatch admin``: what keeps a store in order."""

from __future__ import annotations

from pathlib import Path

import typer

from veilmatch.cli.console import print_json, say
from veilmatch.cli.service_commands import AsJson, Data, DatabaseUrl
from veilmatch.service.app import DATABASE, STORE_KEY
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database

admin_app = typer.Typer(no_args_is_help=True, help="Platforms: keep the store in order.")


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


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(admin_app, name="admin")
