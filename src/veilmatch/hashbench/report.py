"""Runs the whole benchmark and writes its tables, plots and contact sheet."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from veilmatch.hashbench import falsematch
from veilmatch.hashbench.run import Outcome, Recall, measure_one, summarise
from veilmatch.hashbench.sets import BenchPicture, photographs
from veilmatch.hashbench.subjects import build_subjects

COLUMNS = (
    "everyday",
    "random",
    "codec",
    "resize",
    "tone",
    "filter",
    "crop2",
    "crop10",
    "rotate",
    "overlay",
    "border",
    "combination",
    "mirror",
)
PROCEDURAL_PICTURES = 36_000
_SHEET_PAIRS, _TILE = 60, 120
_COUNTED = ("lfh", "pdq", "phash", "dhash")
_PROBED = "lfh-1e5"
_PLOTTED = 3000


@dataclass(frozen=True)
class BenchResult:
    """Everything that was measured."""

    pictures: int
    recall: tuple[Recall, ...]
    per_change: dict[str, dict[str, float]]
    false_matches: tuple[falsematch.FalseMatches, ...]


def run_hash_benchmark(
    folders: Sequence[Path],
    out: Path,
    *,
    limit: int | None = None,
    procedural: int = PROCEDURAL_PICTURES,
    jobs: int = 2,
) -> BenchResult:
    """Measure recall on the folders' photographs and false matches, and write the report.

    Args:
        folders: Unpacked packages with pictures; nothing is downloaded.
        out: Folder for ``hash-benchmark.json``, ``.csv`` and plots; made if missing.
        limit: Use only the first so many photographs.
        procedural: How many pictures the false-match study paints.
        jobs: Processes.
    """
    pictures = photographs(list(folders))[:limit]
    with Pool(jobs) as pool:
        measured = pool.map(measure_one, list(enumerate(pictures)), chunksize=2)
        painted = pool.map(hash_procedural, range(procedural), chunksize=100)
        photos = pool.map(hash_photograph, pictures, chunksize=4)
    outcomes = [outcome for each in measured for outcome in each]
    result = BenchResult(
        pictures=len(pictures),
        recall=tuple(summarise(outcomes)),
        per_change=share_by_change(outcomes),
        false_matches=tuple(false_match_tables(painted, photos)),
    )
    write_report(result, out)
    plot_distances(
        {"photographs": photos, "painted scenes, pages, charts": painted},
        out / "hash-distances.png",
    )
    write_contact_sheet(result, {p.source: p for p in pictures}, out)
    return result


@dataclass(frozen=True)
class HashedPicture:
    """One picture of the false-match study.

    Attributes:
        source: Its name.
        keys: Its key with each counted subject whose gate it passes.
        entered: What it enters into a table for up to 1e5 records.
        tried: What a client tries there for it.
    """

    source: str
    keys: dict[str, bytes]
    entered: frozenset[bytes]
    tried: frozenset[bytes]


def hash_picture(picture: BenchPicture, *, enter: bool) -> HashedPicture:
    """Hash one picture with the counted subjects; ``enter`` also makes its variants."""
    subjects = {subject.name: subject for subject in build_subjects()}
    keys = {}
    for name in _COUNTED:
        tried = sorted(subjects[name].look_up(picture.pixels))
        if tried:
            keys[name] = tried[0]
    probed = subjects[_PROBED]
    entered = probed.enter(picture.pixels) if enter else frozenset()
    return HashedPicture(picture.source, keys, entered, probed.look_up(picture.pixels))


def hash_procedural(index: int) -> HashedPicture:
    """Hash one painted picture; for pools of processes."""
    return hash_picture(falsematch.procedural_picture(index), enter=False)


def hash_photograph(picture: BenchPicture) -> HashedPicture:
    """Hash one photograph and its variants; for pools of processes."""
    return hash_picture(picture, enter=True)


def false_match_tables(
    painted: Sequence[HashedPicture], photos: Sequence[HashedPicture]
) -> list[falsematch.FalseMatches]:
    """Count equal hashes of different pictures.

    First one key each: among painted pictures, by kind and altogether, and among photographs.
    Then with variants and probes, as in a table up to 1e5 records: every picture tried against
    the entries of every other photograph.
    """
    tables = []
    for name in _COUNTED:
        keys = [(each.source, each.keys[name]) for each in painted if name in each.keys]
        for kind in ("scene", "page", "chart"):
            some = [pair for pair in keys if pair[0].startswith(kind)]
            tables.append(falsematch.study_keys(name, kind, some))
        tables.append(falsematch.study_keys(name, "procedural", keys))
        found = [(each.source, each.keys[name]) for each in photos if name in each.keys]
        tables.append(falsematch.study_keys(name, "photographs", found))
    entries = [(each.source, key) for each in photos for key in sorted(each.entered)]
    for kind, pictures in (
        ("procedural against photographs", painted),
        ("photographs against photographs", photos),
    ):
        tried = [(each.source, each.tried) for each in pictures if each.tried]
        tables.append(falsematch.study_probed(_PROBED, kind, entries, tried))
    return tables


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
        if table.kind == "procedural" and table.subject != "dhash":
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
        recall_table(result) + "\n\n" + false_match_table(result) + "\n", encoding="utf-8"
    )
    _plot_recall(result, out / "hash-recall.png")


def _plot_recall(result: BenchResult, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = {(recall.subject, recall.group): recall.percent for recall in result.recall}
    subjects = list(dict.fromkeys(recall.subject for recall in result.recall))
    figure, axes = pyplot.subplots(figsize=(12, 4.5))
    places = np.arange(len(COLUMNS))
    for number, subject in enumerate(subjects):
        heights = [rows[subject, column] for column in COLUMNS]
        axes.bar(places + (number - len(subjects) / 2) * 0.11, heights, 0.11, label=subject)
    axes.set_xticks(places, COLUMNS, rotation=30, ha="right")
    axes.set_ylabel("copies found, percent")
    axes.set_ylim(0, 100)
    axes.legend(ncol=len(subjects), fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.12))
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def plot_distances(sets: dict[str, Sequence[HashedPicture]], path: Path) -> None:
    """Plot how far apart hashes of different pictures are, in shares of all pairs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, rows = pyplot.subplots(1, len(_COUNTED), figsize=(12, 3), sharey=True)
    for axes, name in zip(rows, _COUNTED, strict=True):
        for label, pictures in sets.items():
            keys = [each.keys[name] for each in pictures if name in each.keys][:_PLOTTED]
            if len(keys) < 2:
                continue
            apart = falsematch.distances(keys)
            shares = np.bincount(apart, minlength=len(keys[0]) * 8 + 1) / len(apart)
            shown = np.nonzero(shares)[0]
            axes.plot(shown, shares[shown], label=label)
        axes.set_title(name)
        axes.set_xlabel("bits apart")
        axes.set_xlim(left=0)
        axes.set_yscale("log")
    rows[0].set_ylabel("share of pairs")
    rows[0].legend(fontsize=7, loc="lower center")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def write_contact_sheet(result: BenchResult, pictures: dict[str, BenchPicture], out: Path) -> None:
    """Put pairs that share LFH side by side, for eyes; no file where there are none."""
    pairs = [
        pair
        for table in result.false_matches
        if table.subject == "lfh" and table.kind in ("procedural", "photographs")
        for pair in table.matches
    ][:_SHEET_PAIRS]
    if not pairs:
        return
    sheet = Image.new("RGB", (2 * _TILE, len(pairs) * _TILE), (255, 255, 255))
    for row, pair in enumerate(pairs):
        for column, source in enumerate(pair):
            found = pictures.get(source)
            if found is None:
                found = falsematch.procedural_picture(int(source.split("/")[1]))
            tile = Image.fromarray(found.pixels)
            tile.thumbnail((_TILE - 4, _TILE - 4))
            sheet.paste(tile, (column * _TILE, row * _TILE))
    sheet.save(out / "hash-false-pairs.png")
