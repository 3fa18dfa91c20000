"""Intersect two lists of millions and report seconds and memory.

``python -m benchmarks.list_intersect [--count 20000000]``: two made-up lists of that many hashes,
half in common. The lists are written as live versions directly, by the database; the
intersection runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.list_import import peak_memory_mib
from veilmatch.hashlist.entry import KNOWN_BAD, ListSource
from veilmatch.liststore.engine import SPLITS, open_engine, quote
from veilmatch.liststore.intersection import intersect_lists
from veilmatch.liststore.list_folder import Current, ListFolder
from veilmatch.wire import to_canonical_json


def make_list(folder: ListFolder, list_id: str, place: str, first: int, count: int) -> None:
    """Write a live version that lists the SHA-256 of ``count`` numbers from ``first``."""
    stored = folder.open(list_id)
    stored.fix_source(ListSource("Made up", "test", place, KNOWN_BAD, "text"))
    version = stored.begin_version()
    path = stored.version_path(version)
    work = path / "work"
    work.mkdir()
    with open_engine(work, memory_mib=1024, database=work / "rows.duckdb") as connection:
        connection.execute(
            "CREATE TABLE rows AS SELECT unhex(sha256(range::VARCHAR)) AS value "
            f"FROM range({first}, {first + count})"
        )
        for split in range(SPLITS):
            connection.execute(
                "COPY (SELECT 'pdq' AS kind, value, 'live' AS state, '' AS entry_id FROM rows "
                f"WHERE starts_with(hex(value), '{split:X}') ORDER BY value) "
                f"TO {quote(stored.split_path(version, split))} (FORMAT parquet, COMPRESSION zstd)"
            )
    (path / "report.json").write_bytes(to_canonical_json({"list": list_id}))
    stored.write_current(Current(version, False, "", ""))


def run_child(folder: Path, memory_mib: int) -> None:
    """Intersect what is there and print what it took."""
    start = time.monotonic()
    result = intersect_lists(
        ListFolder(folder / "store"), [], "pdq", 2, folder / "out", memory_mib=memory_mib
    )
    taken = {"seconds": round(time.monotonic() - start, 1), "memory_mib": peak_memory_mib()}
    print(json.dumps({"common": result["count"], **taken}))


def measure(count: int, memory_mib: int = 512) -> dict[str, int | float]:
    """Make two lists, intersect them in a fresh process, return what it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = ListFolder(Path(name) / "store")
        make_list(folder, "first", "NL", 0, count)
        make_list(folder, "second", "CA", count // 2, count)
        command = [sys.executable, "-m", "benchmarks.list_intersect", "--child", name]
        done = subprocess.run(
            [*command, "--memory", str(memory_mib)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    result: dict[str, int | float] = {"count": count, **json.loads(done.stdout)}
    return result


def main() -> None:
    """Run it once."""
    parser = argparse.ArgumentParser(description="Intersect two made-up lists.")
    parser.add_argument("--count", type=int, default=20_000_000)
    parser.add_argument("--memory", type=int, default=512, help="MiB for the database")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        run_child(chosen.child, chosen.memory)
        return
    print(json.dumps(measure(chosen.count, chosen.memory)), flush=True)


if __name__ == "__main__":
    main()
