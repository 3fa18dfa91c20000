"""Runs the whole benchmark and writes its tables, plots and contact sheet."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing import Pool
from pathlib import Path
from typing import Any, TypeVar

from veilmatch.hashbench import falsematch
from veilmatch.hashbench.falsematch import (
    NearPair,
    collision_curves,
    false_match_tables,
    hash_photograph,
    hash_procedural,
    list_near_pairs,
    missed_table,
)
from veilmatch.hashbench.plots import (
    COLUMNS,
    plot_collisions,
    plot_distances,
    plot_recall,
    write_contact_sheet,
)
from veilmatch.hashbench.run import Outcome, Recall, measure_one, summarise
from veilmatch.hashbench.sets import BenchPicture, photographs
from veilmatch.hashbench.suite import CHANGES
from veilmatch.hashing.lfh import WEIGHTS_SHA256

PROCEDURAL_PICTURES = 36_000

Progress = Callable[[str, int, int], None]
"""Called with (step, done, total)."""

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class BenchResult:
    """Everything that was measured.

    Attributes:
        pictures: Photographs of the recall set.
        recall: By subject and group.
        per_change: Percent found, by change and subject.
        false_matches: The false-match study.
        near_pairs: Equal pairs, and the nearest of LFH.
        collisions: See ``falsematch.collision_curves``.
        marks: By digest of a photograph's pixels, the digest of all its outcomes: whoever has
            some of the photographs can repeat a part of the run and compare.
        weights: Digest of LFH's weights.
    """

    pictures: int
    recall: tuple[Recall, ...]
    per_change: dict[str, dict[str, float]]
    false_matches: tuple[falsematch.FalseMatches, ...]
    near_pairs: tuple[NearPair, ...] = ()
    collisions: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    weights: str = WEIGHTS_SHA256


def run_hash_benchmark(
    folders: Sequence[Path],
    out: Path,
    *,
    limit: int | None = None,
    procedural: int = PROCEDURAL_PICTURES,
    jobs: int = 2,
    progress: Progress = lambda step, done, total: None,
) -> BenchResult:
    """Measure recall on the folders' photographs and false matches, and write the report.

    Args:
        folders: Unpacked packages with pictures; nothing is downloaded.
        out: Folder for ``hash-benchmark.json``, ``.csv`` and plots; made if missing.
        limit: Use only the first so many photographs.
        procedural: How many pictures the false-match study paints.
        jobs: Processes.
        progress: See ``Progress``.
    """
    progress("choosing photographs", 0, 1)
    pictures = photographs(list(folders))[:limit]
    progress("choosing photographs", 1, 1)
    numbered = list(enumerate(pictures))
    with Pool(jobs) as pool:
        measured = _follow(
            pool.imap(measure_one, numbered, 2), "measuring recall", len(pictures), progress
        )
        painted = _follow(
            pool.imap(hash_procedural, range(procedural), 100), "painting", procedural, progress
        )
        photos = _follow(
            pool.imap(hash_photograph, pictures, 4), "hashing photographs", len(pictures), progress
        )
    outcomes = [outcome for each in measured for outcome in each]
    result = BenchResult(
        pictures=len(pictures),
        recall=tuple(summarise(outcomes)),
        per_change=share_by_change(outcomes),
        false_matches=tuple(false_match_tables(painted, photos)),
        near_pairs=tuple(list_near_pairs(painted, photos)),
        collisions=collision_curves(painted, photos),
        marks={
            mark_picture(picture): mark_outcomes(found)
            for picture, found in zip(pictures, measured, strict=True)
        },
    )
    write_report(result, out)
    plot_distances(
        {"photographs": photos, "painted scenes, pages, charts": painted},
        out / "hash-distances.png",
    )
    by_name = {picture.source: picture for picture in pictures}
    write_contact_sheet(
        result.near_pairs,
        lambda name: by_name.get(name) or falsematch.procedural_picture(int(name.split("/")[1])),
        out / "hash-false-pairs.png",
    )
    return result


def _follow(results: Iterable[_Result], step: str, total: int, progress: Progress) -> list[_Result]:
    found = []
    for result in results:
        found.append(result)
        progress(step, len(found), total)
    return found


def mark_picture(picture: BenchPicture) -> str:
    """Name a photograph by its pixels, so that any folder may hold it."""
    shape = "x".join(map(str, picture.pixels.shape)).encode()
    return hashlib.sha256(shape + picture.pixels.tobytes()).hexdigest()[:16]


def mark_outcomes(outcomes: Iterable[Outcome]) -> str:
    """Digest what became of a photograph's copies; the random chains follow its number."""
    lines = [f"{o.subject} {o.change} {int(o.found)}" for o in outcomes if o.group != "random"]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


_FALSE_PAIRS = (
    ("procedural", "lfh"),
    ("procedural against photographs", "lfh-1e5"),
    ("procedural against photographs", "lfh-1e6"),
    ("procedural", "pdq"),
    ("procedural", "phash"),
)
"""Which pairs are counted: all painted ones, and with variants and probes those that a table of
the photographs meets."""


def share_by_change(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    """Give the percent found, by change and subject; the random chains together."""
    counts: dict[str, dict[str, list[int]]] = {}
    for outcome in outcomes:
        change = "random" if outcome.group == "random" else outcome.change
        pair = counts.setdefault(change, {}).setdefault(outcome.subject, [0, 0])
        pair[0] += outcome.found
        pair[1] += 1
    return {
        change: {name: round(100 * found / copies, 2) for name, (found, copies) in by.items()}
        for change, by in counts.items()
    }


def recall_table(result: BenchResult) -> str:
    """Lay the recall out as a table in Markdown, everyday and random with their intervals."""
    rows = {(recall.subject, recall.group): recall for recall in result.recall}
    subjects = list(dict.fromkeys(recall.subject for recall in result.recall))
    lines = ["| hash | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for subject in subjects:
        cells = []
        for column in COLUMNS:
            recall = rows[subject, column]
            text = f"{recall.percent:.1f}"
            if column in ("everyday", "random", "crop2"):
                text += f" ({recall.low_percent:.1f} to {recall.high_percent:.1f})"
            cells.append(text)
        lines.append(f"| {subject} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def change_table(result: BenchResult) -> str:
    """Lay the percent found out by change, as a table in Markdown."""
    subjects = list(next(iter(result.per_change.values())))
    lines = ["| change | " + " | ".join(subjects) + " |", "|---" * (len(subjects) + 1) + "|"]
    lines += [
        f"| {change} | " + " | ".join(f"{shares[subject]:.1f}" for subject in subjects) + " |"
        for change, shares in result.per_change.items()
    ]
    return "\n".join(lines)


def false_match_table(result: BenchResult) -> str:
    """Lay the false-match study out as a table in Markdown."""
    lines = [
        "| hash | pictures of | count | pairs | same hash | at most, 95 % | effective bits |"
        " nearest |",
        "|---" * 8 + "|",
    ]
    lines += [
        f"| {f.subject} | {f.kind} | {f.pictures} | {f.pairs:.3g} | {len(f.matches)} |"
        f" {f.pair_bound:.2g} | {f.effective_bits:.1f} | {f.nearest} |"
        for f in result.false_matches
    ]
    return "\n".join(lines)


def bench_records(result: BenchResult) -> list[dict[str, Any]]:
    """Give the records for ``benchmarks/results.json``."""
    wanted = {
        "everyday": "hash_recall_everyday",
        "crop2": "hash_recall_crop2",
        "random": "hash_recall_random",
    }
    records: list[dict[str, Any]] = [
        {
            "name": wanted[recall.group],
            "subject": recall.subject,
            "baseline": None,
            "value": round(recall.percent, 2),
            "unit": "percent",
            "ratio": None,
        }
        for recall in result.recall
        if recall.group in wanted and recall.subject not in ("dhash", "pdq<=31")
    ]
    for table in result.false_matches:
        if (table.kind, table.subject) in _FALSE_PAIRS:
            records.append(
                {
                    "name": "hash_false_pairs",
                    "subject": table.subject,
                    "baseline": None,
                    "value": len(table.matches),
                    "unit": "count",
                    "ratio": None,
                }
            )
    return records


def write_report(result: BenchResult, out: Path) -> None:
    """Write JSON, CSV, tables and plots into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "hash-benchmark.json").write_text(
        json.dumps({**asdict(result), "records": bench_records(result)}, indent=1) + "\n",
        encoding="utf-8",
    )
    with (out / "hash-benchmark.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        subjects = list(next(iter(result.per_change.values())))
        writer.writerow(["change", *subjects])
        for change, shares in result.per_change.items():
            writer.writerow([change, *(shares[subject] for subject in subjects)])
    (out / "hash-benchmark.md").write_text(
        "\n\n".join(
            (
                recall_table(result),
                missed_table(result.per_change, {c.name: c.group for c in CHANGES}),
                change_table(result),
                false_match_table(result),
            )
        )
        + "\n",
        encoding="utf-8",
    )
    with (out / "hash-false-pairs.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["hash", "first", "second", "bits apart"])
        writer.writerows((p.subject, p.first, p.second, p.apart) for p in result.near_pairs)
    plot_recall(result.recall, out / "hash-recall.png")
    plot_collisions(result.collisions, out / "hash-collisions.png")
