"""Memory that does not grow with the list: each test here fails for a reader that holds it all.

The database that sorts a list has a bound of its own and fills it, so a peak of the whole import
tells little at small sizes. Here the parsers run alone in a process, by the kernel's account, and
the import runs under ``tracemalloc``, which counts every Python object and none of the database's.
"""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from benchmarks import list_intersect

from tests.simulators.list_files import MAKERS
from veilmatch.hashlist.entry import KNOWN_BAD, ListSource
from veilmatch.hashlist.formats.catalogue import CATEGORISED, UPDATES, load_importer
from veilmatch.hashlist.hygiene import CategoryRule
from veilmatch.liststore.exchange.windows import read_pieces
from veilmatch.liststore.list_folder import ListFolder
from veilmatch.liststore.staging import ImportOptions, stage_import

FEW, MANY = 20_000, 100_000
MAX_GROWTH_MIB = 20
# Under tracemalloc everything is slower: fewer records, and a bound for the smaller difference.
FEW_TRACED, MANY_TRACED = 1_000, 6_000
MAX_GROWTH_BYTES = 600_000

_READ = """
import sys
from pathlib import Path
from benchmarks.list_import import peak_memory_mib
from veilmatch.hashlist.formats.catalogue import load_importer
from veilmatch.liststore.exchange.windows import read_pieces
form, path, hold = sys.argv[1:]
items = load_importer(form)(read_pieces(Path(path)), kind="pdq", scheme="made-up")
kept = [item for item in items] if hold == "hold" else sum(1 for _ in items)
print(len(kept) if hold == "hold" else kept, peak_memory_mib())
"""


def _peak_mib(form: str, count: int, folder: Path, *, hold: bool = False) -> int:
    """Parse a made-up file in a process of its own. Returns that process's most memory, MiB."""
    path = folder / f"{form}-{count}"
    if not path.exists():
        with path.open("wb") as out:
            out.writelines(MAKERS[form](count, 1))
    command = [sys.executable, "-c", _READ, form, str(path), "hold" if hold else "pass"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    items, peak = done.stdout.split()
    assert int(items) >= count
    return int(peak)


@pytest.mark.parametrize("form", MAKERS)
def test_a_parser_takes_no_more_for_five_times_the_records(form: str, tmp_path: Path) -> None:
    growth = _peak_mib(form, MANY, tmp_path) - _peak_mib(form, FEW, tmp_path)
    assert growth <= MAX_GROWTH_MIB


def test_a_reader_that_holds_every_record_would_be_found(tmp_path: Path) -> None:
    many, few = (_peak_mib("text", count, tmp_path, hold=True) for count in (MANY, FEW))
    assert many - few > MAX_GROWTH_MIB


def _traced_peak(form: str, count: int, folder: Path, *, hold: bool = False) -> int:
    path = folder / f"{form}-{count}"
    with path.open("wb") as out:
        out.writelines(MAKERS[form](count, 1))
    rule = CategoryRule(frozenset({"1", "2"}), True) if form in CATEGORISED else CategoryRule()
    items = load_importer(form)(read_pieces(path), kind="pdq", scheme="made-up")
    tracemalloc.start()
    try:
        report = stage_import(
            ListFolder(folder / f"store-{count}"),
            "made-up",
            ListSource("Made up", "test", "NL", KNOWN_BAD, form),
            [iter(list(items)) if hold else items],
            ImportOptions(is_update=form in UPDATES, categories=rule, expected_count=count),
            datetime.now(UTC),
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report["records"] == count
    return peak


@pytest.mark.parametrize("form", MAKERS)
def test_an_import_holds_no_record(form: str, tmp_path: Path) -> None:
    _traced_peak(form, 10, tmp_path)  # what is loaded once is loaded now
    few, many = (_traced_peak(form, count, tmp_path) for count in (FEW_TRACED, MANY_TRACED))
    assert many - few <= MAX_GROWTH_BYTES


def test_an_import_that_holds_every_record_would_be_found(tmp_path: Path) -> None:
    _traced_peak("csv", 10, tmp_path, hold=True)
    few, many = (
        _traced_peak("csv", count, tmp_path, hold=True) for count in (FEW_TRACED, MANY_TRACED)
    )
    assert many - few > MAX_GROWTH_BYTES


def test_an_intersection_takes_no_more_for_five_times_the_hashes() -> None:
    few, many = (list_intersect.measure(count) for count in (100_000, 500_000))
    assert many["memory_mib"] - few["memory_mib"] <= MAX_GROWTH_MIB
