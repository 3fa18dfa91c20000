"""``veilmatch list``: hash lists as they arrive, on their way to being live."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.cli.console import print_json, progress, say
from veilmatch.cli.options import AsJson
from veilmatch.cli.publisher.list_options import (
    Contact,
    CorpusPaths,
    FilesInHand,
    Paint,
    SignedHeader,
    Told,
    build_options,
    open_client,
)
from veilmatch.errors import ConfigError
from veilmatch.hashlist.entry import Chunks, Item, ListSource, take_moment
from veilmatch.liststore.engine import DEFAULT_MEMORY_MIB
from veilmatch.liststore.exchange.hash_sharing_client import HashSharingClient
from veilmatch.liststore.exchange.outbox import AFFIRMATIVE, Feedback, Outbox
from veilmatch.liststore.exchange.windows import WindowPlan, fetch_windows, read_pieces
from veilmatch.liststore.intersection import DEFAULT_MEMORY_MIB as INTERSECT_MEMORY_MIB
from veilmatch.liststore.intersection import intersect_lists
from veilmatch.liststore.list_folder import ListFolder, StoredList
from veilmatch.liststore.promotion import (
    describe_lists,
    promote,
    quarantine_met,
    withdraw_entries,
    withdraw_list,
)
from veilmatch.liststore.staging import ImportOptions, stage_import
from veilmatch.wire import Json

list_app = typer.Typer(no_args_is_help=True, help="Hash lists: import, report, promote, withdraw.")

ListId = Annotated[str, typer.Argument(metavar="LIST", help="The list's id, of your choice.")]
Store = Annotated[Path, typer.Option("--store", help="The folder of all lists.")]
Address = Annotated[str, typer.Option(help="Hash Sharing v2: the address up to /v2.")]
User = Annotated[str, typer.Option(help="Hash Sharing v2: the member's user name.")]
Password = Annotated[Path | None, typer.Option(help="A file that holds the password.")]
_DEFAULT_STORE = Path("lists")


@list_app.command(name="import")
def import_list(
    list_id: ListId,
    files: Annotated[list[Path] | None, typer.Argument(help="Files, in order.")] = None,
    store: Store = _DEFAULT_STORE,
    form: Annotated[str, typer.Option("--format", help="csv, text, jsonl, ncmec, vics …")] = "",
    source: Annotated[str, typer.Option(help="The organisation it comes from.")] = "",
    environment: Annotated[str, typer.Option(help="Its environment, for example test.")] = "",
    jurisdiction: Annotated[str, typer.Option(help="Two letters, for example NL.")] = "",
    purpose: Annotated[str, typer.Option("--as", help="known-bad, benign or negative.")] = "",
    provider: Annotated[Path | None, typer.Option(help="Who signed it: the public file.")] = None,
    kind: Annotated[str, typer.Option(help="What the column hash holds, for example pdq.")] = "",
    scheme: Annotated[str, typer.Option(help="Whose categories the file holds.")] = "",
    accept: Annotated[list[str] | None, typer.Option(help="A category that goes live.")] = None,
    expect_count: Annotated[int | None, typer.Option(help="Records the source sent.")] = None,
    max_malformed: Annotated[int, typer.Option(min=0, help="Malformed hashes to leave out.")] = 0,
    memory: Annotated[int, typer.Option(min=64, help="MiB for the database.")] = DEFAULT_MEMORY_MIB,
    address: Address = "",
    user: User = "",
    password_file: Password = None,
    since: Annotated[str, typer.Option(help="Where the first reading begins.")] = "",
    as_json: AsJson = False,
) -> None:
    """Import a list as a staged version, and report on it; nothing goes live."""
    folder = ListFolder(store)
    stored = folder.open(list_id)
    told = Told(source, environment, jurisdiction, purpose, form, provider)
    wanted = told.find_source(stored)
    options = replace(
        build_options(wanted, kind, accept or []),
        max_malformed=max_malformed,
        expected_count=expect_count,
        memory_mib=memory,
    )
    if address:
        if files or wanted.format != "ncmec":
            raise ConfigError("an address takes no files, and the format ncmec", setting="address")
        with open_client(address, user, password_file) as client:
            report = _import_windows(folder, stored, wanted, options, client, since)
    else:
        header = SignedHeader()
        importer = partial(told.find_importer(wanted, header.take), kind=kind, scheme=scheme)
        options = replace(options, attested=header.kept)
        report = _import_files(folder, stored, wanted, options, files or [], importer)
    _say_report(report)
    if as_json:
        print_json(report)


def _import_files(
    folder: ListFolder,
    stored: StoredList,
    source: ListSource,
    options: ImportOptions,
    files: list[Path],
    importer: Callable[[Chunks], Iterator[Item]],
) -> Json:
    if not files:
        raise ConfigError("there is nothing to import", hint="name at least one file")
    for path in files:
        if not path.is_file():
            raise ConfigError(f"the file is not there: {path}", hint="check the path")
    hand = FilesInHand(files)
    with ExitStack() as stack:
        bars = stack.enter_context(progress())
        reading = bars.add_task("reading, bytes", total=sum(path.stat().st_size for path in files))
        writing = bars.add_task("writing, splits", total=None)

        def counted(path: Path) -> Iterator[bytes]:
            for piece in read_pieces(path):
                bars.advance(reading, len(piece))
                yield piece

        def sequences() -> Iterator[Iterator[Item]]:
            for path in hand.each():
                yield importer(counted(path))

        stack.enter_context(hand.named())
        return stage_import(
            folder,
            stored.list_id,
            source,
            sequences(),
            options,
            datetime.now(UTC),
            lambda done, total: bars.update(writing, completed=done, total=total),
        )


def _import_windows(
    folder: ListFolder,
    stored: StoredList,
    source: ListSource,
    options: ImportOptions,
    client: HashSharingClient,
    since: str,
) -> Json:
    now = datetime.now(UTC)
    begin = take_moment(since, "since") or datetime(2014, 1, 1, tzinfo=UTC)
    with progress() as bars:
        reading = bars.add_task("reading, pages", total=None)
        writing = bars.add_task("writing, splits", total=None)
        with folder.lock("fetch"):
            with folder.lock():
                stored.fix_source(source)
            windows = fetch_windows(
                client,
                stored,
                WindowPlan(begin),
                now,
                lambda pages: bars.update(reading, completed=pages),
            )
            report = stage_import(
                folder,
                stored.list_id,
                source,
                windows.sequences(),
                replace(options, checkpoint=windows.checkpoint),
                now,
                lambda done, total: bars.update(writing, completed=done, total=total),
            )
            windows.clear()
    return report


def _say_report(report: Json) -> None:
    say(f"{report['list']}, version {report['version']} ({report['purpose']})")
    say(f"  {report['records']} records, {report['hashes']} hashes")
    say(f"  {report['new']} new, {report['gone']} gone, {report['same']} as before")
    for title in ("live", "refused", "held", "not_matchable", "malformed"):
        for name, number in report[title].items():
            say(f"  {title.replace('_', ' ')}: {number} {name}")
    for reason in report["quarantined"]:
        say(f"  quarantined: {reason}")


@list_app.command()
def report(
    list_id: ListId,
    store: Store = _DEFAULT_STORE,
    live: Annotated[bool, typer.Option("--live", help="The live version's report.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the staged version would change, or what the live one is."""
    stored = ListFolder(store).open(list_id)
    stored.read_source()
    version = stored.live_version if live else stored.staged_version or stored.live_version
    if not version:
        raise ConfigError("the list has no such version", hint="veilmatch list import makes one")
    value = stored.read_report(version)
    _say_report(value)
    if as_json:
        print_json(value)


def _screen(
    folder: ListFolder,
    list_id: str,
    paths: list[Path],
    paint: int,
    contact: Path | None,
    kind: str,
) -> Json:
    """Quarantine what harmless pictures meet in a list; returns counts."""
    # Loaded only where it is wanted: an import needs no codecs, and holds to its memory.
    from veilmatch.cli.publisher.screening import hash_corpus, report_met
    from veilmatch.hashbench.calibrate.contact import ContactItem, probes_of

    corpus = hash_corpus(paths, paint, contact, kind)
    met = quarantine_met(folder, list_id, kind, probes_of(corpus))
    items = [
        ContactItem(list_id, one.entry_id or f"unnamed {place}", one.hash_count, one.pictures)
        for place, one in enumerate(met, start=1)
    ]
    return report_met(corpus, items, contact)


@list_app.command(name="promote")
def promote_list(
    list_id: ListId,
    store: Store = _DEFAULT_STORE,
    accept_quarantine: Annotated[
        str, typer.Option(help="Why a quarantined version is taken all the same.")
    ] = "",
    corpus: CorpusPaths = None,
    paint: Paint = 0,
    contact: Contact = None,
    kind: Annotated[str, typer.Option(help="The kind of hash that is screened.")] = "lfh",
    as_json: AsJson = False,
) -> None:
    """Make the staged version live; with a corpus, without what harmless pictures meet."""
    if corpus or paint:
        _screen(ListFolder(store), list_id, corpus or [], paint, contact, kind)
    value = promote(ListFolder(store), list_id, datetime.now(UTC), accept=accept_quarantine)
    say(f"{list_id}: version {value['version']} is live")
    if as_json:
        print_json(value)


@list_app.command()
def screen(
    list_id: ListId,
    store: Store = _DEFAULT_STORE,
    corpus: CorpusPaths = None,
    paint: Paint = 0,
    contact: Contact = None,
    kind: Annotated[str, typer.Option(help="The kind of hash that is screened.")] = "lfh",
    as_json: AsJson = False,
) -> None:
    """Quarantine the entries that harmless pictures meet, and write a contact report."""
    value = _screen(ListFolder(store), list_id, corpus or [], paint, contact, kind)
    if as_json:
        print_json(value)


@list_app.command()
def withdraw(
    list_id: ListId,
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
    store: Store = _DEFAULT_STORE,
    entry: Annotated[list[str] | None, typer.Option(help="An entry id; may repeat.")] = None,
    whole: Annotated[bool, typer.Option("--all", help="The whole list.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take single entries, or a whole list, out of everything that is built from now on."""
    folder = ListFolder(store)
    if whole == bool(entry):
        raise ConfigError("give either --entry or --all", setting="entry")
    count = found = 0
    if whole:
        withdraw_list(folder, list_id, reason, datetime.now(UTC))
        say(f"{list_id}: withdrawn; nothing of it counts any more")
    else:
        wanted = set(entry or [])
        count = withdraw_entries(folder, list_id, wanted, reason)
        found = folder.open(list_id).count_found(wanted)
        say(f"{list_id}: {count} entries withdrawn that were not before")
        if found < len(wanted):
            say(f"  {len(wanted) - found} of them are not in the list now: check the ids")
    say("build a new release now, so that devices forget it as well")
    if as_json:
        print_json({"list": list_id, "all": whole, "entries": count, "found": found})


@list_app.command()
def status(store: Store = _DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Show every list: what is live, staged, quarantined, withdrawn."""
    folder = ListFolder(store)
    lists = describe_lists(folder)
    for one in lists:
        one["feedback_waiting"] = len(Outbox(folder.open(one["list"])).list_waiting())
        live = ", ".join(f"{number} {kind}" for kind, number in one["live"].items()) or "nothing"
        state = "withdrawn" if one["withdrawn"] else f"live: {live}"
        say(f"{one['list']} ({one['source']}, {one['jurisdiction']}, {one['purpose']}): {state}")
        if one["staged_version"]:
            what = "quarantined" if one["quarantined"] else "staged"
            say(f"  version {one['staged_version']} {what}")
    if not lists:
        say("no list was imported yet")
    if as_json:
        print_json({"lists": lists})


@list_app.command()
def intersect(
    out: Annotated[Path, typer.Option(help="A new folder for the result.")],
    store: Store = _DEFAULT_STORE,
    kind: Annotated[str, typer.Option(help="The kind of hash.")] = "pdq",
    min_jurisdictions: Annotated[int, typer.Option(min=1, help="At least this many.")] = 2,
    lists: Annotated[list[str] | None, typer.Option("--list", help="A list; all if none.")] = None,
    json_lines: Annotated[bool, typer.Option("--jsonl", help="Also hashes.jsonl.")] = False,
    memory: Annotated[
        int, typer.Option(min=64, help="MiB for the database.")
    ] = INTERSECT_MEMORY_MIB,
    as_json: AsJson = False,
) -> None:
    """Write the hashes that enough jurisdictions list."""
    with progress() as bars:
        task = bars.add_task("intersecting, splits", total=None)
        result = intersect_lists(
            ListFolder(store),
            lists or [],
            kind,
            min_jurisdictions,
            out,
            json_lines=json_lines,
            memory_mib=memory,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    say(f"{result['count']} hashes of at least {min_jurisdictions} jurisdictions: {out}")
    if as_json:
        print_json(result)


@list_app.command()
def feedback(
    list_id: ListId,
    verdict: Annotated[str, typer.Option(help="affirmative or negative.")],
    member: Annotated[str, typer.Option(help="Who gave the entry.")],
    entry: Annotated[str, typer.Option(help="The entry's id.")],
    kind: Annotated[str, typer.Option(help="Which of its hashes matched.")],
    reason: Annotated[list[str] | None, typer.Option(help="The source's reason id.")] = None,
    store: Store = _DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Queue what a review found, for the source."""
    stored = ListFolder(store).open(list_id)
    stored.read_source()
    queued = Outbox(stored).add(Feedback(member, entry, kind, verdict, tuple(reason or ())))
    say("queued" if queued else "the same feedback was queued or sent before")
    if as_json:
        print_json({"list": list_id, "queued": queued})


@list_app.command()
def deliver(
    list_id: ListId,
    address: Address,
    user: User,
    password_file: Password = None,
    store: Store = _DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Send the queued feedback to the source."""
    stored = ListFolder(store).open(list_id)
    stored.read_source()
    with open_client(address, user, password_file) as client:

        def send(one: Feedback) -> None:
            reasons = None if one.verdict == AFFIRMATIVE else one.reasons
            client.send_feedback(one.member, one.entry_id, one.kind, reasons=reasons)

        count = Outbox(stored).deliver(send)
    say(f"{count} sent")
    if as_json:
        print_json({"list": list_id, "sent": count})


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(list_app, name="list")
