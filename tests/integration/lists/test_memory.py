"""Import and intersection hold no list in memory.

Memory is the peak of the importing process alone, by the kernel's own account. The million is
``benchmarks/list_import.py``, and ``benchmarks/list_exchange.py`` for the service.
"""

from __future__ import annotations

import pytest
from benchmarks import list_exchange, list_import, list_intersect

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


@pytest.mark.faults
def test_read_from_the_service_killed_twice_the_list_is_the_same() -> None:
    """The million: ``python -m benchmarks.list_exchange``."""
    taken = list_exchange.measure(8_000, page_len=100)
    assert (taken["records"], taken["tombstones"]) == (8_000, 8)
    assert taken["live"] == 3 * (8_000 - 2 * 8)
    for name in ("memory_mib", "resumed_memory_mib"):
        assert 0 < int(taken[name]) <= MAX_MEMORY_MIB
    assert (taken["after_kill"], taken["after_second_kill"]) == (0, 0)
    # Complete windows are not read again after the first kill, nor any page after the second.
    pages, before, after = (taken[f"pages{at}"] for at in ("", "_before_kill", "_after_kill"))
    assert isinstance(pages, int)
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert 0 < before < pages
    assert 0 < after < pages
    assert int(taken["pages_after_second_kill"]) <= 1
    assert taken["differences"] == 0


def test_two_lists_of_half_a_million_fit() -> None:
    taken = list_intersect.measure(500_000)
    assert taken["common"] == 250_000
    assert taken["memory_mib"] <= 1024
