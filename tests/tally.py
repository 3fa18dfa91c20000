"""What the fault tests did: one table at the end of a run, and a least number of kills.

A fault test takes the fixture ``tally`` and counts there. The counts travel with the test's
report, so they arrive however many processes run the tests. Where every fault test was asked
for and none failed, fewer than ``MIN_KILLS`` kills make the run fail.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

MIN_KILLS = 200
MARKER = "faults"
_KILLED = "kill -9: "


@dataclass
class Tally:
    """Counts of one test."""

    counts: Counter[str] = field(default_factory=Counter)

    def kill(self, what: str, count: int = 1) -> None:
        """Count processes that a SIGKILL has ended."""
        self.counts[_KILLED + what] += count

    def add(self, what: str, count: int = 1) -> None:
        """Count something else: requests cut, rounds of a full disk."""
        self.counts[what] += count


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Counts that are printed at the end of the run."""
    made = Tally()
    yield made
    request.node.user_properties.append((MARKER, dict(made.counts)))


@dataclass
class Totals:
    """What all reports said; lives in the process that prints."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, report: pytest.TestReport) -> None:
        """Add one report of a fault test; its counts come with the last one."""
        self.seconds[report.nodeid.partition("::")[0]] += report.duration
        if report.when == "teardown":
            for name, value in report.user_properties:
                if name == MARKER and isinstance(value, dict):
                    self.counts.update(value)

    @property
    def kills(self) -> int:
        return sum(n for what, n in self.counts.items() if what.startswith(_KILLED))

    def lines(self) -> Iterator[str]:
        """The table."""
        killed = {what: n for what, n in self.counts.items() if what.startswith(_KILLED)}
        for what, count in sorted(killed.items()):
            yield f"{count:8}  {what}"
        yield f"{self.kills:8}  kills in all"
        for what, count in sorted(self.counts.items() - killed.items()):
            yield f"{count:8}  {what}"
        for name, spent in sorted(self.seconds.items()):
            yield f"{spent:7.1f}s  {name}"
        yield f"{sum(self.seconds.values()):7.1f}s  in all, one after the other"


_TOTALS = pytest.StashKey[Totals]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the totals."""
    config.stash[_TOTALS] = Totals()
    config.pluginmanager.register(_Collector(config.stash[_TOTALS]), "veilmatch-faults")


class _Collector:
    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in a report; with pytest-xdist those of all its processes come here."""
        if MARKER in report.keywords:
            self._totals.add(report)


def _asks_for_all(config: pytest.Config) -> bool:
    """Say whether no fault test was left out."""
    option: Any = config.option
    wanted = {(config.invocation_params.dir / one).resolve() for one in config.args}
    return (
        wanted == {Path(config.rootpath, "tests").resolve()}
        and option.markexpr in ("", MARKER)
        and not (option.keyword or option.deselect or option.collectonly)
        and not getattr(option, "lf", False)
    )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a whole run that killed too little."""
    config = session.config
    if hasattr(config, "workerinput") or exitstatus != pytest.ExitCode.OK:
        return
    if _asks_for_all(config) and config.stash[_TOTALS].kills < MIN_KILLS:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table."""
    totals = config.stash[_TOTALS]
    if not totals.counts:
        return
    terminalreporter.section("faults")
    for line in totals.lines():
        terminalreporter.write_line(line)
    if _asks_for_all(config) and totals.kills < MIN_KILLS:
        terminalreporter.write_line(f"fewer than {MIN_KILLS} kills: the run fails")
