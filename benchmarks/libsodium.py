"""The baseline: bare libsodium calls, the same number of group operations, nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from veilmatch.hazmat.backends import sodium


class Bare:
    """Buffers and loops for bare group operations."""

    def __init__(self) -> None:
        self._wide = np.frombuffer(os.urandom(64), np.uint8).copy()
        self._scalar = np.frombuffer(os.urandom(32), np.uint8).copy()
        self._scalar[31] &= 0x0F
        self._point = np.zeros(32, np.uint8)
        self._other = np.zeros(32, np.uint8)
        self._out = np.zeros(32, np.uint8)
        sodium.from_hash(_at(self._point), _at(self._wide))
        sodium.scalarmult(_at(self._other), _at(self._scalar), _at(self._point))

    def loop(
        self, count: int, *, hashes: int = 0, multiplications: int = 0, base: int = 0, adds: int = 0
    ) -> Callable[[], None]:
        """Return a function that runs the given operations ``count`` times."""
        out, wide, scalar = _at(self._out), _at(self._wide), _at(self._scalar)
        point, other = _at(self._point), _at(self._other)

        def run() -> None:
            for _ in range(count):
                for _ in range(hashes):
                    sodium.from_hash(out, wide)
                for _ in range(multiplications):
                    sodium.scalarmult(out, scalar, point)
                for _ in range(base):
                    sodium.scalarmult_base(out, scalar)
                for _ in range(adds):
                    sodium.add(out, point, other)

        return run


def _at(array: NDArray[np.uint8]) -> int:
    return int(array.ctypes.data)
