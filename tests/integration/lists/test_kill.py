"""Killed at any moment, an import leaves what was live as it was, and nothing else counts."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulators.list_files import make_json_lines
from tests.tally import Tally
from tests.unit.liststore.fixture import HASHES, NOW, entries, load
from veilmatch.errors import ConfigError
from veilmatch.hashlist.formats.catalogue import load_importer
from veilmatch.liststore.exchange.windows import read_pieces
from veilmatch.liststore.intersection import intersect_lists
from veilmatch.liststore.list_folder import ListFolder
from veilmatch.liststore.promotion import describe_lists, promote
from veilmatch.liststore.staging import ImportOptions, stage_import

_COUNT = 20_000
_CHILD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from veilmatch.hashlist.formats.catalogue import load_importer
from veilmatch.liststore.exchange.windows import read_pieces
from veilmatch.liststore.list_folder import ListFolder
from veilmatch.liststore.staging import ImportOptions, stage_import
folder = ListFolder(Path(sys.argv[1]))
source = folder.open("a").read_source()
items = load_importer("jsonl")(read_pieces(Path(sys.argv[2])))
stage_import(folder, "a", source, [items], ImportOptions(), datetime.now(UTC))
"""


def _reading(version: Path) -> bool:
    rows = version / "rows.csv"
    return rows.exists() and rows.stat().st_size > 100_000


def _loading(version: Path) -> bool:
    return (version / "work").exists()


def _merging(version: Path) -> bool:
    return (version / "split-3.parquet").exists()


def _ending(version: Path) -> bool:
    return (version / "split-d.parquet").exists()


@pytest.mark.faults
@pytest.mark.parametrize("moment", [_reading, _loading, _merging, _ending])
def test_killed_half_way_nothing_is_imported(
    moment: Callable[[Path], bool], tmp_path: Path, tally: Tally
) -> None:
    folder, data = ListFolder(tmp_path / "store"), tmp_path / "list.jsonl"
    data.write_bytes(b"".join(make_json_lines(_COUNT, 1)))
    load(folder, "a", entries(HASHES[:50]))
    before = describe_lists(folder)
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(folder.root), str(data)])
    version = folder.open("a").version_path(2)
    try:
        while not moment(version) and child.poll() is None:
            time.sleep(0.001)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert child.returncode == -signal.SIGKILL
    tally.kill("import of a list")
    assert version.exists()
    # What was live is live, nothing is staged, and an intersection sees the old list alone.
    assert describe_lists(folder) == before
    with pytest.raises(ConfigError, match="no staged version"):
        promote(folder, "a", NOW)
    assert intersect_lists(folder, ["a"], "pdq", 1, tmp_path / "out")["count"] == 50
    # The lock went with the process; the next import clears up and succeeds.
    report = stage_import(
        folder,
        "a",
        folder.open("a").read_source(),
        [load_importer("jsonl")(read_pieces(data))],
        ImportOptions(),
        NOW,
    )
    assert report["new"] == _COUNT
    names = sorted(path.name for path in version.iterdir())
    assert names == ["report.json", *(f"split-{split:x}.parquet" for split in range(16))]
