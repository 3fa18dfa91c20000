"""``veilmatch review``: the operator's side of casework, without any picture."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.casework.after.feedback import FeedbackSender, FeedbackSettings
from veilmatch.casework.after.preservation import Keeping
from veilmatch.casework.after.progress import advance_cases
from veilmatch.casework.golden import add_golden
from veilmatch.casework.history import NOBODY, Desk
from veilmatch.casework.measures.export import read_export
from veilmatch.casework.measures.figures import Measures
from veilmatch.casework.measures.publishing import head_name, state_head
from veilmatch.casework.queue import Queue
from veilmatch.cli.auditor.log_commands import write_signed
from veilmatch.cli.console import print_json, say, warn
from veilmatch.cli.options import AsJson, Data, DatabaseUrl
from veilmatch.cli.reviewer.case_commands import open_store
from veilmatch.clock import DAY_S, system_clock
from veilmatch.errors import ConfigError
from veilmatch.hashing.picture import decode_picture
from veilmatch.liststore.list_folder import ListFolder
from veilmatch.logstore.state import load_note_signer
from veilmatch.privatelog.log import PrivateLog
from veilmatch.review.decision import HARMLESS, Classification, Scheme
from veilmatch.review.settings import ReviewPolicy
from veilmatch.service.setup.configuration import parse_reasons
from veilmatch.store.files import PRIVATE_MODE, read_file, write_atomic
from veilmatch.transparency.checkpoint import parse_checkpoint
from veilmatch.voucher.derivative import make_derivative

review_app = typer.Typer(
    no_args_is_help=True, help="Platforms: queue, figures and log of the review, no pictures."
)

LogKey = Annotated[Path, typer.Option("--log-key", help="The private log's key (log init).")]
REPORT_FILES = "report-files"
GOLDEN_LEN_MAX = 10_000  # as long as a derivative may be


@review_app.command()
def queue(data: Data, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Count cases by where they stand; no account and no picture is shown."""
    with open_store(data, database) as (opened, crypter):
        counts = Queue(Desk(opened, crypter, system_clock)).count_waiting()
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
        found = Measures(Desk(opened, crypter, system_clock)).read(
            None, system_clock() - days * DAY_S
        )
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
    clock_is_right: Annotated[
        bool, typer.Option(help="You looked: close and destroy also after the clock jumped.")
    ] = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Move cases on: receipts into the log, reported, acted, closed. Run it by a timer.

    Nothing is closed or destroyed for its age within a day of a gap of more than an hour
    between two looks at the clock; where serve runs, it looks all the time.
    """
    policy = ReviewPolicy(appeal_s=appeal_days * DAY_S)
    with open_store(data, database) as (opened, crypter):
        desk = Desk(opened, crypter, system_clock, policy)
        done = advance_cases(
            desk, data / REPORT_FILES, destroys=destroy, is_clock_right=clock_is_right
        )
    say(f"{done.receipts} receipts, {done.reported} reported, {done.acted} acted on")
    say(f"{done.appealed} appeals opened, {done.closed} closed, {done.destroyed} destroyed")
    if done.swept:
        say(f"{done.swept} sealed files without a report deleted")
    if done.is_held:
        warn(
            "the clock jumped, or nobody looked at it for an hour: nothing was closed or destroyed"
        )
        warn("hint: it goes on after a day; --clock-is-right if you looked at it")
    if as_json:
        print_json(vars(done))


@review_app.command()
def kept(data: Data, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show what is preserved, until when, and what a hold keeps on."""
    with open_store(data, database) as (opened, crypter):
        found = Keeping(Desk(opened, crypter, system_clock)).list_kept()
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
        chain = PrivateLog(opened, crypter, system_clock).verify()
    say(f"{chain.size} entries, each follows the one in front")
    if as_json:
        print_json({"size": chain.size})


@review_app.command()
def head(
    data: Data,
    log_key: LogKey,
    key: Annotated[Path, typer.Option(help="The platform's statement key (provider keygen).")],
    out: Annotated[
        Path, typer.Option(help="Where the signed statement goes: a file, or a folder of them.")
    ],
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Sign the private log's head and state it for the public log; once a day, by a timer."""
    signer = load_note_signer(log_key)
    with open_store(data, database) as (opened, crypter):
        statement, size = state_head(PrivateLog(opened, crypter, system_clock, signer))
    place = out / head_name(size) if out.is_dir() else out
    write_signed(statement, [key], place, as_json)


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
        note = PrivateLog(opened, crypter, system_clock, signer).sign_head()
        exported = read_export(Desk(opened, crypter, system_clock))
    write_atomic(out, b"".join(exported.to_lines()), mode=PRIVATE_MODE)
    kept_head = out.with_name(out.name + ".head")
    write_atomic(kept_head, note.to_bytes())
    size = parse_checkpoint(note.text).size
    say(f"{size} entries, {len(exported.rows)} rows: {out}\nhead to be kept elsewhere: {kept_head}")
    if as_json:
        print_json({"entries": size, "rows": len(exported.rows), "head": str(kept_head)})


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
        Keeping(Desk(opened, crypter, system_clock)).change_hold(b"", case_id, not release, reason)
    say("released" if release else "held")
    if as_json:
        print_json({"held": not release})


@review_app.command()
def golden(
    data: Data,
    pictures: Annotated[list[Path], typer.Argument(help="Harmless pictures, made or lawful.")],
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add harmless marked pictures, mixed into cases to measure how well reviewers judge."""
    made = [
        make_derivative(decode_picture(read_file(path, "a picture")).pixels, GOLDEN_LEN_MAX)
        for path in pictures
    ]
    harmless = Classification(Scheme.PLAIN, HARMLESS)
    with open_store(data, database) as (opened, crypter):
        desk = Desk(opened, crypter, system_clock)
        for picture in made:
            add_golden(desk, picture, harmless, NOBODY)
    say(f"{len(made)} pictures added")
    if as_json:
        print_json({"added": len(made)})


@review_app.command()
def feedback(
    data: Data,
    lists: Annotated[Path, typer.Option(help="Folder of the lists.")],
    reason: Annotated[
        list[str] | None, typer.Option(help="LIST=ID: the source's reason id for a wrong match.")
    ] = None,
    jurisdiction: Annotated[str, typer.Option(help="Where this platform is, ISO 3166-1.")] = "US",
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Tell the lists of reinstated cases, and keep their hashes from matching again."""
    reasons = parse_reasons(reason or [], "reason")
    settings = FeedbackSettings(reasons, jurisdiction)
    with open_store(data, database) as (opened, crypter):
        count = FeedbackSender(
            Desk(opened, crypter, system_clock), ListFolder(lists), settings
        ).run()
    say(f"{count} cases told")
    if as_json:
        print_json({"cases": count})


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(review_app, name="review")
