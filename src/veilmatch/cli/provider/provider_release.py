"""``veilmatch provider attest``, ``inspect`` and ``certify``: lists and releases.

What a provider checks before it signs, once, as numbers; the code repeats them. Offline.

K-1  the manifest parses
K-2  every row of the table is a valid element, and all are distinct
K-3  release id, manifest and Merkle root fit together
K-4  the publisher knows the secret behind the table
K-5  the release has not expired and is not from the future
K-6  the lists come from enough jurisdictions
K-7  the provider's own list is in it, with the commitment and count it knows

Spec: ``spec/27-provider-kit.md`` section 4.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.cli.console import print_json, progress, say
from veilmatch.cli.key_files import open_provider_key
from veilmatch.cli.options import RUN_DATA, AsJson, EngineText, RunData
from veilmatch.clock import system_clock
from veilmatch.errors import (
    ConfigError,
    EncodingError,
    Error,
    ExpiredError,
    LengthError,
    ParameterError,
    TableError,
    VerificationError,
)
from veilmatch.hashlist.hash_list import parse_hash_list
from veilmatch.hashlist.provider import HashProvider, parse_provider
from veilmatch.hashlist.statement import (
    OwnList,
    build_certificate,
    build_list_attestation,
    read_attested_list,
    sign_statement,
)
from veilmatch.hazmat.proof import verify_knowledge
from veilmatch.release.manifest import Manifest, knowledge_binding
from veilmatch.release.trusted_release import CLOCK_SKEW_S
from veilmatch.site.release_site import CheckTable, ReleaseSite
from veilmatch.store.files import read_file, write_atomic
from veilmatch.transparency.entries.envelope import Envelope, parse_envelope
from veilmatch.wire import Json, parse_json

MIN_JURISDICTIONS = 2
_ENVELOPE_LEN_MAX = 1 << 20
_PUBLIC_LEN_MAX = 4096
CHECKS = (
    "the manifest parses",
    "every row of the table is a valid element, and all are distinct",
    "release id, manifest and Merkle root fit together",
    "the publisher knows the secret behind the table",
    "the release has not expired and is not from the future",
    "the lists come from enough jurisdictions",
    "the provider's own list is in it, with the commitment and count it knows",
)

KeyFile = Annotated[Path, typer.Option("--key", help="The provider's private key file.")]
Site = Annotated[Path, typer.Option(help="The folder of the published release.")]
OwnListFile = Annotated[Path | None, typer.Option("--list", help="The provider's own signed list.")]
Attestation = Annotated[
    Path | None, typer.Option(help="The provider's own attestation, instead of its list.")
]
Out = Annotated[Path, typer.Option(help="Where the signed statement goes.")]


@dataclass(frozen=True)
class Asker:
    """Who checks a release: the provider, and its list if it brought it along."""

    provider: HashProvider | None
    own: OwnList | None


@dataclass
class Inspection:
    """What checking a release found: one line for each check, up to the first that failed."""

    release_id: bytes
    done: int = 0
    skipped: str = ""
    error: Error | None = None
    manifest: Manifest | None = None
    own: OwnList | None = None

    def require_good(self) -> Manifest:
        """Return the manifest of a release that passed. Raises the error of the failed check."""
        if self.error is not None:
            raise self.error
        assert self.manifest is not None
        return self.manifest


def inspect_release(
    site: ReleaseSite, asker: Asker, now: int, check_table: CheckTable | None = None
) -> Inspection:
    """Check the current release as a provider does, K-1 to K-7; the first failure ends it.

    Args:
        site: Where the release lies.
        asker: Who checks it.
        now: Seconds since 1970.
        check_table: Checks the rows on an engine; None for this process.

    Raises:
        ConfigError: The site holds no release.
    """
    found = Inspection(site.read_current().release_id)

    def parse() -> None:  # K-1
        found.manifest = site.read_manifest(found.release_id)

    def verify_files() -> None:  # K-2 (TableError) and K-3
        if check_table is None:
            site.verify_release_files(found.release_id)
        else:
            site.verify_release_files(found.release_id, check_table)

    checks: tuple[Callable[[], None], ...] = (
        parse,
        verify_files,
        lambda: None,  # K-3 was decided with K-2
        lambda: _check_knowledge(found),
        lambda: _check_time(found, now),
        lambda: _check_jurisdictions(found),
        lambda: _check_own(found, asker),
    )
    with progress() as bars:
        task = bars.add_task("checking the release", total=len(checks))
        for number, check in enumerate(checks):
            try:
                check()
            except (VerificationError, EncodingError, LengthError) as exc:
                late = check is verify_files and not isinstance(exc, TableError)
                found.done, found.error = number + late, exc
                return found
            bars.advance(task)
    found.done = len(checks)
    return found


def _manifest(found: Inspection) -> Manifest:
    assert found.manifest is not None
    return found.manifest


def _check_knowledge(found: Inspection) -> None:  # K-4
    manifest = _manifest(found)
    try:
        binding = knowledge_binding(manifest.table_nonce, manifest.epoch)
        verify_knowledge(manifest.public, binding, manifest.knowledge)
    except EncodingError as exc:
        raise TableError("the release's public value is not a valid element") from exc


def _check_time(found: Inspection, now: int) -> None:  # K-5
    manifest = _manifest(found)
    if now >= manifest.expires_at:
        raise ExpiredError("the release has expired", hint="ask the publisher for a newer one")
    if manifest.created_at > now + CLOCK_SKEW_S:
        raise ExpiredError("the release is from the future", hint="check this machine's clock")


def _check_jurisdictions(found: Inspection) -> None:  # K-6
    manifest = _manifest(found)
    least = manifest.parameters.min_jurisdictions
    if least < MIN_JURISDICTIONS:
        raise ParameterError("the release lets one jurisdiction decide alone")
    if len({source.provider.jurisdiction for source in manifest.sources}) < least:
        raise ParameterError("the release names lists of too few jurisdictions")


def _check_own(found: Inspection, asker: Asker) -> None:  # K-7
    if asker.provider is None:
        found.skipped = "no --provider was given"
        return
    named = [one for one in _manifest(found).sources if one.provider == asker.provider]
    hint = "do not sign; ask the publisher which list went in"
    if not named:
        raise VerificationError("no list of this provider is in the release", hint=hint)
    if asker.own is None:
        found.own = OwnList(named[0].commitment, named[0].count)
        return
    if not any(
        (one.commitment, one.count) == (asker.own.commitment, asker.own.count) for one in named
    ):
        raise VerificationError(
            "the release was made from another list of this provider", hint=hint
        )
    found.own = asker.own


def _read_envelope(path: Path) -> Envelope:
    return parse_envelope(read_file(path, "the signed statement", max_len=_ENVELOPE_LEN_MAX))


def read_asker(provider: HashProvider, own: Path | None, attestation: Path | None) -> Asker:
    """Read what a provider brings along to find its list in a release.

    Raises:
        ConfigError: Both, or a file is not there. VerificationError: Another provider's.
        EncodingError, SignatureError: The attestation is malformed, or not by this provider.
    """
    if own is not None and attestation is not None:
        raise ConfigError("give either --list or --attestation", setting="list")
    if attestation is not None:
        return Asker(provider, read_attested_list(_read_envelope(attestation), provider))
    if own is None:
        return Asker(provider, None)
    listed = parse_hash_list(read_file(own, "the hash list"))
    if listed.provider != provider:
        raise VerificationError("the list is not this provider's")
    return Asker(provider, OwnList(listed.commitment, len(listed.hashes)))


def attest(
    hash_list: Annotated[Path, typer.Option("--list", help="The provider's signed hash list.")],
    key: KeyFile,
    out: Out,
    as_json: AsJson = False,
) -> None:
    """State which list a provider hands over: its commitment and count, no hash."""
    listed = parse_hash_list(read_file(hash_list, "the hash list"))
    with open_provider_key(key) as (provider, signing_key):
        if provider != listed.provider:
            raise ConfigError("the key is not that of the list's provider", setting="key")
        statement = build_list_attestation(listed, as_of_at=system_clock())
        envelope = sign_statement(statement, provider, signing_key)
    write_atomic(out, envelope.to_bytes())
    say(f"attestation of {len(listed.hashes)} hashes by {provider.name}: {out}")
    if as_json:
        found = {"kind": str(statement.kind), "commitment": listed.commitment.hex()}
        print_json({**found, "entry": statement.to_entry().hex(), "count": len(listed.hashes)})


def _describe(found: Inspection) -> Json:
    manifest = found.manifest
    if manifest is None:
        return {}
    return {
        **manifest.to_json(),
        "jurisdictions": sorted({one.provider.jurisdiction for one in manifest.sources}),
    }


def _say_release(found: Inspection, asker: Asker) -> None:
    manifest = found.manifest
    say(f"release {found.release_id.hex()}")
    if manifest is not None:
        form = "%Y-%m-%d %H:%M UTC"
        made, ends = (
            time.strftime(form, time.gmtime(at))
            for at in (manifest.created_at, manifest.expires_at)
        )
        parameters = manifest.parameters
        say(f"  epoch {manifest.epoch}, made {made}, expires {ends}")
        say(f"  content class {manifest.content_class}, image hash {manifest.algorithm.name}")
        say(f"  {manifest.rows} rows; opens from {parameters.min_shares} matches on")
        say(f"  {parameters.probes} probes, at most {parameters.ad_len} bytes revealed per match")
        say(f"  lists of {parameters.min_jurisdictions} jurisdictions must agree; made from:")
        for source in manifest.sources:
            mine = "  <- yours" if source.provider == asker.provider else ""
            who = f"{source.provider.name} ({source.provider.jurisdiction})"
            say(f"    {who}: {source.count} hashes, commitment {source.commitment.hex()}{mine}")
        say(f"  release before it: {manifest.previous.hex() if any(manifest.previous) else 'none'}")
    for number, text in enumerate(CHECKS, start=1):
        if number <= found.done:
            last = number == len(CHECKS) and found.skipped
            say(
                f"– K-{number} {text} (skipped: {found.skipped})"
                if last
                else f"✓ K-{number} {text}"
            )
        elif number == found.done + 1 and found.error is not None:
            say(f"✗ K-{number} {text} ({found.error})")
        else:
            say(f"  K-{number} {text} (not reached)")


def _on_engine(text: str, data: Path) -> CheckTable:
    # Only here: a check in this process needs no database.
    from veilmatch.cli.engine_runs import check_table_on
    from veilmatch.shards.engine import parse_engine

    parse_engine(text)  # a wrong one is told before anything is read
    return lambda table: check_table_on(text, data, table)


def inspect(
    site: Site,
    provider: Annotated[
        Path | None, typer.Option(help="The provider's public file, to look for its list.")
    ] = None,
    own_list: OwnListFile = None,
    attestation: Attestation = None,
    engine: EngineText = None,
    run_data: RunData = RUN_DATA,
    as_json: AsJson = False,
) -> int:
    """Show the current release to a person, and check it; exit code 1 if a check fails."""
    asker = Asker(None, None)
    if provider is not None:
        data = read_file(provider, "the provider file", max_len=_PUBLIC_LEN_MAX)
        known = parse_provider(parse_json(data, "the provider file"))
        asker = read_asker(known, own_list, attestation)
    elif own_list is not None or attestation is not None:
        raise ConfigError("whose list is it?", setting="provider", hint="give --provider NAME.json")
    check_table = _on_engine(engine, run_data) if engine is not None else None
    found = inspect_release(ReleaseSite(site), asker, system_clock(), check_table)
    _say_release(found, asker)
    if as_json:
        print_json(
            {
                "release_id": found.release_id.hex(),
                "release": _describe(found),
                "passed": found.done,
                "checks": len(CHECKS),
                "skipped": [len(CHECKS)] if found.skipped else [],
                "error": type(found.error).__name__ if found.error else "",
            }
        )
    return int(found.error is not None)


def certify(
    key: KeyFile,
    site: Site,
    method: Annotated[str, typer.Option(help="How the material was verified, in words.")],
    out: Out,
    own_list: OwnListFile = None,
    attestation: Attestation = None,
    as_json: AsJson = False,
) -> None:
    """State that the provider's list in the current release holds only verified material."""
    if own_list is None and attestation is None:
        raise ConfigError(
            "a certificate is about a list that you know",
            setting="list",
            hint="give --list or --attestation",
        )
    with open_provider_key(key) as (provider, signing_key):
        asker = read_asker(provider, own_list, attestation)
        found = inspect_release(ReleaseSite(site), asker, system_clock())
        found.require_good()
        assert found.own is not None
        statement = build_certificate(
            provider, found.own, release_id=found.release_id, method=method
        )
        envelope = sign_statement(statement, provider, signing_key)
    write_atomic(out, envelope.to_bytes())
    say(f"certificate for a list of {found.own.count} hashes by {provider.name}: {out}")
    if as_json:
        print_json({"kind": str(statement.kind), "entry": statement.to_entry().hex()})


def register_release_commands(app: typer.Typer) -> None:
    """Add the commands to ``veilmatch provider``."""
    for command in (attest, inspect, certify):
        app.command()(command)
