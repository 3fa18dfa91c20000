"""``veilmatch log state-parameters``, ``state-software`` and ``revoke``: statements for the log."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.cli.auditor.log_commands import Out, ProviderKeys, log_app, write_signed
from veilmatch.cli.auditor.log_files import read_envelope
from veilmatch.cli.options import AsJson
from veilmatch.clock import system_clock
from veilmatch.errors import ConfigError
from veilmatch.hashlist.provider import HashProvider, parse_provider
from veilmatch.hashlist.statement import party_key
from veilmatch.release.manifest import MANIFEST
from veilmatch.site.release_site import ReleaseSite
from veilmatch.store.files import read_file
from veilmatch.transparency.entries.entry import EntryKind, Statement, parse_statement
from veilmatch.transparency.entries.statements import (
    build_key_revocation,
    build_parameters_statement,
    build_revocation,
    build_software_statement,
)
from veilmatch.wire import parse_json

_PROVIDER_LEN_MAX = 16_384


def state_parameters(
    site: Annotated[Path, typer.Option(help="Folder of the public release files.")],
    key: ProviderKeys,
    out: Out,
    from_epoch: Annotated[
        int | None, typer.Option(min=0, help="First epoch; without it that of the release.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """State the parameters of the current release; monitors tell when they change."""
    release_site = ReleaseSite(site)
    release_id = release_site.read_current().release_id
    manifest = release_site.read_release_file(release_id, MANIFEST)
    write_signed(build_parameters_statement(manifest, from_epoch=from_epoch), key, out, as_json)


def state_software(
    files: Annotated[list[Path], typer.Argument(help="The files of this version.")],
    version: Annotated[str, typer.Option(help="Name of the version.")],
    source: Annotated[str, typer.Option(help="Where the sources are, with the commit.")],
    key: ProviderKeys,
    out: Out,
    as_json: AsJson = False,
) -> None:
    """State which files a version of the software is, by their digests."""
    if len({path.name for path in files}) != len(files):
        raise ConfigError("two files have one name", hint="give each file another name")
    digests = {path.name: _hash_file(path) for path in files}
    statement = build_software_statement(digests, version=version, source=source)
    write_signed(statement, key, out, as_json)


def revoke(
    reason: Annotated[str, typer.Option(help="Why, for everyone to read.")],
    key: ProviderKeys,
    out: Out,
    statements: Annotated[
        list[Path] | None, typer.Argument(help="Signed statements, as they are in the log.")
    ] = None,
    provider: Annotated[
        list[Path] | None, typer.Option(help="Public file of a provider whose key is revoked.")
    ] = None,
    effective_at: Annotated[
        int | None, typer.Option(min=0, help="From when on, seconds since 1970; without it now.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """State that a release, attestation, certificate, software or key no longer stands."""
    if bool(statements) == bool(provider):
        hint = "veilmatch log revoke old.statement …, or --provider old.json"
        raise ConfigError("name either statements or providers to revoke", hint=hint)
    since = _since(out) if effective_at is None else effective_at
    if provider:
        keys = [party_key(_read_provider(path)) for path in provider]
        statement = build_key_revocation(keys, reason=reason, effective_at=since)
    else:
        revoked = [_read_statement(path) for path in statements or []]
        statement = build_revocation(revoked, reason=reason, effective_at=since)
    write_signed(statement, key, out, as_json)


def _read_statement(path: Path) -> Statement:
    return parse_statement(read_envelope(path).payload)


def _read_provider(path: Path) -> HashProvider:
    data = read_file(path, "the provider file", max_len=_PROVIDER_LEN_MAX)
    return parse_provider(parse_json(data, "the provider file"))


def _since(out: Path) -> int:
    """The time that the first who signed wrote: the others sign the same statement."""
    if not out.exists():
        return system_clock()
    known = _read_statement(out)
    if known.kind is not EntryKind.REVOCATION:
        raise ConfigError(f"{out} holds another statement", hint="choose another --out")
    return int(str(known.predicate["effective_at"]))


def _hash_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def register(_root: typer.Typer) -> None:
    """Add the commands to ``veilmatch log``, which stands in the program already."""
    log_app.command("state-parameters")(state_parameters)
    log_app.command("state-software")(state_software)
    log_app.command("revoke")(revoke)
