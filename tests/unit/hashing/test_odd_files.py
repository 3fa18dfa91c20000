"""1,000 damaged and odd files in a process of their own, under a limit on its memory."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.odd_files import COUNT, MEMORY_MIB, odd_files

from veilmatch.hashing.picture import REASONS


def test_a_thousand_odd_files_are_hashed_or_refused_by_name() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.odd_files", "--memory", str(MEMORY_MIB)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["files"] == COUNT == len(odd_files())
    # Every reason occurs, so do hashes; what must be refused was.
    assert set(told["outcomes"]) == {*REASONS, "hashed", "below gate"}
    kinds = told["kinds"]
    for kind in ("exif", "animated", "mode", "joined", "wrong ending"):
        assert kinds[kind]["hashed"] > 0
    assert set(kinds["other format"]) == {"unsupported"}
    assert set(kinds["empty"]) == {"empty"}
    assert not {"hashed", "below gate"} & set(kinds["text"])
    assert kinds["bomb"]["too_large"] >= 15
    assert told["memory_peak_mib"] < MEMORY_MIB


def test_the_files_are_the_same_every_time() -> None:
    first = [data for _, _, data in odd_files()]
    odd_files.cache_clear()
    assert [data for _, _, data in odd_files()] == first
