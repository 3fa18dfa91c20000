"""Read a million entries from a Hash Sharing service, and kill the reader twice on the way.

``python -m benchmarks.list_exchange [--count 1000000] [--json]``. The service is made up and runs
in a process of its own; it serves XML pages of 1000 records. One import goes through undisturbed.
Another is killed (``kill -9``) when half of the pages are read, started again, killed when half of
the list is written, and started again. Both must hold the same in the end. Not one of the
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.simulators.hash_sharing import FIRST_AT, PASSWORD, USER

from benchmarks.list_import import count_versions, peak_memory_mib

LIST_ID = "industry"
Taken = dict[str, int | float | str]


def run_child(store: Path, address: str) -> None:
    """Import from the service as the command does, and print what it took."""
    from veilmatch.cli.main import run

    start = time.monotonic()
    code = run(
        [
            *("list", "import", LIST_ID, "--store", str(store), "--format", "ncmec"),
            *("--source", "Made up", "--environment", "test", "--jurisdiction", "US"),
            *("--address", address, "--user", USER, "--since", FIRST_AT.date().isoformat()),
            *("--password-file", str(store.with_name("password"))),
        ]
    )
    if code:
        raise SystemExit(code)
    taken = {"seconds": round(time.monotonic() - start, 1), "memory_mib": peak_memory_mib()}
    print(json.dumps(taken), flush=True)


class Service:
    """The made-up service in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def count_pages(self) -> int:
        """Ask how many pages were read so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._read())


@contextmanager
def serve(count: int, page_len: int) -> Iterator[Service]:
    """Start the service."""
    program = [sys.executable, "-m", "tests.simulators.hash_sharing", "--count", str(count)]
    with subprocess.Popen(
        [*program, "--page-len", str(page_len)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Service(process)
        finally:
            process.kill()


def _start(store: Path, service: Service) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "benchmarks.list_exchange", "--child", str(store)]
    return subprocess.Popen(
        [*program, "--address", service.address], stdout=subprocess.PIPE, text=True
    )


def _finish(store: Path, service: Service) -> Taken:
    with _start(store, service) as child:
        said, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"error: the import failed ({child.returncode})")
    taken: Taken = json.loads(said.splitlines()[-1])
    return taken


def _kill(store: Path, service: Service, reached: Callable[[], bool]) -> tuple[int, int]:
    """Kill an import once it has reached a point. Returns what is staged and what is live."""
    with _start(store, service) as child:
        while child.poll() is None and not reached():
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
    if child.returncode != -signal.SIGKILL:
        raise SystemExit("error: the import ended before it was killed")
    return count_versions(store)


def _half_written(store: Path) -> Path:
    from veilmatch.liststore.engine import SPLITS
    from veilmatch.liststore.list_folder import ListFolder

    return ListFolder(store).open(LIST_ID).split_path(1, SPLITS // 2 - 1)


def count_differences(one: Path, other: Path, work: Path) -> int:
    """Promote both and count the rows that only one of them holds."""
    from veilmatch.liststore.engine import SPLITS, fetch_int, open_engine, read_parquet
    from veilmatch.liststore.list_folder import ListFolder
    from veilmatch.liststore.promotion import promote

    lists = []
    for store in (one, other):
        promote(ListFolder(store), LIST_ID, datetime.now(UTC))
        lists.append(ListFolder(store).open(LIST_ID))
    count = 0
    with open_engine(work, memory_mib=512) as connection:
        for split in range(SPLITS):
            # Only when each was seen may differ.
            first, second = (
                f"SELECT * EXCLUDE (first_seen, last_seen) FROM {read_parquet([path])}"
                for path in (stored.split_path(stored.live_version, split) for stored in lists)
            )
            for pair in ((first, second), (second, first)):
                sql = f"SELECT count(*) FROM (({pair[0]}) EXCEPT ALL ({pair[1]}))"
                count += fetch_int(connection, sql)
    return count


def measure(count: int, page_len: int = 1000) -> Taken:
    """Import undisturbed, and killed twice; return what it took and what was left each time."""
    with tempfile.TemporaryDirectory() as name, serve(count, page_len) as service:
        (Path(name) / "password").write_text(PASSWORD)
        whole, killed = Path(name) / "whole", Path(name) / "killed"
        result = _finish(whole, service)
        pages = service.count_pages()
        result |= {"pages": pages, **_describe(whole)}

        def half_read() -> bool:
            return service.count_pages() - pages > count / page_len / 2

        staged, live = _kill(killed, service, half_read)
        first = service.count_pages() - pages
        result |= {"pages_before_kill": first, "after_kill": staged + live}
        staged, live = _kill(killed, service, _half_written(killed).exists)
        second = service.count_pages() - pages - first
        result |= {"pages_after_kill": second, "after_second_kill": staged + live}
        again = _finish(killed, service)
        result["pages_after_second_kill"] = service.count_pages() - pages - first - second
        result["resumed_memory_mib"] = again["memory_mib"]
        result["differences"] = count_differences(whole, killed, Path(name))
    return result


def _describe(store: Path) -> Taken:
    from veilmatch.liststore.list_folder import ListFolder

    stored = ListFolder(store).open(LIST_ID)
    report = stored.read_report(stored.staged_version)
    return {name: report[name] for name in ("records", "hashes", "tombstones")} | {
        "live": sum(report["live"].values())
    }


def main() -> None:
    """Run it once."""
    parser = argparse.ArgumentParser(description="Import from a made-up Hash Sharing service.")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--page-len", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="one JSON line")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        run_child(chosen.child, chosen.address)
        return
    taken = measure(chosen.count, chosen.page_len)
    if chosen.json:
        print(json.dumps(taken))
        return
    for name, value in taken.items():
        print(f"{name.replace('_', ' ')}: {value}")


if __name__ == "__main__":
    main()
