"""Import a million entries of each form: seconds, memory, and what a kill half way leaves.

``python -m benchmarks.list_import [--count 1000000] [--form vics] [--json]``. Each form runs in a
process of its own; the file is made up first and is not part of the time. A second process
imports the same file and is killed (``kill -9``) when half of that time is over. Not one of the
operations that ``python -m benchmarks`` compares: it takes minutes.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.simulators.list_files import MAKERS


def peak_memory_mib() -> int:
    """Return the most memory that this process held, MiB, from the kernel's own account."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    raise SystemExit("error: this kernel keeps no account of memory")


def run_child(form: str, count: int, folder: Path) -> None:
    """Import one file that is there already, and print what it took."""
    from veilmatch.hashlist.entry import KNOWN_BAD, ListSource
    from veilmatch.hashlist.formats.catalogue import CATEGORISED, UPDATES, load_importer
    from veilmatch.hashlist.hygiene import CategoryRule
    from veilmatch.liststore.exchange.windows import read_pieces
    from veilmatch.liststore.list_folder import ListFolder
    from veilmatch.liststore.staging import ImportOptions, stage_import

    start = time.monotonic()
    rule = CategoryRule(frozenset({"1", "2"}), True) if form in CATEGORISED else CategoryRule()
    report = stage_import(
        ListFolder(folder / "store"),
        "made-up",
        ListSource("Made up", "test", "NL", KNOWN_BAD, form),
        [load_importer(form)(read_pieces(folder / form), kind="pdq", scheme="made-up")],
        ImportOptions(is_update=form in UPDATES, categories=rule, expected_count=count),
        datetime.now(UTC),
    )
    result = {
        "form": form,
        "records": report["records"],
        "hashes": report["hashes"],
        "live": sum(report["live"].values()),
        "file_mib": (folder / form).stat().st_size >> 20,
        "seconds": round(time.monotonic() - start, 1),
        "memory_mib": peak_memory_mib(),
    }
    sys.stdout.write(json.dumps(result) + "\n")


def _command(form: str, count: int, folder: Path) -> list[str]:
    program = [sys.executable, "-m", "benchmarks.list_import", "--child", str(folder)]
    return [*program, "--form", form, "--count", str(count)]


def measure(form: str, count: int, *, kill: bool = False) -> dict[str, int | float | str]:
    """Make a file up, import it in a fresh process, return what it took.

    Args:
        form: Which form.
        count: How many records.
        kill: Then import it once more into another store, kill that half way, and look there.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / form).open("wb") as out:
            out.writelines(MAKERS[form](count, 1))
        started = time.monotonic()
        done = subprocess.run(
            _command(form, count, folder), check=True, stdout=subprocess.PIPE, text=True
        )
        took = time.monotonic() - started
        result: dict[str, int | float | str] = json.loads(done.stdout)
        if kill:
            (folder / "store").rename(folder / "first")
            result |= _kill_half_way(form, count, folder, took)
    return result


def _kill_half_way(form: str, count: int, folder: Path, took: float) -> dict[str, int | float]:
    """Kill an import when half of its time is over, or half of it written. Raises SystemExit."""
    from veilmatch.liststore.engine import SPLITS
    from veilmatch.liststore.list_folder import ListFolder

    # A machine that got faster meanwhile would be done after that time: it is watched as well.
    half = ListFolder(folder / "store").open("made-up").split_path(1, SPLITS // 2 - 1)
    started = time.monotonic()
    child = subprocess.Popen(_command(form, count, folder), stdout=subprocess.DEVNULL)
    while time.monotonic() - started < took / 2 and not half.exists():
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    took = time.monotonic() - started
    if child.wait() != -signal.SIGKILL:
        raise SystemExit("error: the import ended before it was killed")
    staged, live = count_versions(folder / "store")
    files = (path for path in (folder / "store").rglob("*") if path.is_file())
    bytes_written = sum(path.stat().st_size for path in files)
    return {
        "killed_after_s": round(took, 1),
        "half_written_mib": bytes_written >> 20,
        "staged_after_kill": staged,
        "live_after_kill": live,
    }


def count_versions(store: Path) -> tuple[int, int]:
    """Count the lists of a store that have something staged, and those that have something live."""
    from veilmatch.liststore.list_folder import ListFolder
    from veilmatch.liststore.promotion import describe_lists

    left = describe_lists(ListFolder(store)) if store.exists() else []
    staged = sum(bool(one["staged_version"]) for one in left)
    return staged, sum(bool(one["live_version"]) for one in left)


def print_table(results: list[dict[str, int | float | str]]) -> None:
    """Print what was measured, a line for each form."""
    columns = {
        "form": "form",
        "records": "records",
        "hashes": "hashes",
        "file_mib": "file MiB",
        "seconds": "s",
        "memory_mib": "peak MiB",
        "killed_after_s": "killed after s",
        "half_written_mib": "on disk MiB",
        "staged_after_kill": "staged",
        "live_after_kill": "live",
    }
    rows = [[str(one.get(name, "")) for name in columns] for one in results]
    widths = [max(map(len, cells)) for cells in zip(columns.values(), *rows, strict=True)]
    for cells in (list(columns.values()), *rows):
        print("  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)))


def main() -> None:
    """Run every form, or one."""
    parser = argparse.ArgumentParser(description="Import a made-up list of each form.")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--form", choices=[*MAKERS])
    parser.add_argument("--json", action="store_true", help="one JSON line for each form")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        run_child(chosen.form, chosen.count, chosen.child)
        return
    results = []
    for form in [chosen.form] if chosen.form else MAKERS:
        results.append(measure(form, chosen.count, kill=True))
        if chosen.json:
            print(json.dumps(results[-1]), flush=True)
    if not chosen.json:
        print_table(results)


if __name__ == "__main__":
    main()
