"""``make bench``: run every benchmark, print a table, write ``benchmarks/results.json``."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Record
from benchmarks.native_backends import as_backend

# Beside bare libsodium, on the portable backend.
PORTABLE = ("table_row", "validate_row", "make_voucher", "match_voucher", "detection")
# Native beside portable; nothing where the native core is not installed.
NATIVE = (
    "native_table_row",
    "native_validate_row",
    "native_make_voucher",
    "native_match_voucher",
    "native_cores",
    "native_table_1m",
    "hash_speed",
)
# Percent and counts; nothing here is timed.
HASHES = ("hash_recall",)
# Beside peers, each in an environment of its own; nothing where a peer cannot be installed.
PEERS = ("peers.openmined_psi", "peers.secretflow_ub")
# The service; nothing where PostgreSQL is not installed.
SERVICE = ("intake",)
RESULTS = Path(__file__).with_name("results.json")


def print_record(record: Record) -> None:
    """Print one line."""
    ratio = "" if record.ratio is None else f"{record.ratio:6.2f} x {record.baseline}"
    rate = f"{1e6 / record.value:10,.0f} /s" if record.unit == "us" else ""
    print(
        f"{record.name:<20} {record.subject:<10} {record.value:10.2f} {record.unit}{rate}  {ratio}"
    )


def run_one(name: str) -> list[Record]:
    """Run one benchmark, the portable ones on the portable backend."""
    run: Callable[[], list[Record]] = importlib.import_module(f"benchmarks.{name}").run
    if name not in PORTABLE:
        return run()
    found: list[Record] = []
    as_backend("portable", lambda: found.extend(run()))()
    return found


def _key(record: dict[str, object]) -> tuple[object, ...]:
    return record["name"], record["subject"], record["baseline"]


def read_results() -> list[dict[str, object]]:
    """Read the records of earlier runs."""
    if not RESULTS.exists():
        return []
    found: list[dict[str, object]] = json.loads(RESULTS.read_text())
    return found


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all."""
    records: list[Record] = []
    for name in names or (*PORTABLE, *NATIVE, *HASHES, *SERVICE, *PEERS):
        for record in run_one(name):
            print_record(record)
            records.append(record)
    fresh = [record.to_json() for record in records]
    kept = [old for old in read_results() if _key(old) not in {_key(new) for new in fresh}]
    RESULTS.write_text(json.dumps(kept + fresh, indent=1) + "\n")
    print(f"written: {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
