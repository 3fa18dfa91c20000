"""``veilmatch bench``: measure the image hashes on pictures that are at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import TaskID

from veilmatch.cli.console import print_json, progress, say
from veilmatch.errors import ConfigError
from veilmatch.hashbench.report import PROCEDURAL_PICTURES, bench_records, run_hash_benchmark

bench_app = typer.Typer(no_args_is_help=True, help="Measure the image hashes.")

_COLUMNS = ("everyday", "crop2", "random")


@bench_app.callback()
def _root() -> None:
    """Measure the image hashes."""


@bench_app.command(name="hash")
def bench_hash(
    folders: Annotated[list[Path], typer.Argument(help="Folders with photographs.")],
    out: Annotated[Path, typer.Option(help="Folder for tables and plots.")],
    limit: Annotated[int, typer.Option(help="Use at most so many photographs.")] = 1000,
    procedural: Annotated[
        int, typer.Option(help="Painted pictures of the false-match study.")
    ] = PROCEDURAL_PICTURES,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Measure recall of everyday copies, and false matches; downloads nothing.

    With the defaults and 400 photographs it takes half an hour on two cores.
    """
    missing = [folder for folder in folders if not folder.is_dir()]
    if missing:
        raise ConfigError(f"{missing[0]} is not a folder", hint="unpack a package of pictures")
    if limit < 1 or procedural < 2:
        raise ConfigError("--limit must be at least 1 and --procedural at least 2")
    with progress() as bars:
        steps: dict[str, TaskID] = {}

        def report(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = bars.add_task(step, total=total)
            bars.update(steps[step], completed=done, total=total)

        result = run_hash_benchmark(
            folders,
            out,
            limit=limit,
            procedural=procedural,
            jobs=os.cpu_count() or 1,
            progress=report,
        )
    if not result.pictures:
        raise ConfigError("no photograph was found", hint="give folders with photographs")
    say(f"{result.pictures} photographs; percent of copies found")
    for one in result.recall:
        if one.group in _COLUMNS:
            interval = f"{one.low_percent:.1f} to {one.high_percent:.1f}"
            say(f"  {one.subject:<9} {one.group:<9} {one.percent:5.1f} ({interval})")
    say(f"tables and plots: {out}")
    if as_json:
        print_json({"pictures": result.pictures, "records": bench_records(result)})


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.add_typer(bench_app, name="bench")
