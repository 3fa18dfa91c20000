"""Exact placement: no other placement holds more, on any small graph and by the formula."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from veilmatch.hazmat.backends.interface import Positions
from veilmatch.table.place import DROPPED, place


def _positions(edges: list[tuple[int, int]]) -> Positions:
    return np.array(edges, dtype=np.int64).reshape(-1, 2)


def _best_by_search(edges: list[tuple[int, int]], rows: int) -> int:
    """The largest number of items that can have a row each: augmenting paths (Kuhn)."""
    holder = [-1] * rows

    def try_item(item: int, seen: set[int]) -> bool:
        for row in edges[item]:
            if row not in seen:
                seen.add(row)
                if holder[row] < 0 or try_item(holder[row], seen):
                    holder[row] = item
                    return True
        return False

    return sum(try_item(item, set()) for item in range(len(edges)))


def _best_by_formula(edges: list[tuple[int, int]], rows: int) -> int:
    """Sum over components of min(items, rows of the component)."""
    neighbours: dict[int, set[int]] = {row: {row} for row in range(rows)}
    for a, b in edges:
        joined = neighbours[a] | neighbours[b]
        for row in joined:
            neighbours[row] = joined
    components = {id(v): v for v in neighbours.values()}.values()
    return sum(min(sum(a in part for a, _ in edges), len(part)) for part in components)


def _check(edges: list[tuple[int, int]], rows: int) -> int:
    placed = place(_positions(edges), rows).tolist()
    taken = [row for row in placed if row != DROPPED]
    assert len(set(taken)) == len(taken)
    assert all(row in edges[item] for item, row in enumerate(placed) if row != DROPPED)
    return len(taken)


def test_every_graph_of_four_rows_and_up_to_five_items() -> None:
    pairs = list(itertools.combinations(range(4), 2))
    count = 0
    for size in range(6):
        for edges in itertools.combinations_with_replacement(pairs, size):
            listed = list(edges)
            held = _check(listed, 4)
            assert held == _best_by_search(listed, 4) == _best_by_formula(listed, 4)
            count += 1
    assert count == 462


@settings(max_examples=150)
@given(st.data())
def test_random_graphs_hold_as_many_as_can_be(data: st.DataObject) -> None:
    rows = data.draw(st.integers(2, 14))
    edge = st.tuples(st.integers(0, rows - 1), st.integers(0, rows - 2)).map(
        lambda e: (e[0], e[1] + (e[1] >= e[0]))
    )
    edges = data.draw(st.lists(edge, max_size=24))
    assert _check(edges, rows) == _best_by_search(edges, rows) == _best_by_formula(edges, rows)


def test_a_large_table_at_the_default_expansion_drops_almost_nothing() -> None:
    rng = np.random.default_rng(3)
    n, rows = 20_000, 42_000
    a = rng.integers(0, rows, n)
    b = rng.integers(0, rows - 1, n)
    edges = list(zip(a.tolist(), (b + (b >= a)).tolist(), strict=True))
    held = _check(edges, rows)
    assert n - held <= 0.0001 * n


def test_placement_repeats_itself() -> None:
    edges = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 0)]
    assert place(_positions(edges), 4).tolist() == place(_positions(edges), 4).tolist()


def test_nothing_to_place() -> None:
    assert place(_positions([]), 2).tolist() == []


def test_a_long_path_and_a_long_cycle_need_no_recursion() -> None:
    n = 50_000
    path = [(i, i + 1) for i in range(n - 1)]
    assert len(set(place(_positions(path), n).tolist())) == n - 1
    assert sorted(place(_positions([*path, (n - 1, 0)]), n).tolist()) == list(range(n))
