"""``veilmatch pictures``: harmless pictures out of a seed, to try everything else with."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from veilmatch.cli.console import print_json, progress, say
from veilmatch.errors import ConfigError
from veilmatch.pictures.generate import generate_picture
from veilmatch.store.files import write_atomic

_MAX_COUNT = 1_000_000
_PNG_EVERY = 5
_JPEG_QUALITY = 88


def _encode(seed: int, index: int, kind: str | None, size: tuple[int, int]) -> tuple[str, bytes]:
    """Paint one picture. Returns file name and bytes; every fifth is a PNG, the rest JPEG."""
    picture, out = Image.fromarray(generate_picture(seed, index, kind, size)), io.BytesIO()
    if index % _PNG_EVERY == 0:
        picture.save(out, "PNG", compress_level=1)
        return f"picture-{index:06d}.png", out.getvalue()
    picture.save(out, "JPEG", quality=_JPEG_QUALITY)
    return f"picture-{index:06d}.jpg", out.getvalue()


def pictures(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    count: Annotated[int, typer.Option(help="How many pictures.")] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pictures.")] = 1,
    first: Annotated[int, typer.Option(help="Number of the first picture.")] = 0,
    kind: Annotated[str | None, typer.Option(help="One kind of scene only.")] = None,
    width: Annotated[int, typer.Option(help="Pixels.")] = 320,
    height: Annotated[int, typer.Option(help="Pixels.")] = 240,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Generate harmless pictures: they show nobody and nothing that exists."""
    if not 1 <= count <= _MAX_COUNT:
        raise ConfigError(f"--count must lie in 1…{_MAX_COUNT}", setting="count")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is already there and not empty", hint="choose a new folder")
    start = _encode(seed, first, kind, (width, height))  # refuses numbers before it writes
    with progress() as bars:
        task = bars.add_task("generating pictures", total=count)
        for index in range(first, first + count):
            made = start if index == first else _encode(seed, index, kind, (width, height))
            write_atomic(folder / made[0], made[1])
            bars.advance(task)
    say(f"{count} pictures: {folder}")
    if as_json:
        print_json({"pictures": count, "folder": str(folder), "seed": seed})


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(pictures)
