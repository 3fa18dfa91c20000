"""Faults on demand: what a real service and a real network do on a bad day."""

from __future__ import annotations

import enum
import random
from collections import Counter, deque
from collections.abc import Sequence

from veilmatch.errors import ConfigError


class Fault(enum.Enum):
    """One fault. ``before``: the call has no effect; ``after``: it had its effect."""

    ERROR_BEFORE = "error-before"
    ERROR_AFTER = "error-after"
    CUT_BEFORE = "cut-before"
    CUT_AFTER = "cut-after"
    GARBAGE_AFTER = "garbage-after"
    UNAVAILABLE = "http-503"
    TOO_MANY = "http-429"
    WRONG_MD5 = "wrong-md5"
    SLOW = "slow"
    UNAUTHORIZED = "http-401"


# Refused access waits for an operator, so it comes on demand alone.
RANDOM_FAULTS = tuple(fault for fault in Fault if fault is not Fault.UNAUTHORIZED)
PATHS = ("/status", "/xsd", "/submit", "/upload", "/fileinfo", "/finish", "/retract")


class FaultPlan:
    """Says which fault the next call meets: ordered ones first, then random ones.

    Args:
        rate: Share of calls with a random fault, 0 to 1.
        seed: Of the random faults.
        kinds: Which faults come at random.
    """

    def __init__(
        self, rate: float = 0.0, seed: int = 0, kinds: Sequence[Fault] = RANDOM_FAULTS
    ) -> None:
        if not 0 <= rate < 1:
            raise ConfigError("the share of faults lies in 0 to 1, 1 excluded", setting="faults")
        self._rate, self._kinds = rate, tuple(kinds)
        self._random = random.Random(seed)  # noqa: S311  a repeatable bad day, no secret
        self._ordered: dict[str, deque[Fault]] = {path: deque() for path in PATHS}
        self.counts: Counter[str] = Counter()

    def order(self, path: str, fault: str) -> None:
        """Let the next call of ``path`` meet a fault.

        Raises:
            ConfigError: No such path or fault.
        """
        try:
            self._ordered[path].append(Fault(fault))
        except (KeyError, ValueError) as exc:
            raise ConfigError("there is no such path or fault", setting="fault") from exc

    def next_fault(self, path: str) -> Fault | None:
        """Return the fault of this call, if any."""
        waiting = self._ordered[path]
        fault = waiting.popleft() if waiting else self._draw()
        if fault is Fault.WRONG_MD5 and path != "/upload":
            fault = None
        if fault is not None:
            self.counts[fault.value] += 1
        return fault

    def _draw(self) -> Fault | None:
        if self._random.random() >= self._rate:
            return None
        return self._random.choice(self._kinds)
