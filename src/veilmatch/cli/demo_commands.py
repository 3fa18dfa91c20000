"""``veilmatch demo``: all of it on this machine."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.cli.console import err, print_json, progress, say
from veilmatch.demo.photographs import find_photographs
from veilmatch.demo.play import play
from veilmatch.demo.pool import PoolPicture, collect_pool
from veilmatch.demo.scene import MAX_MIN_SHARES, lay_scene, pool_size
from veilmatch.demo.summary import is_as_promised, summarise, to_json
from veilmatch.errors import ConfigError, VerificationError
from veilmatch.hazmat.backends.selection import current

_PHOTOGRAPHS = Path(sys.prefix) / "pictures"


@contextmanager
def _step(title: str) -> Iterator[None]:
    """Show a step with a spinner while it runs and a tick when it is done."""
    start = time.monotonic()
    with err.status(title, spinner="dots"):
        yield
    err.print(f"[green]✓[/green] {title} [dim]{time.monotonic() - start:.1f} s[/dim]")


def _find_given(pictures: Path | None) -> list[Path]:
    if pictures is not None and not pictures.is_dir():
        raise ConfigError(f"{pictures} is not a folder", hint="give a folder with --pictures")
    own = sorted(p for p in pictures.rglob("*") if p.is_file()) if pictures else []
    packaged = find_photographs(_PHOTOGRAPHS) if _PHOTOGRAPHS.is_dir() else []
    return own + packaged


def _collect(count: int, seed: int, folder: Path, given: list[Path]) -> list[PoolPicture]:
    with progress() as bars:
        task = bars.add_task("collecting pictures", total=count)
        return collect_pool(
            count, seed, folder, given, lambda found: bars.update(task, completed=found)
        )


def _make_folder(out: Path | None) -> Path:
    if out is None:
        return Path(tempfile.mkdtemp(prefix="veilmatch-demo-"))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is already there and not empty", hint="choose a new --out")
    out.mkdir(parents=True, exist_ok=True)
    return out


def demo(
    pictures: Annotated[
        Path | None, typer.Option(help="A folder of your own pictures to take part.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="An empty folder for everything the demo makes.")
    ] = None,
    min_shares: Annotated[int, typer.Option(help="Smallest number of matches that opens.")] = 31,
    seed: Annotated[int, typer.Option(help="Of the pictures; keys are always fresh.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Two providers, one table, three accounts: see who learns what."""
    if not 2 <= min_shares <= MAX_MIN_SHARES:
        raise ConfigError(f"--min-shares must lie in 2…{MAX_MIN_SHARES}", setting="min_shares")
    if not 0 <= seed < 2**64:
        raise ConfigError("--seed must lie in 0…2^64 - 1", setting="seed")
    given = _find_given(pictures)
    top, start = _make_folder(out), time.monotonic()
    err.print(f"backend: {current().name}; everything goes to {top}")
    pool = _collect(pool_size(min_shares), seed, top / "pool", given)
    with _step("the pictures are laid out: two providers, three accounts"):
        scene = lay_scene(pool, top / "pictures", min_shares, seed)
    err.print(f"  {scene.file_count()} picture files, {len(given)} of them photographs at most")
    outcome = play(top, scene, min_shares, _step)
    seconds = time.monotonic() - start
    for line in summarise(outcome, min_shares, seconds):
        say(line)
    if as_json:
        print_json(to_json(outcome, seconds))
    if not is_as_promised(outcome, min_shares):
        raise VerificationError("the threshold did not do what it promises", hint=f"see {top}")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(demo)
