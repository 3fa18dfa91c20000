"""``veilmatch client host-init|watch|sidecar|whose``: for hosts without a client of their own."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veilmatch.cli.console import err, print_json, say
from veilmatch.cli.device.client_commands import app as client_app
from veilmatch.cli.stopping import stop_at_signal
from veilmatch.client.policy_file import load_policy
from veilmatch.client.session import ClientOptions
from veilmatch.errors import ConfigError, UnavailableError
from veilmatch.secret import SecretBytes
from veilmatch.wire import is_loopback

# The hosts' room is loaded by the commands that need it: this module is loaded with every
# command of the client.
if TYPE_CHECKING:
    from veilmatch.hosts.watch import WatchRound

Data = Annotated[Path, typer.Option("--data", help="The host's folder: accounts and release.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Threads = Annotated[int, typer.Option("--threads", min=1, max=64, help="Cores to use.")]
_ACCOUNT_LEN = 16
_MIN_TOKEN_LEN = 32


def host_init(
    server: Annotated[str, typer.Option("--server", help="The matching service's address.")],
    trust: Annotated[Path, typer.Option("--trust", help="The trust file: what to accept.")],
    data: Data,
    as_json: AsJson = False,
) -> None:
    """Make the folder of a host that plays the client for its users."""
    from veilmatch.hosts.accounts import HostAccounts

    HostAccounts.create(data, server, load_policy(trust))
    if as_json:
        print_json({"data": str(data)})
    else:
        say(f"host made: {data}\nit holds its users' account secrets; keep it to the host alone")


def _round_json(found: WatchRound) -> dict[str, Any]:
    value = asdict(found)
    value["refused"] = dict(sorted(found.refused.items()))
    value["sent"]["failed"] = dict(found.sent.failed)
    return value


def _round_text(found: WatchRound) -> str:
    text = f"added {found.added}, known {found.known}, sent {found.sent.sent}"
    if found.unsettled:
        text += f", still being written {found.unsettled}"
    if found.gone:
        text += f", deleted {found.gone}"
    if found.refused:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(found.refused.items()))
        text += f"; not hashed, so not checked: {sum(found.refused.values())} ({reasons})"
    if found.sent.failed:
        text += f"; not sent yet for {found.sent.failed.total()} users, kept for the next round"
    return text


def _is_news(found: WatchRound) -> bool:
    sent = found.sent
    return bool(
        found.added or found.gone or found.refused or sent.sent or sent.deleted or sent.failed
    )


def watch(
    folder: Annotated[Path, typer.Argument(help="Uploads; each folder below is one user.")],
    data: Data,
    user: Annotated[
        str, typer.Option("--user", help="All files are this user's; no folder per user.")
    ] = "",
    delete_gone: Annotated[
        bool, typer.Option("--delete-gone", help="Delete vouchers whose file is gone.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Look once, then stop.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", min=0.2, max=3600.0, help="Seconds between two looks.")
    ] = 5.0,
    update_every: Annotated[
        float,
        typer.Option("--update-every", min=1.0, help="Seconds between looks for a release."),
    ] = 3600.0,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Watch a folder of uploads: make and send a voucher for every picture in it."""
    from veilmatch.hosts.accounts import HostAccounts
    from veilmatch.hosts.watch import Watch, refresh

    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    with HostAccounts(data, ClientOptions(threads=threads)) as accounts:
        looker = Watch(accounts, folder, one_user=user, is_deleting=delete_gone)
        updated_at = float("-inf")
        while not stop.is_set():
            if time.monotonic() - updated_at >= update_every:
                notice = refresh(accounts)
                if notice:
                    err.print(f"the release was not updated: {notice}", markup=False)
                else:
                    updated_at = time.monotonic()
            found = looker.look()
            if as_json and (once or _is_news(found)):
                print_json(_round_json(found))
            elif once or _is_news(found):
                say(_round_text(found))
            if once:
                break
            stop.wait(interval)


def _token_for(host: str, path: Path | None) -> SecretBytes | None:
    if path is None:
        if is_loopback(host):
            return None
        raise ConfigError(
            "an address that others reach needs a token",
            setting="token",
            hint="--token FILE, or listen on 127.0.0.1",
        )
    token = path.read_bytes().strip()
    if len(token) < _MIN_TOKEN_LEN:
        raise ConfigError(
            f"the sidecar's token has fewer than {_MIN_TOKEN_LEN} characters",
            setting="token",
            hint="make one: openssl rand -hex 32 > token",
        )
    return SecretBytes(token)


def sidecar(
    data: Data,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port.")] = 8473,
    token: Annotated[
        Path | None,
        typer.Option("--token", help="File with the token that callers must show."),
    ] = None,
    max_picture_mib: Annotated[
        int, typer.Option("--max-picture-mib", min=1, max=1024, help="Largest picture.")
    ] = 64,
    send_every: Annotated[
        float, typer.Option("--send-every", min=0.1, max=3600.0, help="Seconds between sends.")
    ] = 2.0,
    threads: Threads = 1,
) -> None:
    """Run the HTTP server that a host's own software hands pictures to: POST /scan."""
    try:
        import uvicorn

        from veilmatch.hosts.accounts import HostAccounts
        from veilmatch.hosts.sidecar import SidecarSettings, create_sidecar
    except ModuleNotFoundError as exc:
        raise ConfigError(
            "the sidecar needs parts that are not installed",
            hint="pip install 'veilmatch[server]'",
        ) from exc
    shown = _token_for(host, token)
    with HostAccounts(data):  # a wrong folder is told before the server starts
        pass
    settings = SidecarSettings(
        data=data,
        token=shown,
        max_picture_len=max_picture_mib << 20,
        send_every_s=send_every,
    )
    application = create_sidecar(settings, ClientOptions(threads=threads))
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            host=host,
            port=port,
            http="h11",
            log_level="critical",
            access_log=False,
            date_header=False,
            server_header=False,
        )
    )
    stop_at_signal(server)
    say(f"sidecar on http://{host}:{port}/scan")
    server.run()
    if not server.started:
        raise UnavailableError(
            f"the sidecar cannot listen on {host}:{port}", hint="is the port in use?"
        )


def whose(
    account: Annotated[str, typer.Argument(help="The pseudonym that the service named.")],
    data: Data,
    as_json: AsJson = False,
) -> None:
    """Say which of the host's users an account is, once the service has confirmed a case."""
    from veilmatch.hosts.accounts import HostAccounts

    try:
        wanted = bytes.fromhex(account)
    except ValueError:
        wanted = b""
    if len(wanted) != _ACCOUNT_LEN:
        raise ConfigError("an account has 32 hexadecimal digits", setting="account")
    with HostAccounts(data) as accounts:
        user = accounts.find_user(wanted)
    if user is None:
        raise ConfigError("no user of this host is that account", setting="account")
    if as_json:
        print_json({"user": user})
    else:
        say(user)


def register(_root: typer.Typer) -> None:
    """Add the commands to ``veilmatch client``, which stands in the program already."""
    client_app.command("host-init")(host_init)
    client_app.command()(watch)
    client_app.command()(sidecar)
    client_app.command()(whose)
