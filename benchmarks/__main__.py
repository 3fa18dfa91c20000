"""``make bench``: run every benchmark, print a table, write ``benchmarks/results.json``."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from benchmarks.harness import Record

BENCHMARKS = ("table_row", "validate_row", "make_voucher", "match_voucher", "detection")
RESULTS = Path(__file__).with_name("results.json")


def print_record(record: Record) -> None:
    """Print one line."""
    ratio = "" if record.ratio is None else f"{record.ratio:6.2f} x {record.baseline}"
    rate = f"{1e6 / record.value:10,.0f} /s" if record.unit == "us" else ""
    print(
        f"{record.name:<14} {record.subject:<10} {record.value:10.2f} {record.unit}{rate}  {ratio}"
    )


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all."""
    records: list[Record] = []
    for name in names or BENCHMARKS:
        for record in importlib.import_module(f"benchmarks.{name}").run():
            print_record(record)
            records.append(record)
    RESULTS.write_text(json.dumps([r.to_json() for r in records], indent=1) + "\n")
    print(f"written: {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
