"""``veilmatch report``: check, send, watch and export reports; a simulator for dry runs."""

from __future__ import annotations

import os
import random
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from veilmatch.cli.console import print_json, say
from veilmatch.cli.options import AsJson, Data
from veilmatch.clock import system_clock
from veilmatch.errors import ConfigError, UnavailableError, VerificationError
from veilmatch.hazmat.signing import SigningKey
from veilmatch.report.body import ReportingBody
from veilmatch.report.check import OperatorSchema, Review, check_report, review_draft
from veilmatch.report.rules import RuleContext
from veilmatch.report.viewed import UnseenPolicy
from veilmatch.reporting.drafts import load_draft
from veilmatch.reporting.outbox import Outbox
from veilmatch.reporting.package import PackageBody
from veilmatch.reporting.reconcile import list_reports
from veilmatch.reporting.settings import choose_host, load_credentials
from veilmatch.reporting.tables import State
from veilmatch.reporting.transport import CyberTipline
from veilmatch.reporting.worker import ReportWorker, WorkerSummary
from veilmatch.reportsim.book import Book
from veilmatch.reportsim.faults import FaultPlan
from veilmatch.reportsim.server import PASSWORD, USER, Simulator
from veilmatch.secret import SYSTEM_RANDOM, SecretBytes
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database
from veilmatch.store.files import read_file

DATABASE, STORE_KEY, FILES = "store.sqlite", "store.key", "report-files"
_IDLE_S = 0.2

report_app = typer.Typer(
    no_args_is_help=True, help="Platforms: check, send, watch and export reports."
)

DraftFolder = Annotated[Path, typer.Option(help="Folder of a draft (draft.json, report.xml, …).")]
Xsd = Annotated[Path | None, typer.Option(help="The body's XSD, as you got it from the body.")]
Agreement = Annotated[
    bool, typer.Option("--agreement", help="You are party to the hash-sharing agreement.")
]
LeaveOut = Annotated[
    bool,
    typer.Option("--leave-out-unseen", help="Leave the viewed flags out where nobody saw a file."),
]


def _context(agreement: bool) -> RuleContext:
    return RuleContext(datetime.now(UTC), has_hash_sharing_agreement=agreement)


def _schema(xsd: Path | None) -> OperatorSchema | None:
    return None if xsd is None else OperatorSchema(read_file(xsd, "the schema file"))


def _policy(leave_out: bool) -> UnseenPolicy:
    return UnseenPolicy.LEAVE_OUT if leave_out else UnseenPolicy.SAY_NO


def _open_outbox(data: Path, *, create: bool) -> Outbox:
    if not create and not (data / DATABASE).is_file():
        raise ConfigError(f"there is no store in {data}", hint="give the service's --data folder")
    database = Database(data / DATABASE)
    return Outbox(database, load_crypter(data / STORE_KEY), data / FILES)


@report_app.command()
def simulate(
    port: Annotated[int, typer.Option(help="Port; 0 picks a free one.")] = 8470,
    faults: Annotated[float, typer.Option(help="Share of calls with a random fault.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the random faults.")] = 0,
    speed: Annotated[float, typer.Option(help="How much faster its clock runs.")] = 1.0,
    xsd: Xsd = None,
) -> None:
    """Run a stand-in for the CyberTipline on this machine until stopped."""
    start = time.monotonic()
    book = Book(lambda: (time.monotonic() - start) * speed, SYSTEM_RANDOM)
    schema = b"" if xsd is None else read_file(xsd, "the schema file")
    simulator = Simulator(book, FaultPlan(faults, seed), schema)
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as exc:
        raise UnavailableError(f"cannot listen on port {port}", hint="choose another") from exc
    with listener:
        say(f"simulating on http://127.0.0.1:{listener.getsockname()[1]} (Ctrl-C stops)")
        say(f"its credentials: user {USER}, password {PASSWORD}")
        config = uvicorn.Config(simulator.app, http="h11", log_level="critical", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


def _say_review(review: Review) -> None:
    for finding in review.findings:
        say(f"rule {finding.rule_id}: {finding.text} ({finding.place})")
    for gap in review.completeness.open_gaps:
        say(f"gap {gap.gap_id} ({gap.group}): {gap.text}")
    for waiver in review.completeness.waived:
        say(f"waived: {waiver.gap_id}")
    if review.schema_errors:
        say(f"schema: refuses {review.schema_errors} documents")
    elif not review.is_schema_checked:
        say("schema: not checked (--xsd)")
    say(f"completeness: {review.completeness.score} of 100")


@report_app.command()
def check(
    draft: DraftFolder,
    xsd: Xsd = None,
    agreement: Agreement = False,
    leave_out_unseen: LeaveOut = False,
    as_json: AsJson = False,
) -> None:
    """Say what stands between a draft and sending it; sends nothing."""
    loaded = load_draft(draft)
    review = review_draft(
        loaded.draft,
        _context(agreement),
        schema=_schema(xsd),
        policy=_policy(leave_out_unseen),
    )
    _say_review(review)
    if as_json:
        print_json(
            {
                "fit": review.is_fit,
                "score": review.completeness.score,
                "rules": sorted({finding.rule_id for finding in review.findings}),
                "gaps": [gap.gap_id for gap in review.completeness.open_gaps],
                "schema_checked": review.is_schema_checked,
                "schema_errors": review.schema_errors,
            }
        )
    if not review.is_fit:
        raise VerificationError(
            "the report may not be sent yet", hint="answer each gap, or waive it with a reason"
        )
    say("fit to send")


def _queue(outbox: Outbox, folder: Path, body: str, context: RuleContext, xsd: Path | None) -> None:
    loaded = load_draft(folder)
    checked = check_report(loaded.draft, context, schema=_schema(xsd))
    is_new = outbox.add(loaded.report_key, body, checked, loaded.contents, system_clock())
    say("queued" if is_new else "was queued before")


def _case(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as exc:
        raise ConfigError("a case id is 32 hexadecimal digits", setting="again") from exc


def _run(outbox: Outbox, body: ReportingBody, *, drain: bool) -> WorkerSummary:
    worker = ReportWorker(outbox, {body.name: body}, system_clock, random.SystemRandom().random)
    while True:
        worker.run_due()
        waiting = [
            line
            for line in list_reports(outbox.database)
            if line.body == body.name and line.state not in (State.FINISHED, State.DEAD)
        ]
        if not drain or not waiting:
            return worker.summary
        time.sleep(_IDLE_S)


@report_app.command()
def send(
    data: Data,
    credentials: Annotated[Path, typer.Option(help="File of two lines: user, password.")],
    host: Annotated[
        str, typer.Option(help="test, production, or a simulator's address on this machine.")
    ] = "test",
    confirm_production: Annotated[
        bool,
        typer.Option("--confirm-production", help="The second setting that production needs."),
    ] = False,
    draft: Annotated[Path | None, typer.Option(help="Queue this draft first.")] = None,
    again: Annotated[
        str, typer.Option(help="Send this dead case again, once its cause is mended.")
    ] = "",
    xsd: Xsd = None,
    agreement: Agreement = False,
    drain: Annotated[bool, typer.Option(help="Wait and retry until nothing is left.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send the reports that are due to NCMEC's CyberTipline; the test host by default."""
    base = choose_host(host, is_production_confirmed=confirm_production)
    known = load_credentials(credentials)
    outbox = _open_outbox(data, create=draft is not None)
    with CyberTipline(base, known) as body:
        if again:
            outbox.requeue(_case(again), body.name)
        if draft is not None:
            _queue(outbox, draft, body.name, _context(agreement), xsd)
        summary = _run(outbox, body, drain=drain)
    say(f"{summary.finished} reports finished, {summary.dead} for a person to look at")
    if as_json:
        print_json({"finished": summary.finished, "dead": summary.dead})


@report_app.command()
def status(data: Data, as_json: AsJson = False) -> None:
    """List reports and where each stands; the dead ones need a person."""
    lines = list_reports(_open_outbox(data, create=False).database)
    for one in lines:
        number = "" if one.report_number is None else f"  number {one.report_number}"
        reason = f"  ({one.reason})" if one.reason else ""
        say(f"{one.report_key.hex()}  {one.body}  {one.state.value}{reason}{number}")
    if not lines:
        say("no report")
    if as_json:
        reports = [
            {
                "case": one.report_key.hex(),
                "body": one.body,
                "state": one.state.value,
                "reason": one.reason,
                "number": one.report_number,
                "score": one.score,
                "openings": one.open_count,
            }
            for one in lines
        ]
        print_json({"reports": reports})


def _read_key(path: Path, what: str) -> bytes:
    try:
        key = bytes.fromhex(read_file(path, what, max_len=256).decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ConfigError(f"{what} does not hold 64 hexadecimal digits")
    return key


@report_app.command()
def export(
    data: Data,
    draft: DraftFolder,
    out: Annotated[Path, typer.Option(help="Folder for packages.")],
    recipient: Annotated[Path, typer.Option(help="The recipient's X25519 public key, in hex.")],
    signing_key: Annotated[Path, typer.Option(help="Your Ed25519 seed, in hex, mode 600.")],
    agreement: Agreement = False,
    as_json: AsJson = False,
) -> None:
    """Write a report as a signed package that only its recipient can open."""
    if os.name == "posix" and signing_key.is_file() and signing_key.stat().st_mode & 0o077:
        raise ConfigError("others may read the signing key", hint="chmod 600 it")
    signer = SigningKey(SecretBytes(_read_key(signing_key, "the signing key")))
    body = PackageBody(out, signer, _read_key(recipient, "the recipient's key"))
    outbox = _open_outbox(data, create=True)
    _queue(outbox, draft, body.name, _context(agreement), None)
    summary = _run(outbox, body, drain=True)
    say(f"{summary.finished} packages written to {out}")
    if as_json:
        print_json({"finished": summary.finished, "dead": summary.dead})


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(report_app, name="report")
