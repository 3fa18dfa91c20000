"""Recall and false pairs of the image hashes: the published whole run, repeated in part.

The whole run (``veilmatch bench hash``) takes half an hour and unpacked Debian packages; it is
kept as ``docs/reference/hash-benchmark.json``. Here its records are taken over, if they are of
the present weights and suite, after a part of it was measured again: some of its photographs, if
the demo's packages are installed, and some of its painted pictures. Every outcome must be the same
as in the whole run, or the benchmark fails. So the numbers stay those of the whole run, with its
counts and intervals, and cannot grow old unseen.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness import Record
from veilmatch.hashbench.falsematch import hash_procedural
from veilmatch.hashbench.report import PROCEDURAL_PICTURES, mark_outcomes, mark_picture
from veilmatch.hashbench.run import measure_picture
from veilmatch.hashbench.sets import LONG_SIDE, BenchPicture, fit
from veilmatch.hashbench.subjects import build_subjects
from veilmatch.hashbench.suite import CHANGES
from veilmatch.hashing.lfh import WEIGHTS_SHA256
from veilmatch.hashing.picture import decode_picture

ROOT = Path(__file__).resolve().parents[1]
WHOLE_RUN = ROOT / "docs" / "reference" / "hash-benchmark.json"
PHOTOGRAPHS, PAINTED = 4, 200


def find_pictures() -> list[Path]:
    """Find the demo's photographs, where they are installed."""
    from veilmatch.demo.photographs import find_photographs
    from veilmatch.errors import ConfigError

    try:
        return find_photographs(Path(sys.prefix) / "pictures")
    except ConfigError:
        return []


def repeat_photographs(marks: dict[str, str], paths: list[Path], count: int) -> int:
    """Measure some of the run's photographs again; returns how many were at hand.

    Raises:
        AssertionError: An outcome differs from that of the whole run.
    """
    subjects, done = build_subjects(), 0
    for path in paths:
        pixels = fit(decode_picture(path.read_bytes()).pixels, LONG_SIDE)
        picture = BenchPicture(path.name, pixels)
        expected = marks.get(mark_picture(picture))
        if expected is None:
            continue
        if mark_outcomes(measure_picture(picture, 0, subjects)) != expected:
            raise AssertionError(f"{path.name} gives other outcomes than in the whole run")
        done += 1
        if done == count:
            break
    return done


def repeat_painted(count: int) -> None:
    """Hash some of the run's painted pictures again, evenly spread; no two may share a hash.

    Raises:
        AssertionError: Two of LFH do.
    """
    step = max(1, PROCEDURAL_PICTURES // count)
    keys = [hash_procedural(index).keys.get("lfh") for index in range(0, step * count, step)]
    found = [key for key in keys if key is not None]
    if len(set(found)) != len(found):
        raise AssertionError("two painted pictures share a hash")


def _print_counts(whole: dict[str, Any], photographs: int) -> None:
    print(f"hash_recall: whole run of {whole['pictures']} photographs; again {photographs} of them")
    for one in whole["recall"]:
        if one["group"] in ("everyday", "crop2", "random"):
            interval = f"{one['low_percent']:.1f} to {one['high_percent']:.1f}"
            print(
                f"  {one['subject']:<8} {one['group']:<9} {one['found']} of {one['copies']}"
                f" copies (95 %: {interval})"
            )
    for one in whole["false_matches"]:
        if one["kind"].startswith("procedural"):
            print(
                f"  {one['subject']:<8} {len(one['matches'])} false pairs of {one['pairs']:,}"
                f" (at most {one['pair_bound']:.2g} each, 95 %)"
            )


def run() -> list[Record]:
    """Repeat a part of the whole run and take over its records.

    Raises:
        AssertionError: The whole run is of other weights or changes, or a part differs.
    """
    whole: dict[str, Any] = json.loads(WHOLE_RUN.read_text(encoding="utf-8"))
    changes = {change.name for change in CHANGES} | {"random"}
    if whole["weights"] != WEIGHTS_SHA256 or set(whole["per_change"]) != changes:
        raise AssertionError("the whole run is of other weights or changes; run it again")
    done = repeat_photographs(whole["marks"], find_pictures(), PHOTOGRAPHS)
    repeat_painted(PAINTED)
    _print_counts(whole, done)
    return [Record(**record) for record in whole["records"]]


if __name__ == "__main__":
    for record in run():
        print(record)
