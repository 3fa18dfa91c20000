"""Positions and placement agree with the room ``table``, which is their twin."""

from __future__ import annotations

import os

import numpy as np
import pytest

pytest.importorskip("veilmatch_native", reason="the native core is not installed: make native")

from veilmatch.errors import InputError, LengthError
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.hazmat.backends.native import NativeBackend
from veilmatch.hazmat.prf import label
from veilmatch.table.params import derive_positions
from veilmatch.table.place import place
from veilmatch.wire import length_prefixed


def random_items(count: int, width: int) -> Bytes:
    return np.frombuffer(os.urandom(count * width), dtype=np.uint8).reshape(count, width)


@pytest.mark.parametrize("width", [1, 35, 300])
@pytest.mark.parametrize("rows", [2, 3, 1_000, 2**32])
def test_same_positions(width: int, rows: int) -> None:
    items, nonce = random_items(1_000, width), os.urandom(32)
    prefix = label("table position") + length_prefixed(nonce)
    ours = NativeBackend.derive_positions(prefix, items, rows, threads=2)
    theirs = derive_positions([row.tobytes() for row in items], nonce, rows)
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("items", [0, 1, 50, 90, 100, 150, 1_000, 10_000])
@pytest.mark.parametrize("seed", range(5))
def test_same_placement(items: int, seed: int) -> None:
    """From empty tables to ones in which many items find no row."""
    random = np.random.default_rng(seed)
    rows = max(100, items // 2 * (1 + seed))
    first = random.integers(0, rows, items)
    positions = np.stack([first, (first + random.integers(1, rows, items)) % rows], axis=1)
    ours = NativeBackend.place(positions, rows)
    assert np.array_equal(ours, place(positions, rows))


def test_refuses_what_is_not_a_table() -> None:
    outside = np.array([[0, 5]], dtype=np.int64)
    with pytest.raises(InputError):
        NativeBackend.place(outside, 5)
    with pytest.raises(LengthError):
        NativeBackend.derive_positions(b"", random_items(1, 4), 1)
