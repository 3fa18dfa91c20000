"""``veilmatch transparency``: the public numbers, with their proofs, exports and page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from veilmatch.casework.history import Desk
from veilmatch.casework.measures.publishing import publish_numbers
from veilmatch.cli.auditor.log_commands import write_signed
from veilmatch.cli.console import print_json, say
from veilmatch.cli.options import AsJson, Data, DatabaseUrl
from veilmatch.cli.reviewer.case_commands import open_store
from veilmatch.cli.reviewer.review_commands import LogKey
from veilmatch.clock import system_clock
from veilmatch.logstore.state import load_note_signer
from veilmatch.numbers.period import parse_period
from veilmatch.numbers.publishing.page import build_page
from veilmatch.numbers.publishing.plots import draw_plots
from veilmatch.numbers.publishing.templates import (
    build_detection_sample,
    build_dsa_counts,
    build_statements,
)
from veilmatch.numbers.report import verify_report
from veilmatch.store.files import read_file, write_atomic
from veilmatch.transparency.key import parse_verifier_key

transparency_app = typer.Typer(
    no_args_is_help=True, help="Platforms: public numbers. Anyone: verify them."
)
_FILE_LEN_MAX = 1 << 28


@transparency_app.command()
def report(
    data: Data,
    period: Annotated[str, typer.Option(help="2026-Q3, 2026-H1, 2026-07 or 2026.")],
    log_key: LogKey,
    out: Annotated[Path, typer.Option(help="Folder for the report, its proofs, exports, page.")],
    key: Annotated[
        Path | None, typer.Option(help="The platform's statement key; signs the statement.")
    ] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Count a period from the private log alone; write report, proofs, exports and page."""
    chosen, signer = parse_period(period), load_note_signer(log_key)
    with open_store(data, database) as (opened, crypter):
        published = publish_numbers(Desk(opened, crypter, system_clock), signer, chosen)
    made, numbers = published.report, published.report.numbers
    files = {
        "report.json": made.to_bytes(),
        "proofs.json": published.proofs,
        "dsa-counts.csv": build_dsa_counts(numbers),
        "dsa-statements.json": build_statements(numbers),
        "detection-sample.csv": build_detection_sample(numbers),
    }
    files |= draw_plots(numbers)
    files["index.html"] = build_page(made, sorted(files))
    for name, content in files.items():
        write_atomic(out / name, content)
    if key is not None:
        write_signed(made.to_statement(), [key], out / "statement.json", False)
    for name, count in numbers.counts.items():
        if "." not in name:
            say(f"{count:>8}  {name}")
    say(f"written to {out}; a signed statement goes into the public log: veilmatch log append")
    if as_json:
        print_json({"period": chosen.name, "counts": numbers.counts, "files": sorted(files)})


@transparency_app.command()
def verify(
    numbers: Annotated[Path, typer.Argument(help="The report (report.json).")],
    proofs: Annotated[Path, typer.Option(help="Its proofs (proofs.json).")],
    key: Annotated[str, typer.Option(help="The private log's public key, as in a policy.")],
    as_json: AsJson = False,
) -> None:
    """Recompute every number of a report from its proven entries."""
    data = read_file(numbers, "the report", max_len=_FILE_LEN_MAX)
    proven = read_file(proofs, "the proofs", max_len=_FILE_LEN_MAX)
    verified = verify_report(data, proven, [parse_verifier_key(key.encode())])
    for name, count in verified.counts.items():
        if "." not in name:
            say(f"{count:>8}  {name}")
    say(f"{verified.period}: every number follows from entries of a log of {verified.head.size}")
    if as_json:
        print_json({"period": verified.period, "counts": verified.counts})


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(transparency_app, name="transparency")
