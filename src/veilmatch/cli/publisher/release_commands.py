"""``veilmatch release``: from a built release to one that clients accept.

Publishers run init, rotate, stage, collect, publish, refresh and trust; hash providers run sign,
offline, on a copy of the site's folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from securesystemslib.signer import Signer
from tuf.api.metadata import Root, Targets

from veilmatch.cli.console import print_json, say
from veilmatch.cli.key_files import open_provider_key
from veilmatch.cli.options import AsJson
from veilmatch.cli.provider.provider_release import (
    Asker,
    Attestation,
    OwnListFile,
    inspect_release,
    read_asker,
)
from veilmatch.client.policy_file import parse_policy as parse_trust
from veilmatch.client.policy_file import policy_to_bytes
from veilmatch.clock import DAY_S, HOUR_S, system_clock
from veilmatch.errors import ConfigError, VerificationError
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashlist.provider import HashProvider, parse_provider
from veilmatch.hashlist.tuf_signer import ProviderSigner
from veilmatch.logstore.remote import open_log
from veilmatch.logstore.statements import build_bundle
from veilmatch.release.logged import log_folder_name, read_hash_tiles
from veilmatch.release.manifest import MANIFEST, SHARDS
from veilmatch.release.signed_metadata import (
    count_signers,
    parse_metadata,
    role_providers,
)
from veilmatch.release.trusted_release import PROOF, STATEMENT, TrustPolicy
from veilmatch.site.online_key import load_online_key, make_online_key
from veilmatch.site.release_site import ReleaseSite
from veilmatch.site.repository import Lifetimes, Repository
from veilmatch.site.signing import add_signature, check_staged, merge_signatures
from veilmatch.store.files import read_file, write_atomic
from veilmatch.transparency.checkpoint import parse_checkpoint
from veilmatch.transparency.policy import POLICY_LEN_MAX, Policy
from veilmatch.transparency.policy import parse_policy as parse_log_policy
from veilmatch.wire import parse_json, to_canonical_json

release_app = typer.Typer(
    no_args_is_help=True, help="Releases: keys and their rotation, signing, publishing."
)

Site = Annotated[Path, typer.Option(help="The publisher's folder of releases.")]
Providers = Annotated[
    list[Path], typer.Option("--provider", help="A hash provider's public file, each.")
]
OnlineKey = Annotated[Path, typer.Option(help="The publisher's online key.")]
Threshold = Annotated[int, typer.Option(min=1, help="How many providers must sign.")]
MinJurisdictions = Annotated[
    int, typer.Option(min=1, help="Of how many jurisdictions they must be; the clients' number.")
]
LogPolicy = Annotated[Path, typer.Option(help="The log's policy: log, witnesses, quorum.")]
Hours = Annotated[int, typer.Option(min=1, max=24 * 31, help="Hours until the timestamp expires.")]


def _repository(site: Path, min_jurisdictions: int = 2) -> Repository:
    return Repository(site, min_jurisdictions)


def _read_providers(paths: list[Path]) -> list[HashProvider]:
    return [
        parse_provider(
            parse_json(read_file(path, "the provider file", max_len=4096), "the provider file")
        )
        for path in paths
    ]


def _read_log_policy(path: Path) -> Policy:
    return parse_log_policy(read_file(path, "the policy", max_len=POLICY_LEN_MAX))


def _finish(as_json: bool, text: str, **value: Any) -> None:
    say(text)
    if as_json:
        print_json(value)


@release_app.command()
def init(
    site: Site,
    provider: Providers,
    online_key: OnlineKey,
    threshold: Threshold = 2,
    min_jurisdictions: MinJurisdictions = 2,
    days: Annotated[int, typer.Option(min=1, help="Days until the root expires.")] = 365,
    as_json: AsJson = False,
) -> None:
    """Stage the first root: which providers may sign. Makes the online key."""
    repository = _repository(site, min_jurisdictions)
    if repository.roots():
        raise ConfigError("the site has a root already", hint="veilmatch release rotate")
    providers = _read_providers(provider)
    online = load_online_key(online_key) if online_key.exists() else make_online_key(online_key)
    path = repository.stage_root(
        providers,
        online.public_key,
        threshold=threshold,
        expires_at=system_clock() + days * DAY_S,
    )
    text = f"root 1 waits for signatures: {path}\nnext: each provider runs veilmatch release sign"
    _finish(as_json, text, staged=str(path), version=1)


@release_app.command()
def rotate(
    site: Site,
    provider: Providers,
    online_key: OnlineKey,
    threshold: Threshold = 2,
    min_jurisdictions: MinJurisdictions = 2,
    days: Annotated[int, typer.Option(min=1, help="Days until the root expires.")] = 365,
    as_json: AsJson = False,
) -> None:
    """Stage the next root: all providers from now on. Enough of the old ones must sign it too."""
    repository = _repository(site, min_jurisdictions)
    version = repository.root().version + 1
    path = repository.stage_root(
        _read_providers(provider),
        load_online_key(online_key).public_key,
        threshold=threshold,
        expires_at=system_clock() + days * DAY_S,
    )
    _finish(
        as_json,
        f"root {version} waits for signatures: {path}",
        staged=str(path),
        version=version,
    )


@release_app.command()
def stage(
    site: Site,
    log: Annotated[str, typer.Option(help="The log: its folder, or its http(s) address.")],
    policy: LogPolicy,
    min_jurisdictions: MinJurisdictions = 2,
    days: Annotated[int, typer.Option(min=1, help="Days until the signatures expire.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Stage the newest release that was built and logged, to be signed by the providers."""
    release_site, repository = ReleaseSite(site), _repository(site, min_jurisdictions)
    release_id = release_site.read_current().release_id
    manifest = release_site.read_release_file(release_id, MANIFEST)
    read = open_log(log)
    release = build_bundle(read, _read_log_policy(policy), manifest, release_id).release
    files = {
        MANIFEST: manifest,
        SHARDS: release_site.read_release_file(release_id, SHARDS),
        STATEMENT: release.envelope.payload,
        PROOF: release.proof.to_bytes(),
    }
    path = repository.stage_targets(files, expires_at=system_clock() + days * DAY_S)
    checkpoint = parse_checkpoint(release.proof.note.text)
    tiles = read_hash_tiles(checkpoint.size, read)
    repository.copy_tiles(log_folder_name(checkpoint.origin), tiles)
    text = f"the release waits for signatures: {path}\nnext: providers run veilmatch release sign"
    _finish(as_json, text, staged=str(path), release_id=release_id.hex())


def _read_role(path: Path) -> tuple[str, bytes]:
    """Read staged metadata and say which they are; ``parse_metadata`` is the check."""
    data = read_file(path, "the staged metadata", max_len=1 << 20)
    signed = parse_json(data, "the staged metadata").get("signed")
    role = signed.get("_type") if isinstance(signed, dict) else None
    return ("root" if role == "root" else "targets"), data


def _sign_root(repository: Repository, data: bytes, signer: Signer) -> tuple[bytes, str]:
    metadata = parse_metadata(data, Root)
    # A key of the newest root agrees to what comes after it; a key of the new one, to begin.
    before = [repository.root()] if repository.roots() else []
    signed = add_signature(metadata, signer, [*before, metadata.signed])
    return signed, f"root {metadata.signed.version}"


def _sign_targets(
    repository: Repository, data: bytes, signer: Signer, site: ReleaseSite, checks: _Checks
) -> tuple[bytes, str]:
    metadata = parse_metadata(data, Targets)
    inspected = inspect_release(site, checks.asker, system_clock()).require_good()
    manifest = check_staged(site, repository, metadata, checks.log_policy)
    if manifest != inspected:
        raise VerificationError(
            "what is staged is another release than the newest one",
            hint="the publisher stages it anew with veilmatch release stage",
        )
    signed = add_signature(metadata, signer, [repository.root()])
    number = manifest.parameters.min_shares
    return signed, f"release of epoch {manifest.epoch}, min_shares {number}"


@dataclass(frozen=True)
class _Checks:
    """What a provider brings along to check a release with."""

    asker: Asker
    log_policy: Policy | None


@release_app.command()
def sign(
    file: Annotated[Path, typer.Argument(help="staged/root.json or staged/targets.json.")],
    key: Annotated[Path, typer.Option(help="The provider's private key file.")],
    site: Annotated[
        Path | None, typer.Option(help="The site's folder, if the file lies elsewhere.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="The log's policy: also check that the release is logged.")
    ] = None,
    own_list: OwnListFile = None,
    attestation: Attestation = None,
    min_jurisdictions: MinJurisdictions = 2,
    as_json: AsJson = False,
) -> None:
    """Check what is staged and add a provider's signature; works offline."""
    top = site if site is not None else file.resolve().parent.parent
    repository = _repository(top, min_jurisdictions)
    with open_provider_key(key) as (provider, signing_key):
        signer = ProviderSigner(signing_key)
        role, data = _read_role(file)
        if role == "root":
            signed, said = _sign_root(repository, data, signer)
        else:
            log_policy = _read_log_policy(policy) if policy else None
            checks = _Checks(read_asker(provider, own_list, attestation), log_policy)
            signed, said = _sign_targets(repository, data, signer, ReleaseSite(top), checks)
    write_atomic(file, signed)
    text = f"{said}: signed by {provider.name} ({provider.jurisdiction})"
    _finish(as_json, text, signed=str(file), role=role)


@release_app.command()
def collect(
    file: Annotated[list[Path], typer.Argument(help="Signed copies that came back, each.")],
    site: Site,
    as_json: AsJson = False,
) -> None:
    """Take over the signatures of copies that were signed elsewhere."""
    repository = _repository(site)
    for path in file:
        role, data = _read_role(path)
        root, targets = repository.staged_root(), repository.staged_targets()
        if role == "root" and root is not None:
            merged = merge_signatures(root, parse_metadata(data, Root))
        elif role == "targets" and targets is not None:
            merged = merge_signatures(targets, parse_metadata(data, Targets))
        else:
            raise ConfigError(f"no {role} metadata are staged", setting="file")
        repository.replace_staged(role, merged)
    _finish(as_json, f"signatures of {len(file)} copies taken over", copies=len(file))


@release_app.command()
def publish(
    site: Site,
    online_key: OnlineKey,
    min_jurisdictions: MinJurisdictions = 2,
    hours: Hours = 24,
    as_json: AsJson = False,
) -> None:
    """Publish what enough providers have signed; clients see it from then on."""
    repository = _repository(site, min_jurisdictions)
    repository.publish(load_online_key(online_key), now=system_clock(), lifetimes=_lifetimes(hours))
    _say_state(repository, as_json)


@release_app.command()
def refresh(
    site: Site,
    online_key: OnlineKey,
    min_jurisdictions: MinJurisdictions = 2,
    hours: Hours = 24,
    as_json: AsJson = False,
) -> None:
    """Renew the timestamp, and the snapshot where it ends soon; run it every few hours."""
    repository = _repository(site, min_jurisdictions)
    repository.refresh(load_online_key(online_key), now=system_clock(), lifetimes=_lifetimes(hours))
    _say_state(repository, as_json)


def _lifetimes(hours: int) -> Lifetimes:
    """The timestamp lives for ``hours``, the snapshot for a week or twice as long."""
    return Lifetimes(timestamp_s=hours * HOUR_S, snapshot_s=max(7 * DAY_S, 2 * hours * HOUR_S))


def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _say_state(repository: Repository, as_json: bool) -> None:
    root, timestamp = repository.root(), repository.timestamp()
    say(f"root {root.version}, valid until {_when(root.expires)}")
    value: dict[str, Any] = {"root": root.version, "timestamp": None}
    if timestamp is not None:
        say(f"timestamp {timestamp.version}, valid until {_when(timestamp.expires)}")
        value["timestamp"] = timestamp.version
        value["expires_at"] = int(timestamp.expires.timestamp())
    if as_json:
        print_json(value)


@release_app.command()
def show(site: Site, min_jurisdictions: MinJurisdictions = 2, as_json: AsJson = False) -> None:
    """Show who may sign, what is published, and what waits for whose signature."""
    repository = _repository(site, min_jurisdictions)
    roots = repository.roots()
    staged_root, staged_targets = repository.staged_root(), repository.staged_targets()
    if not roots and staged_root is None:
        raise ConfigError("the site has no root", hint="veilmatch release init")
    root = repository.root() if roots else None
    named = root or (staged_root.signed if staged_root else None)
    providers = role_providers(named, "targets") if named else {}
    for one in providers.values():
        say(f"may sign: {one.name} ({one.jurisdiction})")
    waiting: dict[str, list[str]] = {}
    if staged_root is not None:
        waiting["root"] = [p.name for p in count_signers(staged_root.signed, "root", staged_root)]
    if staged_targets is not None and root is not None:
        signed = count_signers(root, "targets", staged_targets)
        waiting["targets"] = [p.name for p in signed]
    for role, names in waiting.items():
        say(f"staged {role}: signed by {', '.join(names) or 'nobody'}")
    timestamp = repository.timestamp()
    if timestamp is not None:
        say(f"published, valid until {_when(timestamp.expires)}")
    if as_json:
        print_json(
            {
                "providers": [one.to_json() for one in providers.values()],
                "root": len(roots),
                "staged": waiting,
                "timestamp": timestamp.version if timestamp else None,
            }
        )


@release_app.command()
def trust(
    site: Site,
    log_policy: LogPolicy,
    out: Annotated[Path, typer.Option(help="Where the trust file goes; the app ships it.")],
    algorithm: Annotated[str, typer.Option(help="The image hash: lfh or pdq.")] = "lfh",
    min_shares: Annotated[int, typer.Option(help="A release below this is refused.")] = 31,
    needs_calibration: Annotated[
        bool, typer.Option(help="Refuse releases that declare nothing of false matches.")
    ] = False,
    min_jurisdictions: MinJurisdictions = 2,
    as_json: AsJson = False,
) -> None:
    """Write the trust file that the app ships: newest root, log policy, limits."""
    repository = _repository(site, min_jurisdictions)
    repository.root()
    policy = TrustPolicy(
        root=to_canonical_json(parse_json(repository.roots()[-1], "the root")),
        log_policy=_read_log_policy(log_policy),
        algorithm=algorithm,
        preprocessing=dict(build_hasher(algorithm).describe()),
        min_jurisdictions=min_jurisdictions,
        min_shares_floor=min_shares,
        needs_calibration=needs_calibration,
    )
    data = policy_to_bytes(policy)
    parse_trust(data)
    write_atomic(out, data + b"\n")
    if policy.log_policy.quorum == b"none":
        say("the log policy asks for no witness: use this for trials alone")
    _finish(as_json, f"trust file: {out}", trust=str(out), root=len(repository.roots()))


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(release_app, name="release")
