"""Import a million entries of each form and report seconds and memory.

``python -m benchmarks.list_import [--count 1000000] [--form vics]``. Each form runs in a process
of its own; the file is made up first and is not part of the time. Not one of the operations that
``python -m benchmarks`` compares: it takes minutes.
"""

from __future__ import annotations

import argparse
import json
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


def measure(form: str, count: int) -> dict[str, int | float | str]:
    """Make a file up, import it in a fresh process, return what it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / form).open("wb") as out:
            out.writelines(MAKERS[form](count, 1))
        command = [sys.executable, "-m", "benchmarks.list_import", "--child", name]
        done = subprocess.run(
            [*command, "--form", form, "--count", str(count)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    result: dict[str, int | float | str] = json.loads(done.stdout)
    return result


def main() -> None:
    """Run every form, or one."""
    parser = argparse.ArgumentParser(description="Import a made-up list of each form.")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--form", choices=[*MAKERS])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        run_child(chosen.form, chosen.count, chosen.child)
        return
    for form in [chosen.form] if chosen.form else MAKERS:
        print(json.dumps(measure(form, chosen.count)), flush=True)


if __name__ == "__main__":
    main()
