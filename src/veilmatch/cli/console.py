"""What commands print: people's text on stdout, progress on stderr, one JSON line on request."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print one line for a person."""
    out.print(text, markup=False)


def warn(text: str) -> None:
    """Print one line for a person on stderr."""
    err.print(text, markup=False)


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on one line, the last line of a command run with --json."""
    sys.stdout.write(json.dumps(value, sort_keys=True) + "\n")
    sys.stdout.flush()


@contextmanager
def progress() -> Iterator[Progress]:
    """Show progress on stderr while something takes longer than a second."""
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=False) as bars:
        yield bars
