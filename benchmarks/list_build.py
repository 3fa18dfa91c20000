"""Build a release straight from staged lists of a million and report seconds and memory.

``python -m benchmarks.list_build [--count 1000000] [--no-table]``: two made-up lists of LFH hashes
of two providers, all in common, written as live versions directly by the database. Reading and
building run in a process of their own. Not one of the operations that ``python -m benchmarks``
compares: it takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.list_import import peak_memory_mib
from veilmatch.hashlist.entry import KNOWN_BAD, ListSource
from veilmatch.liststore.engine import SPLITS, open_engine, quote
from veilmatch.liststore.list_folder import Current, ListFolder
from veilmatch.liststore.staged_set import read_staged_set
from veilmatch.release.manifest import HashAlgorithm, Parameters
from veilmatch.release.manifest import ListSource as ManifestSource
from veilmatch.release.publish import HashSet, ReleaseRequest, build_from_set
from veilmatch.wire import to_canonical_json

_LEN = 9


def make_list(folder: ListFolder, name: str, place: str, count: int) -> None:
    """Write a live version that a provider of this name signed, with made-up hashes."""
    stored = folder.open(name)
    stored.fix_source(ListSource(name, "test", place, KNOWN_BAD, "signed"))
    version = stored.begin_version()
    path = stored.version_path(version)
    work = path / "work"
    work.mkdir()
    with open_engine(work, memory_mib=1024, database=work / "rows.duckdb") as connection:
        connection.execute(
            f"CREATE TABLE rows AS SELECT unhex(sha256(range::VARCHAR)[:{2 * _LEN}]) AS value "
            f"FROM range({count})"
        )
        for split in range(SPLITS):
            connection.execute(
                "COPY (SELECT 'lfh' AS kind, value, 'live' AS state, '' AS entry_id, '' AS member "
                f"FROM rows WHERE starts_with(hex(value), '{split:X}') ORDER BY value) "
                f"TO {quote(stored.split_path(version, split))} (FORMAT parquet, COMPRESSION zstd)"
            )
    attested = {
        "name": name,
        "jurisdiction": place,
        "public_key": "00" * 32,
        "algorithm": "lfh",
        "bit_len": 72,
        "content_class": "csam",
        "count": count,
        "picture_count": count,
        "open_slots": {},
        "commitment": "00" * 32,
    }
    report = {"list": name, "live": {"lfh": count}, "attested": attested}
    (path / "report.json").write_bytes(to_canonical_json(report))
    stored.write_current(Current(version, False, "", ""))


def run_child(folder: Path, table: bool) -> None:
    """Read what is there, build, and print what it took."""
    start = time.monotonic()
    staged = read_staged_set(ListFolder(folder), [], "lfh", 2)
    taken: dict[str, float] = {
        "hashes": len(staged.hashes),
        "read_seconds": round(time.monotonic() - start, 1),
        "read_memory_mib": peak_memory_mib(),
    }
    if table:
        start = time.monotonic()
        sources = tuple(ManifestSource(x.provider, x.commitment, x.count) for x in staged.lists)
        algorithm = HashAlgorithm("lfh", 2, 72, {"made": "up"})
        request = ReleaseRequest(1, int(time.time()), 3600, algorithm, Parameters(probes=16))
        built = build_from_set(
            HashSet(staged.hashes, sources, "csam"), request, threads=os.cpu_count() or 1
        )
        taken |= {
            "rows": len(built.table),
            "build_seconds": round(time.monotonic() - start, 1),
            "memory_mib": peak_memory_mib(),
        }
    print(json.dumps(taken))


def main() -> None:
    """Run it once."""
    parser = argparse.ArgumentParser(description="Build from two made-up staged lists.")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--no-table", action="store_true", help="only read the set")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        run_child(chosen.child, not chosen.no_table)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = ListFolder(Path(name))
        make_list(folder, "first", "NL", chosen.count)
        make_list(folder, "second", "CA", chosen.count)
        command = [sys.executable, "-m", "benchmarks.list_build", "--child", name]
        command += ["--no-table"] if chosen.no_table else []
        print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


if __name__ == "__main__":
    main()
