"""``veilmatch pages`` and ``audit-trust``: for readers who check, and those who let them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from veilmatch.cli.console import print_json, say
from veilmatch.errors import ConfigError
from veilmatch.hashlist.provider import parse_provider
from veilmatch.hashlist.statement import party_key
from veilmatch.store.files import read_file, write_atomic
from veilmatch.transparency.audits.bundle import Trust
from veilmatch.transparency.audits.metadata_form import METADATA_LEN_MAX, parse_root
from veilmatch.transparency.policy import POLICY_LEN_MAX, parse_policy
from veilmatch.wire import parse_json

_PUBLIC_LEN_MAX = 4096
PolicyFile = Annotated[Path, typer.Option(help="The policy: log, witnesses, quorum.")]


def _limits(texts: list[str], option: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if (
            not name
            or not value.isascii()
            or not value.isdigit()
            or len(value) > 15
            or name in found
        ):
            raise ConfigError(f"--{option} is NAME=NUMBER, each name once", setting=option)
        found[name] = int(value)
    return found


def audit_trust(
    policy: PolicyFile,
    provider: Annotated[list[Path], typer.Option(help="A hash provider's public file, each.")],
    out: Annotated[Path, typer.Option(help="Where the trust file goes.")],
    min_parties: Annotated[int, typer.Option(help="How many of them must sign.", min=1)] = 2,
    min_jurisdictions: Annotated[int, typer.Option(help="Of how many jurisdictions.", min=1)] = 2,
    least: Annotated[
        list[str] | None, typer.Option(help="Smallest value of a parameter: min_shares=31.")
    ] = None,
    most: Annotated[
        list[str] | None, typer.Option(help="Largest value of a parameter: ad_len=10240.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="A root of the release metadata that you know: pins it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Write your own trust file: whom you believe, and within which limits."""
    parties = []
    for path in provider:
        data = read_file(path, "the provider file", max_len=_PUBLIC_LEN_MAX)
        parties.append(party_key(parse_provider(parse_json(data, "the provider file"))))
    if len({one.key_id for one in parties}) != len(parties):
        raise ConfigError("a provider is given twice", setting="provider")
    if len({one.jurisdiction for one in parties}) < min_jurisdictions or len(parties) < min_parties:
        raise ConfigError(
            "the providers are too few, or of too few jurisdictions, to ever agree",
            setting="provider",
            hint="give each provider's public file with --provider",
        )
    limits = _limits(least or [], "least"), _limits(most or [], "most")
    read = parse_policy(read_file(policy, "the policy", max_len=POLICY_LEN_MAX))
    pin = b""
    if root is not None:
        pin = parse_root(read_file(root, "the root", max_len=METADATA_LEN_MAX["root"])).pin
    trust = Trust(read, tuple(parties), min_parties, min_jurisdictions, *limits, pin)
    write_atomic(out, trust.to_bytes())
    say(f"trust file with {len(parties)} providers: {out}")
    say(f"pinned root: {pin.hex()}" if pin else "no root is pinned: --root checks the metadata too")
    if as_json:
        print_json({"trust": str(out), "parties": len(parties), "root": pin.hex()})


def pages(
    site: Annotated[Path, typer.Option(help="Folder of the public release files.")],
    log: Annotated[Path | None, typer.Option(help="Folder of the log's public files.")] = None,
    policy: Annotated[Path | None, typer.Option(help="The policy that readers are given.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 picks a free one.")] = 8464,
) -> None:
    """Serve the public pages at /transparency until stopped."""
    try:  # only here: auditors do without the server parts
        import uvicorn
        from starlette.applications import Starlette

        from veilmatch.pages.app import pages_routes
        from veilmatch.pages.library import PublicFolders
    except ModuleNotFoundError as exc:
        hint = "pip install 'veilmatch[server]'"
        raise ConfigError("this command needs parts that are not installed", hint=hint) from exc
    from veilmatch.cli.auditor.log_commands import listen

    app = Starlette(routes=pages_routes(PublicFolders(site, log, policy)))
    with listen(host, port) as listener:
        address = listener.getsockname()
        say(f"pages on http://{address[0]}:{address[1]}/transparency/ (Ctrl-C stops)")
        config = uvicorn.Config(
            app, http="h11", log_level="warning", server_header=False, access_log=False
        )
        uvicorn.Server(config).run(sockets=[listener])


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(name="audit-trust")(audit_trust)
    app.command()(pages)
