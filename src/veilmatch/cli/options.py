"""Options that several commands have, in the same words; this module loads nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on the last line.")]
Data = Annotated[Path, typer.Option(help="Folder of the service's store.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="VEILMATCH_DATABASE",
        help="URL of a PostgreSQL server (postgresql://…); without it a file in --data.",
    ),
]
BlobsPlace = Annotated[
    str | None,
    typer.Option(
        "--blobs",
        envvar="VEILMATCH_BLOBS",
        help="Where sealed segments go: a folder or s3://bucket/prefix.",
    ),
]
EngineText = Annotated[
    str | None,
    typer.Option("--engine", help="Run on local[:N], dask[:N], ray[:N] or a cluster's address."),
]
RunData = Annotated[
    Path,
    typer.Option("--run-data", help="Folder of unfinished runs on an engine, kept private."),
]
RUN_DATA = Path("veilmatch-runs")
MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        envvar="VEILMATCH_METRICS_PORT",
        min=0,
        max=65_535,
        help="Loopback port of /metrics; 0 picks a free one; without it none are served.",
    ),
]
LogLines = Annotated[
    bool,
    typer.Option("--log", help="Write log lines (JSON) on standard error instead of bars."),
]
CorpusPaths = Annotated[
    list[Path] | None, typer.Option("--corpus", help="Harmless pictures, or a saved corpus.")
]
Paint = Annotated[int, typer.Option("--paint", min=0, help="So many painted pictures besides.")]
Contact = Annotated[Path | None, typer.Option("--contact", help="Folder of the contact report.")]
