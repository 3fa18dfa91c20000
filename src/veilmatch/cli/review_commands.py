"""``veilmatch review``: the operator's side of casework, without any picture."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.casework.after.preservation import Keeping
from veilmatch.casework.after.progress import Progress
from veilmatch.casework.history import Desk
from veilmatch.casework.measures.export import read_export
from veilmatch.casework.measures.figures import Measures
from veilmatch.casework.queue import Queue
from veilmatch.cli.console import print_json, say
from veilmatch.cli.service_commands import AsJson, Data, DatabaseUrl, open_store
from veilmatch.errors import ConfigError
from veilmatch.logstore.state import load_note_signer
from veilmatch.privatelog.log import PrivateLog
from veilmatch.review.settings import ReviewPolicy
from veilmatch.store.files import PRIVATE_MODE, write_atomic
from veilmatch.transparency.checkpoint import parse_checkpoint

review_app = typer.Typer(
    no_args_is_help=True, help="Platforms: queue, figures and log of the review, no pictures."
)

LogKey = Annotated[Path, typer.Option("--log-key", help="The private log's key (log init).")]
REPORT_FILES = "report-files"
_DAY_S = 86_400


def _clock() -> int:
    return int(time.time())


@review_app.command()
def queue(data: Data, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Count cases by where they stand; no account and no picture is shown."""
    with open_store(data, database) as (opened, crypter):
        counts = Queue(Desk(opened, crypter, _clock)).count_waiting()
    for state, count in sorted(counts.items()):
        say(f"{count:>8}  {state}")
    if not counts:
        say("no case")
    if as_json:
        print_json({"cases": counts})


@review_app.command()
def figures(
    data: Data,
    days: Annotated[int, typer.Option(min=1, help="How many days back.")] = 90,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show agreement, decision times and golden pictures of everybody together."""
    with open_store(data, database) as (opened, crypter):
        found = Measures(Desk(opened, crypter, _clock)).read(None, _clock() - days * _DAY_S)
    share, kappa = found.agreement.share, found.agreement.kappa
    for outcome, count in sorted(found.decisions.items()):
        say(f"{count:>8}  {outcome}")
    say(f"agreement: {_percent(share)} of {found.agreement.count}")
    say(f"kappa: {'-' if kappa is None else f'{kappa:.2f}'}")
    say(f"time: median {_seconds(found.times.median_s)}, 90 % {_seconds(found.times.ninetieth_s)}")
    say(f"golden: {found.golden.right} of {found.golden.count} right")
    if as_json:
        print_json(
            {
                "decisions": found.decisions,
                "agreement": {"pairs": found.agreement.count, "agreed": found.agreement.agreed},
                "kappa": kappa,
                "median_s": found.times.median_s,
                "ninetieth_s": found.times.ninetieth_s,
                "golden": {"count": found.golden.count, "right": found.golden.right},
            }
        )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _seconds(value: int | None) -> str:
    return "-" if value is None else f"{value} s"


@review_app.command()
def advance(
    data: Data,
    appeal_days: Annotated[int, typer.Option(min=0, help="How long a user may object.")] = 180,
    destroy: Annotated[bool, typer.Option(help="Destroy closed cases whose term is over.")] = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Move cases on: receipts into the log, reported, acted, closed. Run it by a timer."""
    policy = ReviewPolicy(appeal_s=appeal_days * _DAY_S)
    with open_store(data, database) as (opened, crypter):
        desk = Desk(opened, crypter, _clock, policy)
        done = Progress(desk).run()
        destroyed = 0
        if destroy:

            def erase(blob_id: bytes) -> None:
                (data / REPORT_FILES / f"{blob_id.hex()}.sealed").unlink(missing_ok=True)

            destroyed = Keeping(desk, erase).destroy_due()
    say(f"{done.receipts} receipts, {done.reported} reported, {done.acted} acted on")
    say(f"{done.appealed} appeals opened, {done.closed} closed, {destroyed} destroyed")
    if as_json:
        print_json({**vars(done), "destroyed": destroyed})


@review_app.command()
def kept(data: Data, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show what is preserved, until when, and what a hold keeps on."""
    with open_store(data, database) as (opened, crypter):
        found = Keeping(Desk(opened, crypter, _clock)).list_kept()
    for one in found:
        until = time.strftime("%Y-%m-%d", time.gmtime(one.preservation.until_at))
        note = "destroyed" if one.destroyed_at is not None else f"until {until}"
        held = "  held" if one.preservation.is_held else ""
        say(f"{one.case_id.hex()}  {note}{held}")
    if not found:
        say("nothing is preserved")
    if as_json:
        listed = [
            {
                "case": one.case_id.hex(),
                "until_at": one.preservation.until_at,
                "held": one.preservation.is_held,
                "destroyed": one.destroyed_at is not None,
            }
            for one in found
        ]
        print_json({"kept": listed})


@review_app.command()
def verify(data: Data, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Verify that no entry of the private log was changed, removed, inserted or moved."""
    with open_store(data, database) as (opened, crypter):
        chain = PrivateLog(opened, crypter, _clock).verify()
    say(f"{chain.size} entries, each follows the one in front")
    if as_json:
        print_json({"size": chain.size})


@review_app.command()
def export(
    data: Data,
    log_key: LogKey,
    out: Annotated[Path, typer.Option(help="Where the export goes.")],
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Sign the log's head and write what auditors get; veilmatch audit checks it."""
    signer = load_note_signer(log_key)
    with open_store(data, database) as (opened, crypter):
        note = PrivateLog(opened, crypter, _clock, signer).sign_head()
        exported = read_export(Desk(opened, crypter, _clock))
    write_atomic(out, b"".join(exported.to_lines()), mode=PRIVATE_MODE)
    head = out.with_name(out.name + ".head")
    write_atomic(head, note.to_bytes())
    size = parse_checkpoint(note.text).size
    say(f"{size} entries, {len(exported.rows)} rows: {out}\nhead to be kept elsewhere: {head}")
    if as_json:
        print_json({"entries": size, "rows": len(exported.rows), "head": str(head)})


@review_app.command()
def hold(
    data: Data,
    case: Annotated[str, typer.Argument(help="The case's id.")],
    reason: Annotated[str, typer.Option(help="Why; sealed in the log.")],
    release: Annotated[bool, typer.Option(help="End the hold.")] = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Keep a reported case beyond its term, or end that."""
    try:
        case_id = bytes.fromhex(case)
    except ValueError as exc:
        raise ConfigError("a case id is 32 hexadecimal digits", setting="case") from exc
    if not reason.strip():
        raise ConfigError("a hold needs a reason", setting="reason")
    with open_store(data, database) as (opened, crypter):
        Keeping(Desk(opened, crypter, _clock)).change_hold(b"", case_id, not release, reason)
    say("released" if release else "held")
    if as_json:
        print_json({"held": not release})


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(review_app, name="review")
