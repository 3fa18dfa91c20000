"""``veilmatch build``: what the publisher runs. It makes, and keeps, the table secret."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.cli.console import print_json, progress, say
from veilmatch.cli.key_files import ask_pin
from veilmatch.errors import ConfigError, VerificationError
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashlist.hash_list import HashList, parse_hash_list
from veilmatch.hashlist.intersect import intersect
from veilmatch.hashlist.provider import HashProvider, parse_provider
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.jobs.key_provider import open_key_provider
from veilmatch.release.manifest import HashAlgorithm, Parameters, SyntheticSchedule
from veilmatch.release.publish import (
    BuiltRelease,
    ReleaseRequest,
    build_release,
    default_probes,
    measured_open_slots,
)
from veilmatch.site.release_site import CURRENT, ReleaseSite
from veilmatch.store.files import read_file
from veilmatch.wire import parse_json

_DAY_S = 86_400
SECOND_ALGORITHM = "pdq"


def _read_provider(path: Path) -> HashProvider:
    data = read_file(path, "the provider file", max_len=4096)
    return parse_provider(parse_json(data, "the provider file"))


def _read_lists(paths: list[Path], known: list[HashProvider]) -> list[HashList]:
    lists = []
    for path in paths:
        listed = parse_hash_list(read_file(path, "the hash list"))
        if listed.provider not in known:
            raise VerificationError(
                f"the list {path} is not signed by one of the given providers",
                hint="give its provider's public file with --provider",
            )
        lists.append(listed)
    return lists


def _read_second(paths: list[Path], known: list[HashProvider], min_jurisdictions: int) -> Bytes:
    """Read the PDQ lists of the second check, under the rule of the first ones."""
    lists = _read_lists(paths, known)
    if {listed.algorithm for listed in lists} != {SECOND_ALGORITHM}:
        raise ConfigError("a second list must be of PDQ hashes", setting="second_list")
    common = intersect(lists, min_jurisdictions)
    if not len(common):
        raise ConfigError("no PDQ hash is listed by enough jurisdictions", setting="second_list")
    return common


def _next_request(
    site: ReleaseSite, algorithm: HashAlgorithm, parameters: Parameters, days: int
) -> ReleaseRequest:
    epoch, previous = 1, bytes(32)
    if (site.folder / CURRENT).exists():
        current = site.read_current()
        epoch, previous = current.epoch + 1, current.release_id
    return ReleaseRequest(
        epoch=epoch,
        created_at=int(time.time()),
        valid_s=days * _DAY_S,
        algorithm=algorithm,
        parameters=parameters,
        previous=previous,
    )


def _build(lists: list[HashList], request: ReleaseRequest) -> BuiltRelease:
    with progress() as bars:
        task = bars.add_task("blinding the table", total=None)

        def report(done: int, total: int) -> None:
            bars.update(task, total=total, advance=done)

        return build_release(lists, request, threads=os.cpu_count() or 1, report=report)


def _say_built(built: BuiltRelease, as_json: bool) -> None:
    say(f"{built.hash_count} hashes are listed by enough jurisdictions")
    short = built.release_id.hex()[:16]
    say(f"{len(built.table)} rows in release {short}… (epoch {built.manifest.epoch})")
    say("next: state and log it, then veilmatch release stage, sign and publish")
    if as_json:
        print_json(
            {
                "release_id": built.release_id.hex(),
                "epoch": built.manifest.epoch,
                "table_rows": len(built.table),
                "hashes": built.hash_count,
            }
        )


def build(
    hash_list: Annotated[list[Path], typer.Option("--list", help="A signed hash list.")],
    provider: Annotated[list[Path], typer.Option(help="A known provider's public file.")],
    site: Annotated[Path, typer.Option(help="Folder for the public release files.")],
    secrets: Annotated[
        str, typer.Option(help="Folder for the table secret, kept apart, or a PKCS#11 URI.")
    ],
    second_list: Annotated[
        list[Path] | None,
        typer.Option(help="A signed PDQ list, for the check before a person looks."),
    ] = None,
    min_shares: Annotated[int, typer.Option(help="Smallest number of matches that opens.")] = 31,
    probes: Annotated[
        int, typer.Option(help="Image hashes that each voucher tries; 0 for the default.")
    ] = 0,
    days: Annotated[int, typer.Option(help="Days until the release expires.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Intersect signed lists, build the blinded table, write the release."""
    if not 2 <= min_shares <= 1000 or not 1 <= days <= 3650 or not 0 <= probes <= 16:
        raise ConfigError("--min-shares lies in 2…1000, --days in 1…3650, --probes in 0…16")
    known = [_read_provider(path) for path in provider]
    lists = _read_lists(hash_list, known)
    hasher = build_hasher(lists[0].algorithm)
    algorithm = HashAlgorithm(hasher.name, hasher.alg_id, hasher.bit_len, hasher.describe())
    release_site = ReleaseSite(site)
    count = probes or default_probes(lists)
    synthetic = SyntheticSchedule(open_slots=measured_open_slots(lists, count))
    parameters = Parameters(min_shares=min_shares, probes=count, synthetic=synthetic)
    second = _read_second(second_list, known, parameters.min_jurisdictions) if second_list else None
    built = _build(lists, _next_request(release_site, algorithm, parameters, days))
    # The secret first: a release whose secret is lost could never match anything.
    with open_key_provider(secrets, make=True, ask_pin=ask_pin) as keys:
        keys.save(built.secret)
        if second is not None:
            keys.save_second_hashes(built.release_id, second)
    release_site.write_release(built.manifest, built.table, built.release_id)
    _say_built(built, as_json)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(build)
