"""Exact placement: each hash takes one of its two rows, as many as can be placed at all.

Items are edges between rows. A component that is a tree on v rows holds v - 1 items, any
other exactly v; union-find decides which items fit (a matroid, so greedy is optimal), then
peeling leaves and turning around cycles says where. No random walk, no failure.
Spec: ``spec/30-table.md`` section 3.
"""

from __future__ import annotations

import hashlib

import numpy as np

from veilmatch.hazmat.backends.interface import DROPPED, Bytes, Positions


def _fitting(edges: list[tuple[int, int]], rows: int) -> list[bool]:
    """Say which items fit: union-find with the number of free rows per component."""
    parent = list(range(rows))
    full = bytearray(rows)  # 1 at a root whose component holds as many items as rows

    def find(row: int) -> int:
        root = row
        while parent[root] != root:
            root = parent[root]
        while parent[row] != root:
            parent[row], row = root, parent[row]
        return root

    fits = []
    for a, b in edges:
        root_a, root_b = find(a), find(b)
        if root_a == root_b:
            fits.append(not full[root_a])
            full[root_a] = 1
        elif full[root_a] and full[root_b]:
            fits.append(False)
        else:
            parent[root_a] = root_b
            full[root_b] |= full[root_a]
            fits.append(True)
    return fits


def _orient(edges: list[tuple[int, int]], fits: list[bool], rows: int) -> list[int]:
    """Give each fitting item a row of its own."""
    placed = [DROPPED] * len(edges)
    degree = [0] * rows
    crossing = [0] * rows  # exclusive or of the open items at a row: the item itself at degree 1
    for item, (a, b) in enumerate(edges):
        if fits[item]:
            degree[a] += 1
            degree[b] += 1
            crossing[a] ^= item
            crossing[b] ^= item

    def assign(item: int, row: int) -> int:
        """Put ``item`` into ``row``; return its other row."""
        placed[item] = row
        for end in edges[item]:
            degree[end] -= 1
            crossing[end] ^= item
        a, b = edges[item]
        return b if row == a else a

    def peel(row: int) -> None:
        while degree[row] == 1:
            row = assign(crossing[row], row)

    for row in range(rows):
        peel(row)
    # What is left are cycles: break each at one item and peel the rest.
    for item, (a, _) in enumerate(edges):
        if fits[item] and placed[item] == DROPPED:
            peel(assign(item, a))
    return placed


class Placement:
    """The kernels of placement, for the portable backend."""

    def derive_positions(
        self, prefix: bytes, items: Bytes, rows: int, *, threads: int = 1
    ) -> Positions:
        """Hash each item to two rows."""
        shared = hashlib.sha512(prefix + items.shape[1].to_bytes(2, "big"))
        found = []
        for item in items:
            state = shared.copy()
            state.update(item.tobytes())
            digest = state.digest()
            a = int.from_bytes(digest[0:16], "big") % rows
            b = int.from_bytes(digest[16:32], "big") % (rows - 1)
            found.append((a, b + (b >= a)))
        return np.array(found, dtype=np.int64).reshape(-1, 2)

    def place(self, positions: Positions, rows: int) -> Positions:
        """Place items into rows."""
        edges = [(int(a), int(b)) for a, b in positions.tolist()]
        return np.array(_orient(edges, _fitting(edges, rows), rows), dtype=np.int64)
