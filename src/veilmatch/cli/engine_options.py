"""``--engine`` and ``--run-data``: apart, so that a command without them loads no engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EngineText = Annotated[
    str | None,
    typer.Option("--engine", help="Run on local[:N], dask[:N], ray[:N] or a cluster's address."),
]
RunData = Annotated[
    Path,
    typer.Option("--run-data", help="Folder of unfinished runs on an engine, kept private."),
]
RUN_DATA = Path("veilmatch-runs")
