"""Token buckets in memory: how often one account or one address may ask."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable


class Rates:
    """Token buckets by key; a key that is not there has a full one.

    Args:
        per_s: Tokens that flow in per second; 0 turns the limit off.
        burst: Tokens that fit.
        clock: Seconds that only grow.
        max_count: Buckets held; the one unused for longest goes first. It is nearly full by
            then, so forgetting it gives little away.
    """

    def __init__(
        self, per_s: float, burst: float, clock: Callable[[], float], max_count: int = 100_000
    ) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._max_count = max_count
        self._buckets: OrderedDict[bytes | str, tuple[float, float]] = OrderedDict()

    def wait_of(self, key: bytes | str) -> int:
        """Return 0 if a token is there, or the seconds until one is; takes none."""
        if self._per_s <= 0:
            return 0
        level = self._level(key, self._clock())
        return 0 if level >= 1 else max(1, math.ceil((1 - level) / self._per_s))

    def take(self, key: bytes | str) -> int:
        """Take one token and return 0, or return the seconds until there is one."""
        if self._per_s <= 0:
            return 0
        now = self._clock()
        level = self._level(key, now)
        if level < 1:
            return max(1, math.ceil((1 - level) / self._per_s))
        self._buckets[key] = (level - 1, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max_count:
            self._buckets.popitem(last=False)
        return 0

    def _level(self, key: bytes | str, now: float) -> float:
        level, seen = self._buckets.get(key, (self._burst, now))
        return min(self._burst, level + (now - seen) * self._per_s)
