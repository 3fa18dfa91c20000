"""What commands print: people's text on stdout, progress on stderr, one JSON line on request."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from veilmatch.errors import ConfigError

_LINE_EVERY_S = 1.0

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
def progress(*, is_quiet: bool = False) -> Iterator[Progress]:
    """Show progress on stderr while something takes longer than a second.

    For a machine (``VEILMATCH_PROGRESS=json``) one line a second for each task that moved.

    Raises:
        ConfigError: ``VEILMATCH_PROGRESS`` is neither ``bars`` nor ``json``.
    """
    form = os.environ.get("VEILMATCH_PROGRESS") or "bars"
    if form not in ("bars", "json"):
        raise ConfigError("VEILMATCH_PROGRESS is bars or json", setting="VEILMATCH_PROGRESS")
    if is_quiet:  # log lines take its place
        yield Progress(disable=True)
        return
    if form == "json":
        with _progress_lines() as counted:
            yield counted
        return
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=False) as bars:
        yield bars


@contextmanager
def _progress_lines() -> Iterator[Progress]:
    """Count without bars; say every second, and at the end, how far each task is."""
    counted, stopped = Progress(disable=True), threading.Event()
    said: dict[int, tuple[float, float | None]] = {}

    def say_all() -> None:
        for task in counted.tasks:
            if said.get(task.id) == (task.completed, task.total):
                continue
            said[task.id] = (task.completed, task.total)
            total = None if task.total is None else int(task.total)
            line = {"task": task.description, "done": int(task.completed), "total": total}
            sys.stderr.write(json.dumps({"progress": line}) + "\n")
        sys.stderr.flush()

    def keep_saying() -> None:
        while not stopped.wait(_LINE_EVERY_S):
            say_all()

    thread = threading.Thread(target=keep_saying, name="progress", daemon=True)
    thread.start()
    try:
        yield counted
    finally:
        stopped.set()
        thread.join()
        say_all()
