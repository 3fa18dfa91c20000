"""``veilmatch client``: the device's side on the command line, for hosts and for trying out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from veilmatch.cli.console import print_json, progress, say
from veilmatch.cli.options import AsJson
from veilmatch.client.account_file import load_account_file, save_account_file
from veilmatch.client.policy_file import load_policy
from veilmatch.client.release_store import ReleaseUpdate
from veilmatch.client.sdk import Client
from veilmatch.client.session import ClientOptions
from veilmatch.client.steps.reports import AddReport, SendReport
from veilmatch.errors import ConfigError

app = typer.Typer(
    name="client",
    help="Hash pictures on this device, make vouchers, and upload them.",
    no_args_is_help=True,
)

State = Annotated[
    Path,
    typer.Option("--state", envvar="VEILMATCH_STATE", help="The client's state file."),
]
Threads = Annotated[int, typer.Option("--threads", min=1, max=64, help="Cores to use.")]
Paths = Annotated[list[Path], typer.Argument(help="Picture files or folders.")]
Releases = Annotated[
    str | None,
    typer.Option("--releases", help="Where the release files are, if not at the service."),
]
_STATE = Path("veilmatch-client.db")


@contextmanager
def _bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress on standard error."""
    with progress() as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _finish(as_json: bool, value: dict[str, Any], text: str) -> None:
    if as_json:
        print_json(value)
    else:
        say(text)


def _open(state: Path, threads: int = 1) -> Client:
    return Client.open(state, options=ClientOptions(threads=threads))


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _release_json(release: ReleaseUpdate | None) -> dict[str, Any] | None:
    return asdict(release) if release else None


def _release_text(release: ReleaseUpdate) -> str:
    news = "new release" if release.changed else "release in use"
    return (
        f"{news}: epoch {release.epoch}, {release.rows} rows, valid until "
        f"{_when(release.expires_at)}; every check passed\n"
        f"false openings: {f'declared {release.claim}' if release.claim else 'nothing is declared'}"
    )


def _add_json(report: AddReport) -> dict[str, Any]:
    return {
        "added": report.added,
        "known": report.known,
        "refused": dict(sorted(report.refused.items())),
    }


def _refused_text(refused: dict[str, int]) -> str:
    if not refused:
        return ""
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(refused.items()))
    return f"\nnot hashed, so not checked: {sum(refused.values())} ({reasons})"


def _add_text(report: AddReport) -> str:
    return f"added: {report.added}, known already: {report.known}" + _refused_text(report.refused)


def _send_text(report: SendReport) -> str:
    text = f"sent: {report.sent} vouchers"
    if report.deleted:
        text += f", {report.deleted} deletions"
    if report.remade:
        text += f"; made again for a newer release: {report.remade}"
    if report.waiting:
        text += f"\nwaiting for their picture, to be made again: {report.waiting}"
    return text


def _add_all(client: Client, paths: list[Path]) -> AddReport:
    total = AddReport()
    for path in paths:
        with _bar("hashing") as show:
            report = client.add_folder(path, show)
        total.added += report.added
        total.known += report.known
        total.refused.update(report.refused)
    return total


@app.command()
def init(
    server: Annotated[str, typer.Option("--server", help="The service's address.")],
    trust: Annotated[Path, typer.Option("--trust", help="The trust file: what to accept.")],
    state: State = _STATE,
    releases: Releases = None,
    account: Annotated[
        Path | None,
        typer.Option("--account", help="An account export: be one more device of it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the state file of a client: a fresh account, or one more device of an account."""
    exported = load_account_file(account) if account else None
    policy = load_policy(trust)
    made = Client.create(state, server, policy, releases=releases, account=exported)
    with made as client:
        known = sum(client.status().kinds.values())
    text = f"client state made: {state}\nit holds the account's secret; keep it to yourself"
    _finish(as_json, {"state": str(state), "assets": known}, text)


@app.command()
def update(
    state: State = _STATE,
    server: Annotated[
        str | None, typer.Option("--server", help="The service's address from now on.")
    ] = None,
    releases: Releases = None,
    trust: Annotated[
        Path | None, typer.Option("--trust", help="The trust file from now on.")
    ] = None,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Fetch the service's release and check it; the old one stays until all checks pass."""
    policy = load_policy(trust) if trust else None
    options = ClientOptions(threads=threads)
    with (
        Client.open(
            state, server=server, releases=releases, policy=policy, options=options
        ) as client,
        _bar("fetching the table") as show,
    ):
        release = client.update_release(show)
    _finish(as_json, {"release": _release_json(release)}, _release_text(release))


@app.command()
def add(paths: Paths, state: State = _STATE, threads: Threads = 1, as_json: AsJson = False) -> None:
    """Hash pictures and make their vouchers; nothing is sent yet."""
    with _open(state, threads) as client:
        report = _add_all(client, paths)
    _finish(as_json, {"add": _add_json(report)}, _add_text(report))


@app.command()
def send(state: State = _STATE, threads: Threads = 1, as_json: AsJson = False) -> None:
    """Send what waits: deletions, then vouchers."""
    with _open(state, threads) as client, _bar("sending") as show:
        report = client.send(show)
    _finish(as_json, {"send": asdict(report)}, _send_text(report))


@app.command()
def run(paths: Paths, state: State = _STATE, threads: Threads = 1, as_json: AsJson = False) -> None:
    """Update, add and send in one go. Stop it at any time and start it again."""
    with _open(state, threads) as client:
        with _bar("fetching the table") as show:
            release = client.update_release(show)
        added = _add_all(client, paths)
        with _bar("sending") as show:
            sent = client.send(show)
    value = {"release": _release_json(release), "add": _add_json(added), "send": asdict(sent)}
    text = "\n".join([_release_text(release), _add_text(added), _send_text(sent)])
    _finish(as_json, value, text)


@app.command()
def delete(paths: Paths, state: State = _STATE, as_json: AsJson = False) -> None:
    """Delete the vouchers of pictures at the service; the files themselves stay."""
    with _open(state) as client:
        ids = dict.fromkeys(asset_id for path in paths for asset_id in client.find_assets(path))
        if not ids:
            raise ConfigError(
                "nothing was ever added from the paths given",
                setting="path",
                hint="give the paths as they were given to veilmatch client add",
            )
        deleted = client.delete(ids)
    _finish(as_json, {"deleted": deleted}, f"deleted: {deleted} vouchers")


@app.command()
def status(
    state: State = _STATE,
    kinds: Annotated[
        bool,
        typer.Option("--kinds", help="Also count the kinds of vouchers; for your eyes only."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say where this client stands."""
    with _open(state) as client:
        now = client.status()
    value: dict[str, Any] = {
        "queued": now.queued,
        "waiting": now.waiting,
        "sent": now.sent,
        "deleting": now.deleting,
        "refused": now.refused,
        "release": _release_json(now.release),
        "release_error": str(now.release_error) if now.release_error else None,
    }
    lines = [f"vouchers: {now.sent} sent, {now.queued} waiting to be sent"]
    if now.waiting:
        lines.append(f"waiting for their picture, to be made again: {now.waiting}")
    if now.deleting:
        lines.append(f"deletions waiting to be sent: {now.deleting}")
    if now.release_error:
        lines.append(f"release: {now.release_error}")
    else:
        lines.append(_release_text(now.release) if now.release else "release: none yet")
    if kinds:
        value["kinds"] = now.kinds
        lines.append("kinds: " + ", ".join(f"{n} {kind}" for kind, n in now.kinds.items()))
    _finish(as_json, value, "\n".join(lines) + _refused_text(now.refused))


@app.command("export-account")
def export_account(
    out: Annotated[Path, typer.Option("--out", help="The new file; only you can read it.")],
    state: State = _STATE,
    as_json: AsJson = False,
) -> None:
    """Write account secret and decisions to a file, for another device of this account."""
    with _open(state) as client:
        save_account_file(out, client.export_account())
    text = (
        f"account written: {out}\n"
        "whoever has it can open everything this account sealed: move it over an end-to-end "
        "encrypted channel, never through the service, and remove it afterwards"
    )
    _finish(as_json, {"account": str(out)}, text)


@app.command("import-account")
def import_account(
    account: Annotated[Path, typer.Option("--account", help="The other device's export.")],
    state: State = _STATE,
    as_json: AsJson = False,
) -> None:
    """Take over what another device of this account decided since."""
    with _open(state) as client:
        news = client.import_account(load_account_file(account))
    _finish(as_json, {"news": news}, f"taken over: {news} decisions")


def register(root: typer.Typer) -> None:
    """Add the commands to the program."""
    root.add_typer(app, name="client")
