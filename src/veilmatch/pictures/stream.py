"""Random integers out of a seed, the same on every machine and with every NumPy.

NumPy promises that the raw 64-bit stream of a bit generator never changes; it does not promise
that for the distributions on top. So the distributions needed here are made here.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_POOL = 512
_T = TypeVar("_T")


class Stream:
    """One picture's source of integers.

    Args:
        seed: The run's seed, any non-negative integer below 2**64.
        index: Which picture of the run, 0 <= index < 2**64.
        label: Keeps streams of different purposes apart.
    """

    def __init__(self, seed: int, index: int, label: str = "picture") -> None:
        text = f"veilmatch/pictures/v1|{label}|{seed}|{index}".encode()
        digest = hashlib.sha256(text).digest()
        self._bits = np.random.Philox(key=int.from_bytes(digest[:16], "big"))
        self._pool: list[int] = []

    def integer(self, low: int, high: int) -> int:
        """Draw one integer, low <= x < high."""
        if not self._pool:
            self._pool = [int(x) >> 32 for x in self._bits.random_raw(_POOL)]
        return low + ((self._pool.pop() * (high - low)) >> 32)

    def chance(self, percent: int) -> bool:
        """Say yes in ``percent`` of a hundred draws."""
        return self.integer(0, 100) < percent

    def choice(self, items: tuple[_T, ...]) -> _T:
        """Draw one of the items, each as likely as the other."""
        return items[self.integer(0, len(items))]

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Draw an array of integers, low <= x < high < low + 2**31."""
        count = int(np.prod(shape))
        raw = self._bits.random_raw(max(count, 1))[:count]
        scaled = ((raw >> np.uint64(32)) * np.uint64(high - low)) >> np.uint64(32)
        return scaled.astype(np.int64).reshape(shape) + low

    def grain(self, shape: tuple[int, int]) -> NDArray[np.int32]:
        """Draw fine grain, -4 <= x < 4; cheaper than ``integers``."""
        count = shape[0] * shape[1]
        raw = np.asarray(self._bits.random_raw((count + 7) // 8)).astype("<u8")
        octets = raw.view(np.uint8)[:count]
        return (octets & 7).astype(np.int32).reshape(shape) - 4

    def colour(self, low: int = 0, high: int = 256) -> tuple[int, int, int]:
        """Draw one RGB colour."""
        return (self.integer(low, high), self.integer(low, high), self.integer(low, high))

    def near(self, colour: tuple[int, int, int], spread: int) -> tuple[int, int, int]:
        """Draw a colour near another: each channel moves by at most ``spread``."""
        r, g, b = (min(255, max(0, c + self.integer(-spread, spread + 1))) for c in colour)
        return (r, g, b)
