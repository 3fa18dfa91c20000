"""Import and intersection hold no list in memory. The million is ``benchmarks/list_import.py``."""

from __future__ import annotations

import pytest
from benchmarks import list_import, list_intersect

from tests.simulators.list_files import MAKERS

MAX_MEMORY_MIB = 300


@pytest.mark.parametrize("form", MAKERS)
def test_fifty_thousand_entries_fit(form: str) -> None:
    taken = list_import.measure(form, 50_000)
    assert taken["records"] == 50_000
    assert int(taken["live"]) >= 50_000
    assert int(taken["memory_mib"]) <= MAX_MEMORY_MIB


@pytest.mark.faults
@pytest.mark.parametrize("form", MAKERS)
def test_killed_half_way_nothing_is_there(form: str) -> None:
    """The million, and its table: ``python -m benchmarks.list_import``."""
    taken = list_import.measure(form, 20_000, kill=True)
    assert taken["records"] == 20_000
    assert (taken["staged_after_kill"], taken["live_after_kill"]) == (0, 0)


def test_two_lists_of_half_a_million_fit() -> None:
    taken = list_intersect.measure(500_000)
    assert taken["common"] == 250_000
    assert taken["memory_mib"] <= 1024
