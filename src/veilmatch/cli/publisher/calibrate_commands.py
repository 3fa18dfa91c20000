"""``veilmatch calibrate``: harmless pictures against a release, and what that supports.

What is needed is what the publisher holds anyway: before a release the lists, afterwards its
site and its table secret. It says yes or no for the operator's own pictures, and gives out no hash.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from veilmatch.cli.console import print_json, progress, say
from veilmatch.cli.key_files import ask_pin
from veilmatch.cli.publisher.release_set import SetOptions, read_provider, read_release_set
from veilmatch.errors import ConfigError
from veilmatch.hashbench.calibrate.calibrating import Subject, calibrate_corpus
from veilmatch.hashbench.calibrate.corpus import Corpus, build_corpus, preprocessing_digest
from veilmatch.hashbench.calibrate.measure import BlindedSet, PlainSet
from veilmatch.hashbench.calibrate.report import Page, write_page
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.jobs.key_provider import open_key_provider
from veilmatch.release.calibration import MAX_SHARES, TARGET, Claim
from veilmatch.release.manifest import Parameters, SyntheticSchedule
from veilmatch.release.publish import default_probes, measured_open_slots
from veilmatch.site.release_site import ReleaseSite
from veilmatch.table.blinded_table import parse_table, verify_rows

PAINTED = 8000


class Bars:
    """One bar for each step, made when the step first reports."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def show(self, step: str, done: int, total: int) -> None:
        """Move a step's bar."""
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step, total=total)
        self._bars.update(self._tasks[step], completed=done, total=total)


def calibrate(
    out: Annotated[Path, typer.Option(help="Folder for calibration.json and the report.")],
    site: Annotated[Path | None, typer.Argument(help="The folder of a built release.")] = None,
    secrets: Annotated[
        str | None, typer.Option(help="The site's table secrets, as veilmatch build wrote them.")
    ] = None,
    hash_list: Annotated[
        list[Path] | None, typer.Option("--list", help="Instead of a site: a signed list.")
    ] = None,
    staged: Annotated[
        Path | None, typer.Option("--lists", help="Or the folder of veilmatch list.")
    ] = None,
    use: Annotated[list[str] | None, typer.Option(help="A staged list.")] = None,
    algorithm: Annotated[str, typer.Option(help="The image hash of the staged lists.")] = "lfh",
    provider: Annotated[
        list[Path] | None, typer.Option(help="A known provider's public file.")
    ] = None,
    corpus: Annotated[
        list[Path] | None, typer.Option(help="A folder of harmless pictures, or a saved corpus.")
    ] = None,
    paint: Annotated[int, typer.Option(help="So many painted pictures besides.")] = PAINTED,
    save: Annotated[Path | None, typer.Option(help="Keep the hashed corpus in this file.")] = None,
    probes: Annotated[int, typer.Option(help="C; 0 for the release's, or the default.")] = 0,
    target: Annotated[float, typer.Option(help="Largest probability of a false opening.")] = TARGET,
    library: Annotated[int, typer.Option(help="For an account of so many pictures.")] = 10_000,
    cluster: Annotated[int, typer.Option(help="Pictures that a false match takes along.")] = 1,
    min_shares: Annotated[int, typer.Option(help="0 for the release's, or 31.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Try harmless pictures against a release; write bounds, a report, and what to declare."""
    if not 0 <= probes <= 16 or not 0 <= min_shares <= MAX_SHARES or min_shares == 1 or paint < 0:
        raise ConfigError("--probes lies in 0…16, --min-shares in 2…1000, --paint is not negative")
    if not 0 < target < 1 or min(library, cluster) < 1:
        raise ConfigError("--target lies between 0 and 1; --library and --cluster are positive")
    known = [read_provider(path) for path in provider or []]
    told = SetOptions(hash_list or [], staged, use or [], algorithm, known)
    subject = _read_lists(told, probes) if site is None else _read_site(site, secrets, told)
    claim = Claim(target, library, cluster)
    pictures, page = _calibrate(subject, corpus or [], paint, claim, probes, min_shares)
    if save is not None:
        pictures.save(save)
    _say_page(page, pictures, page.file.save(out), write_page(page, out), as_json)


def _calibrate(
    subject: Subject, corpus: list[Path], paint: int, claim: Claim, probes: int, min_shares: int
) -> tuple[Corpus, Page]:
    with progress() as shown:
        bars = Bars(shown)
        pictures = build_corpus(
            corpus,
            paint,
            subject.algorithm,
            jobs=os.cpu_count() or 1,
            progress=lambda done, total: bars.show("hashing the corpus", done, total),
        )
        page = calibrate_corpus(
            pictures, subject, claim, probes=probes, min_shares=min_shares, progress=bars.show
        )
    return pictures, page


def _read_site(folder: Path, secrets: str | None, told: SetOptions) -> Subject:
    if told.signed or told.staged is not None or secrets is None:
        raise ConfigError(
            "a site needs its secrets, and no lists", hint="give --secrets, or leave SITE out"
        )
    site = ReleaseSite(folder)
    release_id = site.read_current().release_id
    manifest = site.verify_release_files(release_id)
    data = site.read_table(release_id)
    table = verify_rows(parse_table(data, manifest.rows), threads=os.cpu_count() or 1)
    hasher = build_hasher(manifest.algorithm.name)
    if dict(hasher.describe()) != manifest.algorithm.preprocessing:
        raise ConfigError("the release pins other steps of the image hash", setting="site")
    with open_key_provider(secrets, ask_pin=ask_pin) as keys:
        secret = keys.load(release_id)
    return Subject(
        known=BlindedSet(manifest, table, secret, threads=os.cpu_count() or 1),
        algorithm=hasher.name,
        preprocessing=preprocessing_digest(hasher),
        commitments=tuple(source.commitment for source in manifest.sources),
        parameters=manifest.parameters,
        against=f"release {release_id.hex()[:16]}…, epoch {manifest.epoch}",
    )


def _read_lists(told: SetOptions, probes: int) -> Subject:
    found = read_release_set(told, Parameters().min_jurisdictions)
    count = probes or default_probes(found.lists)
    synthetic = SyntheticSchedule(open_slots=measured_open_slots(found.lists, count))
    names = ", ".join(sorted({source.provider.name for source in found.common.sources}))
    return Subject(
        known=PlainSet(found.common.hashes),
        algorithm=found.hasher.name,
        preprocessing=preprocessing_digest(found.hasher),
        commitments=tuple(found.commitments),
        parameters=Parameters(probes=count, synthetic=synthetic),
        against=f"lists of {names}",
    )


def _say_page(page: Page, corpus: Corpus, path: Path, report: Path, as_json: bool) -> None:
    declared = page.file.declared
    counts = declared.counts
    tried = f"{counts.pictures:,} harmless pictures in {counts.groups:,} groups"
    say(f"{tried}; {counts.hits:,} met an entry of {declared.tested:,}")
    say(f"rate per picture: at most {declared.picture_bound:.3g}")
    say(f"effective bits: {declared.effective_bits}")
    for reason, number in sorted(corpus.refused.items()):
        say(f"{number} files not hashed: {reason}")
    word = "supported" if 0 < page.file.min_shares <= page.asked else "NOT supported"
    claim = declared.claim
    say(
        f"{claim.target:.3g} for {claim.library:,} pictures, clusters of {claim.cluster}, at"
        f" {page.asked} shares: {word} (at most {declared.account_bound:.3g})"
    )
    say(f"smallest min_shares for it: {page.file.min_shares or 'none'}")
    say(f"for the builder: {path}\nto read: {report}")
    if as_json:
        print_json(
            {
                "calibration": str(path),
                "report": str(report),
                "min_shares": page.file.min_shares,
                "supported": 0 < page.file.min_shares <= page.asked,
                "hits": list(page.measured.hit_names),
                "refused": page.refused,
                "below_gate": page.flat,
                "declared": declared.to_json(),
                "hiding": [
                    {"library": row.library, "mean": row.mean, "distances": list(row.distances)}
                    for row in page.hiding
                ],
            }
        )


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(calibrate)
