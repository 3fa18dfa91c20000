"""The table of faults: counts of all reports together, and too few kills fail a whole run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import tally
from tests.tally import MIN_KILLS, Tally, Totals


def _report(counts: Tally, when: str, seconds: float) -> Any:
    return SimpleNamespace(
        nodeid="tests/faults/test_one.py::test_it",
        when=when,
        duration=seconds,
        user_properties=[("faults", dict(counts.counts)), ("other", 3)],
    )


def _session(totals: Totals, args: list[str], root: Path, **options: object) -> Any:
    given = {"markexpr": "faults", "keyword": "", "deselect": None, "collectonly": False}
    config = SimpleNamespace(
        stash={tally._TOTALS: totals},
        args=args,
        rootpath=root,
        option=SimpleNamespace(**{**given, **options}),
        invocation_params=SimpleNamespace(dir=root),
    )
    return SimpleNamespace(config=config, exitstatus=0)


def test_counts_of_all_reports_are_one_table() -> None:
    totals, one, two = Totals(), Tally(), Tally()
    one.kill("worker", 2)
    one.add("requests cut", 5)
    two.kill("worker")
    two.kill("intake", 4)
    for counts in (one, two):
        totals.add(_report(counts, "call", 1.5))
        totals.add(_report(counts, "teardown", 0.5))
    assert totals.kills == 7
    assert [line.strip() for line in totals.lines()] == [
        "4  kill -9: intake",
        "3  kill -9: worker",
        "7  kills in all",
        "5  requests cut",
        "4.0s  tests/faults/test_one.py",
        "4.0s  in all, one after the other",
    ]


@pytest.mark.parametrize(
    ("kills", "args", "options", "status"),
    [
        (MIN_KILLS - 1, ["tests"], {}, 1),
        (MIN_KILLS - 1, ["tests"], {"markexpr": ""}, 1),
        (MIN_KILLS, ["tests"], {}, 0),
        (0, ["tests/unit"], {}, 0),
        (0, ["tests"], {"markexpr": "not faults"}, 0),
        (0, ["tests"], {"keyword": "disk"}, 0),
    ],
)
def test_a_whole_run_that_killed_too_little_fails(
    tmp_path: Path, kills: int, args: list[str], options: dict[str, object], status: int
) -> None:
    totals, counts = Totals(), Tally()
    counts.kill("worker", kills)
    totals.add(_report(counts, "teardown", 0.1))
    session = _session(totals, args, tmp_path, **options)
    tally.pytest_sessionfinish(session, 0)
    assert session.exitstatus == status
