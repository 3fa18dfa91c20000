"""``veilmatch build``: what the publisher runs. It makes, and keeps, the table secret."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veilmatch.cli.console import print_json, progress, say
from veilmatch.cli.key_files import ask_pin
from veilmatch.cli.options import RUN_DATA, EngineText, RunData
from veilmatch.cli.publisher.list_options import Contact, CorpusPaths, Paint
from veilmatch.cli.publisher.release_set import (
    ReleaseSet,
    SetOptions,
    read_provider,
    read_release_set,
    read_signed_lists,
)
from veilmatch.cli.publisher.screening import screen_set
from veilmatch.clock import DAY_S, system_clock
from veilmatch.errors import ConfigError
from veilmatch.hashlist.intersect import intersect
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.jobs.key_provider import open_key_provider
from veilmatch.release.calibration import Calibration
from veilmatch.release.manifest import HashAlgorithm, Parameters, SyntheticSchedule
from veilmatch.release.publish import (
    BuiltRelease,
    HashSet,
    ReleaseRequest,
    build_from_set,
    default_probes,
    measured_open_slots,
)
from veilmatch.site.release_site import CURRENT, ReleaseSite

if TYPE_CHECKING:
    from veilmatch.cli.publisher.engine_build import EngineBuild

SECOND_ALGORITHM = "pdq"


def _read_second(paths: list[Path], known: list[HashProvider], min_jurisdictions: int) -> Bytes:
    """Read the PDQ lists of the second check, under the rule of the first ones."""
    lists = read_signed_lists(paths, known)
    if {listed.algorithm for listed in lists} != {SECOND_ALGORITHM}:
        raise ConfigError("a second list must be of PDQ hashes", setting="second_list")
    common = intersect(lists, min_jurisdictions)
    if not len(common):
        raise ConfigError("no PDQ hash is listed by enough jurisdictions", setting="second_list")
    return common


def _choose_parameters(found: ReleaseSet, probes: int, min_shares: int) -> Parameters:
    count = probes or default_probes(found.lists)
    synthetic = SyntheticSchedule(open_slots=measured_open_slots(found.lists, count))
    return Parameters(min_shares=min_shares, probes=count, synthetic=synthetic)


def _next_request(
    site: ReleaseSite,
    algorithm: HashAlgorithm,
    parameters: Parameters,
    days: int,
    calibration: Calibration | None,
) -> ReleaseRequest:
    epoch, previous = 1, bytes(32)
    if (site.folder / CURRENT).exists():
        current = site.read_current()
        epoch, previous = current.epoch + 1, current.release_id
    return ReleaseRequest(
        epoch=epoch,
        created_at=system_clock(),
        valid_s=days * DAY_S,
        algorithm=algorithm,
        parameters=parameters,
        previous=previous,
        calibration=calibration,
    )


def _declare(
    path: Path | None, target: float | None, found: ReleaseSet, min_shares: int
) -> Calibration | None:
    """Say what the release declares of its false matches, if it is calibrated."""
    if path is None:
        if target is not None:
            raise ConfigError(
                "a target needs a calibration",
                setting="target",
                hint="veilmatch calibrate makes one; give it with --calibration",
            )
        return None
    # Only here: a build without calibration needs no picture decoder.
    from veilmatch.hashbench.calibrate.calibration_file import load_calibration_file
    from veilmatch.hashbench.calibrate.corpus import preprocessing_digest

    return load_calibration_file(path).declare(
        algorithm=found.hasher.name,
        preprocessing=preprocessing_digest(found.hasher),
        commitments=found.commitments,
        min_shares=min_shares,
        target=target,
    )


def _build(common: HashSet, request: ReleaseRequest) -> BuiltRelease:
    with progress() as bars:
        task = bars.add_task("blinding the table", total=None)

        def report(done: int, total: int) -> None:
            bars.update(task, total=total, advance=done)

        return build_from_set(common, request, threads=os.cpu_count() or 1, report=report)


def _say_built(built: BuiltRelease, as_json: bool) -> None:
    say(f"{built.hash_count} hashes are listed by enough jurisdictions")
    short = built.release_id.hex()[:16]
    say(f"{len(built.table)} rows in release {short}… (epoch {built.manifest.epoch})")
    claimed = built.manifest.calibration
    if claimed is None:
        say("nothing is declared of false matches: the release has no calibration")
    else:
        say(f"declared: {claimed.describe()}")
    say("next: state and log it, then veilmatch release stage, sign and publish")
    if as_json:
        print_json(
            {
                "release_id": built.release_id.hex(),
                "epoch": built.manifest.epoch,
                "table_rows": len(built.table),
                "hashes": built.hash_count,
                "calibration": claimed.to_json() if claimed else None,
            }
        )


def _check_numbers(min_shares: int, probes: int, days: int) -> None:
    if not 2 <= min_shares <= 1000 or not 1 <= days <= 3650 or not 0 <= probes <= 16:
        raise ConfigError("--min-shares lies in 2…1000, --days in 1…3650, --probes in 0…16")


def build(
    provider: Annotated[list[Path], typer.Option(help="A known provider's public file.")],
    site: Annotated[Path, typer.Option(help="Folder for the public release files.")],
    secrets: Annotated[
        str, typer.Option(help="Folder for the table secret, kept apart, or a PKCS#11 URI.")
    ],
    hash_list: Annotated[
        list[Path] | None, typer.Option("--list", help="A signed hash list.")
    ] = None,
    staged: Annotated[
        Path | None, typer.Option("--lists", help="Instead: the folder of veilmatch list.")
    ] = None,
    use: Annotated[
        list[str] | None, typer.Option(help="A staged list; every live one if none is named.")
    ] = None,
    algorithm: Annotated[str, typer.Option(help="The image hash of the staged lists.")] = "lfh",
    second_list: Annotated[
        list[Path] | None,
        typer.Option(help="A signed PDQ list, for the check before a person looks."),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="What veilmatch calibrate measured: calibration.json.")
    ] = None,
    target: Annotated[
        float | None, typer.Option(help="Largest probability of a false opening, declared.")
    ] = None,
    corpus: CorpusPaths = None,
    paint: Paint = 0,
    contact: Contact = None,
    min_shares: Annotated[int, typer.Option(help="Smallest number of matches that opens.")] = 31,
    probes: Annotated[
        int, typer.Option(help="Image hashes that each voucher tries; 0 for the default.")
    ] = 0,
    days: Annotated[int, typer.Option(help="Days until the release expires.")] = 30,
    engine: EngineText = None,
    run_data: RunData = RUN_DATA,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Intersect hash lists, build the blinded table, write the release."""
    _check_numbers(min_shares, probes, days)
    known = [read_provider(path) for path in provider]
    told = SetOptions(hash_list or [], staged, use or [], algorithm, known)
    found = read_release_set(told, Parameters().min_jurisdictions)
    if corpus or paint:
        found = replace(found, common=screen_set(found, corpus or [], paint, contact))
    parameters = _choose_parameters(found, probes, min_shares)
    second = _read_second(second_list, known, parameters.min_jurisdictions) if second_list else None
    declared = _declare(calibration, target, found, min_shares)
    release_site = ReleaseSite(site)
    request = _next_request(release_site, found.algorithm, parameters, days, declared)
    on_engine = _on_engine(engine, run_data, secrets)
    built = _build_and_keep(found.common, request, secrets, second, on_engine)
    release_site.write_release(built.manifest, built.table, built.release_id)
    _say_built(built, as_json)


def _on_engine(text: str | None, data: Path, where: str) -> EngineBuild | None:
    if text is None:
        return None
    # Only here: a build in this process needs no database.
    from veilmatch.cli.publisher.engine_build import EngineBuild

    return EngineBuild(text, data, where, os.cpu_count() or 1)


def _build_and_keep(
    common: HashSet,
    request: ReleaseRequest,
    secrets: str,
    second: Bytes | None,
    on_engine: EngineBuild | None,
) -> BuiltRelease:
    """Build, and keep the secret first: a release whose secret is lost could match nothing."""
    with open_key_provider(secrets, make=True, ask_pin=ask_pin) as keys:
        if on_engine is None:
            built = _build(common, request)
        else:
            built = on_engine.build(common, request, keys)
        keys.save(built.secret)
        if second is not None:
            keys.save_second_hashes(built.release_id, second)
        if on_engine is not None:
            on_engine.forget(keys)
    return built


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(build)
