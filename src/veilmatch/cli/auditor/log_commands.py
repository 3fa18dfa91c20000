"""``veilmatch log``, ``witness``, ``monitor``, ``audit`` and ``audit-bundle``."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.cli.auditor.log_files import read_envelope, read_policy, read_trust
from veilmatch.cli.auditor.private_audit import audit_private_log, is_private_log
from veilmatch.cli.console import out as screen
from veilmatch.cli.console import print_json, say
from veilmatch.cli.key_files import open_provider_key
from veilmatch.cli.options import AsJson
from veilmatch.cli.provider.provider_release import attest
from veilmatch.clock import DAY_S, system_clock
from veilmatch.errors import ConfigError, UnavailableError
from veilmatch.hashlist.statement import statement_signer
from veilmatch.logstore.audit_file import MARKS, Options, audit_files, verdict
from veilmatch.logstore.follow import Follower
from veilmatch.logstore.log import Log, begin_log
from veilmatch.logstore.log_folder import LogFolder, read_note
from veilmatch.logstore.remote import ask_witness, open_log
from veilmatch.logstore.state import SignedTrees, load_note_signer, save_note_key
from veilmatch.logstore.statements import (
    add_history,
    add_metadata,
    build_bundle,
    build_release_statement,
    build_root_statement,
)
from veilmatch.release.manifest import MANIFEST
from veilmatch.secret import SecretBytes
from veilmatch.site.published import read_published
from veilmatch.site.release_site import ReleaseSite
from veilmatch.store.files import read_file, write_atomic
from veilmatch.table.blinded_table import parse_table, verify_rows
from veilmatch.transparency.audits.audit import Outcome
from veilmatch.transparency.audits.metadata_form import METADATA_LEN_MAX
from veilmatch.transparency.checkpoint import parse_checkpoint
from veilmatch.transparency.entries.entry import Statement, parse_statement
from veilmatch.transparency.entries.envelope import (
    sign_payload,
)
from veilmatch.transparency.key import SignatureType, VerifierKey, parse_verifier_key

log_app = typer.Typer(no_args_is_help=True, help="Log operators: begin, append, show, state.")
witness_app = typer.Typer(no_args_is_help=True, help="Witnesses: begin, serve.")

KEY, STATE = "note.key", "trees.sqlite"
_COLOURS = {Outcome.OK: "green", Outcome.FAILED: "bold red", Outcome.SKIPPED: "yellow"}

Folder = Annotated[Path, typer.Option(help="Folder of the log's public files.")]
State = Annotated[Path, typer.Option(help="Folder of the key and the database; keep it apart.")]
PolicyFile = Annotated[Path, typer.Option(help="The policy: log, witnesses, quorum.")]
Where = Annotated[str, typer.Argument(help="A log: its folder, or its http(s) address.")]
ProviderKeys = Annotated[list[Path], typer.Option("--key", help="A signer's private key file.")]
Out = Annotated[Path, typer.Option(help="Where the file goes.")]


def _make_key(state: Path, name: str, kind: SignatureType) -> VerifierKey:
    """Make the database before the key: a key without its database is refused ever after."""
    if (state / KEY).exists():
        raise ConfigError(f"there is a key already: {state / KEY}", hint="choose another folder")
    SignedTrees(state / STATE, make=True)
    seed = SecretBytes.generate().reveal()
    return save_note_key(state / KEY, name, kind, seed).key


@log_app.command(name="init")
def log_init(
    origin: Annotated[str, typer.Option(help="Name of the log, for ever: log.example/lists.")],
    log: Folder,
    state: State,
    as_json: AsJson = False,
) -> None:
    """Begin a log: a key, a database, and the empty tree."""
    folder = LogFolder(log)
    if folder.has_checkpoint():
        raise ConfigError(f"there is a log already: {log}", hint="give another folder")
    key = _make_key(state, origin, SignatureType.ED25519)
    begin_log(folder, SignedTrees(state / STATE), load_note_signer(state / KEY))
    say(f"log {origin} begun in {log}\nits line in a policy:\nlog {key.to_bytes().decode()}")
    if as_json:
        print_json({"origin": origin, "key": key.to_bytes().decode()})


@log_app.command(name="append")
def log_append(
    log: Folder,
    state: State,
    policy: PolicyFile,
    statements: Annotated[
        list[Path] | None, typer.Argument(help="Signed statements; none to be witnessed anew.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Append signed statements, have the witnesses sign, publish the checkpoint."""
    envelopes = [read_envelope(path) for path in statements or []]
    for envelope in envelopes:
        parse_statement(envelope.payload)  # nothing is published if one of them is malformed
    trees, signer = SignedTrees(state / STATE), load_note_signer(state / KEY)
    done = Log(LogFolder(log), trees, signer, read_policy(policy), ask_witness).append(envelopes)
    size = done.published.checkpoint.size
    witnesses = sorted(name.decode(errors="replace") for name in done.published.witnesses)
    say(f"{done.new_count} new entries; {size} in all; witnessed by {', '.join(witnesses) or '-'}")
    if as_json:
        found = {"places": list(done.places), "new": done.new_count, "size": size}
        print_json({**found, "witnesses": witnesses})


@log_app.command(name="show")
def log_show(
    where: Where,
    policy: Annotated[Path | None, typer.Option(help="Verify the log by this policy.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a log's newest checkpoint and its entries, verified if a policy is given."""
    read = open_log(where)
    if policy is None:
        checkpoint = parse_checkpoint(read_note(read).text)
        say(f"{checkpoint.origin}: {checkpoint.size} entries (not verified: no --policy)")
        if as_json:
            found = {"origin": checkpoint.origin, "size": checkpoint.size}
            print_json({**found, "verified": False})
        return
    view = Follower(read, read_policy(policy)).look(now_s=system_clock(), max_age_s=2**40)
    checkpoint = view.verified.checkpoint
    say(f"{checkpoint.origin}: {checkpoint.size} entries")
    for index, statement in sorted(view.statements.items()):
        say(f"{index:>6}  {statement.kind}  {statement.subjects[0].name}")
    for finding in view.findings:
        say(f"{finding.kind}: {finding.text}")
    if as_json:
        kinds = {str(index): str(one.kind) for index, one in view.statements.items()}
        found = {"origin": checkpoint.origin, "size": checkpoint.size}
        findings = [str(one.kind) for one in view.findings]
        print_json({**found, "verified": True, "entries": kinds, "findings": findings})


def write_signed(statement: Statement, keys: list[Path], path: Path, as_json: bool) -> None:
    """Sign a statement, write it and say so."""
    count = sign_to_file(statement, keys, path)
    say(f"{statement.kind}, {count} signatures: {path}")
    if as_json:
        print_json({"kind": str(statement.kind), "signatures": count})


def sign_to_file(statement: Statement, keys: list[Path], path: Path) -> int:
    """Sign a statement and write it; where it lies already, add the signatures to it.

    Returns:
        How many signatures it has now.

    Raises:
        ConfigError: Another statement lies there, or a key is missing.
    """
    payload = statement.to_bytes()
    with ExitStack() as opened:
        owners = [opened.enter_context(open_provider_key(key)) for key in keys]
        envelope = sign_payload(payload, [statement_signer(*owner) for owner in owners])
    if path.exists():  # another party signed the same statement before
        known = read_envelope(path)
        if known.payload != payload:
            raise ConfigError(f"{path} holds another statement", hint="choose another --out")
        envelope = known.add_signatures(envelope.signatures)
    write_atomic(path, envelope.to_bytes())
    return len(envelope.signatures)


@log_app.command(name="state")
def log_state(
    site: Annotated[Path, typer.Option(help="Folder of the public release files.")],
    attestation: Annotated[list[Path], typer.Option(help="A list's attestation, each.")],
    key: ProviderKeys,
    out: Out,
    as_json: AsJson = False,
) -> None:
    """State what the current release is; each party adds its signature to the same file."""
    release_site = ReleaseSite(site)
    release_id = release_site.read_current().release_id
    manifest = release_site.read_manifest(release_id)
    table = parse_table(release_site.read_table(release_id), manifest.rows)
    root = verify_rows(table).root()
    attested = [parse_statement(read_envelope(one).payload) for one in attestation]
    data = release_site.read_release_file(release_id, MANIFEST)
    statement = build_release_statement(data, root, attested)
    if statement.predicate["release_id"] != release_id.hex():
        raise ConfigError("the release's files do not give its release id", setting="site")
    write_signed(statement, key, out, as_json)


@log_app.command(name="state-root")
def log_state_root(
    root: Annotated[Path, typer.Argument(help="A root of the site: metadata/1.root.json.")],
    key: ProviderKeys,
    out: Out,
    as_json: AsJson = False,
) -> None:
    """State that a root is in force; an audit then knows that there is no other of its version."""
    data = read_file(root, "the root", max_len=METADATA_LEN_MAX["root"])
    write_signed(build_root_statement(data), key, out, as_json)


@witness_app.command(name="init")
def witness_init(
    name: Annotated[str, typer.Option(help="Name of the witness: witness.example/eu.")],
    data: Annotated[Path, typer.Option(help="Folder of the key and the database.")],
    ml_dsa: Annotated[bool, typer.Option(help="Sign with ML-DSA-44, not Ed25519.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a witness's key and its database."""
    plain, post_quantum = SignatureType.COSIGNATURE_ED25519, SignatureType.COSIGNATURE_ML_DSA_44
    key = _make_key(data, name, post_quantum if ml_dsa else plain)
    say(f"its line in a policy:\nwitness NAME {key.to_bytes().decode()} ADDRESS")
    if as_json:
        print_json({"name": name, "key": key.to_bytes().decode()})


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 picks a free one. Raises UnavailableError."""
    try:
        listener = socket.create_server((host, port))
    except (OSError, UnicodeError) as exc:
        hint = "choose another --port, or stop what listens there"
        raise UnavailableError(f"cannot listen on {host} port {port}", hint=hint) from exc
    listener.setblocking(False)
    return listener


@witness_app.command(name="serve")
def witness_serve(
    data: Annotated[Path, typer.Option(help="Folder of the key and the database.")],
    log: Annotated[list[str], typer.Option(help="Key of a log to follow, as in a policy.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 picks a free one.")] = 8463,
) -> None:
    """Cosign what logs show, if it only grew, until stopped."""
    try:  # only here: auditors and monitors do without the server parts
        import uvicorn

        from veilmatch.logstore.witness_app import Witness, create_witness_app
    except ModuleNotFoundError as exc:
        hint = "pip install 'veilmatch[server]'"
        raise ConfigError("this command needs parts that are not installed", hint=hint) from exc
    logs: dict[str, list[VerifierKey]] = {}
    for text in log:
        key = parse_verifier_key(text.encode())
        logs.setdefault(key.name, []).append(key)
    signer = load_note_signer(data / KEY)
    app = create_witness_app(Witness(SignedTrees(data / STATE), logs, [signer]))
    with listen(host, port) as listener:
        address = listener.getsockname()
        say(f"witness on http://{address[0]}:{address[1]} (Ctrl-C stops)")
        config = uvicorn.Config(
            app, http="h11", log_level="warning", server_header=False, access_log=False
        )
        uvicorn.Server(config).run(sockets=[listener])


def monitor(
    where: Where,
    policy: PolicyFile,
    memory: Annotated[
        Path | None, typer.Option(help="Folder for what was seen, and for evidence.")
    ] = None,
    trust: Annotated[Path | None, typer.Option(help="Trust file: who signs statements.")] = None,
    also: Annotated[list[str] | None, typer.Option(help="Another copy to compare with.")] = None,
    max_age: Annotated[int, typer.Option(min=1, help="Seconds; older is a freeze.")] = DAY_S,
    interval: Annotated[int, typer.Option(min=0, help="Seconds between looks; 0: one look.")] = 0,
    as_json: AsJson = False,
) -> int:
    """Look at a log and tell what does not fit; exit code 1 on a finding."""
    parties = read_trust(trust).parties if trust is not None else ()
    read, others = open_log(where), [open_log(one) for one in also or []]
    follower = Follower(read, read_policy(policy), memory=memory, parties=parties)
    seen_at = time.monotonic()
    while True:
        try:
            view = follower.look(now_s=system_clock(), max_age_s=max_age, others=others)
        except UnavailableError as exc:
            # A line that is down for a moment must not end the watch; for longer, it is as good
            # as a freeze.
            if not interval or time.monotonic() - seen_at > max_age:
                raise
            say(f"not seen this time: {exc}")
            time.sleep(interval)
            continue
        seen_at = time.monotonic()
        size = view.verified.checkpoint.size
        for finding in view.findings:
            place = f"entry {finding.index}: " if finding.index >= 0 else ""
            say(f"{finding.kind}: {place}{finding.text}")
        if not view.findings:
            say(f"{view.verified.checkpoint.origin}: {size} entries, nothing found")
        if as_json:
            found = [
                {"kind": str(one.kind), "text": one.text, "index": one.index}
                for one in view.findings
            ]
            print_json({"size": size, "findings": found})
        if view.findings or not interval:
            return int(bool(view.findings))
        time.sleep(interval)


def audit(
    bundle: Annotated[Path, typer.Argument(help="The bundle file.")],
    trust: Annotated[Path, typer.Option(help="Your own trust file.")],
    table: Annotated[Path | None, typer.Option(help="The table file, for check 11.")] = None,
    head: Annotated[
        list[Path] | None, typer.Option(help="A head of a private log that you kept.")
    ] = None,
    software: Annotated[Path | None, typer.Option(help="A program of ours, for check 26.")] = None,
    at: Annotated[str, typer.Option(help="Judge at this time: now, seconds, 2026-11-22.")] = "",
    strict: Annotated[bool, typer.Option("--strict", help="A skipped check is a failed one.")] = (
        False
    ),
    as_json: AsJson = False,
) -> int:
    """Check a release, or a private log's export, from one file; exit code 1 if a check fails.

    For a private log the trust file holds the log's public keys, one on each line.
    """
    if is_private_log(bundle):
        report = audit_private_log(bundle, trust, head or [])
    else:
        report = audit_files(bundle, trust, Options(table, software, at, strict))
    for result in report.results:
        line = f"{MARKS[result.outcome]} {result.number:>2}  {result.text}"
        reason = f"  ({result.reason})" if result.reason else ""
        screen.print(line + reason, markup=False, style=_COLOURS.get(result.outcome, "dim"))
    say(verdict(report))
    if as_json:
        print_json(report.to_json())
    return report.exit_code


def audit_bundle(
    where: Where,
    site: Annotated[Path, typer.Option(help="Folder of the public release files.")],
    policy: PolicyFile,
    out: Out,
    as_json: AsJson = False,
) -> None:
    """Make the file with which anyone checks the current release offline."""
    read, trusted, published = open_log(where), read_policy(policy), read_published(site)
    if published is not None:
        bundle = build_bundle(read, trusted, published.manifest, published.release_id)
        bundle = add_metadata(bundle, read, trusted, published.metadata)
    else:
        release_site = ReleaseSite(site)
        release_id = release_site.read_current().release_id
        manifest = release_site.read_release_file(release_id, MANIFEST)
        bundle = build_bundle(read, trusted, manifest, release_id)
        say("nothing is published yet: the bundle has no signed metadata")
    bundle = add_history(bundle, read, trusted)
    if bundle.history is None:
        say("the log is too long for one file: the bundle does not have its history")
    write_atomic(out, bundle.to_bytes())
    say(f"bundle with {len(bundle.attestations)} attestations: {out}")
    if as_json:
        found = {"bundle": str(out), "attestations": len(bundle.attestations)}
        parts = {"metadata": bundle.metadata is not None, "history": bundle.history is not None}
        print_json({**found, **parts})


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    log_app.command(name="attest")(attest)  # the same as under provider: one statement, one form
    app.add_typer(log_app, name="log")
    app.add_typer(witness_app, name="witness")
    app.command()(monitor)
    app.command()(audit)
    app.command(name="audit-bundle")(audit_bundle)
