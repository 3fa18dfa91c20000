"""Backends and random sources that count what they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from veilmatch.hazmat.backends.portable import PortableBackend
from veilmatch.hazmat.prf import DeterministicRandom

Calls = Counter[tuple[str, tuple[tuple[int, ...], ...]]]


class CountingBackend(PortableBackend):
    """The portable backend; counts each call by name and by the shapes of its arrays.

    Calls that one kernel makes of another are counted too, so ``seal_slots`` shows its
    multiplications.
    """

    def __init__(self) -> None:
        self.calls: Calls = Counter()

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name in ("calls", "name") or name.startswith("_"):
            return value
        return self._counted(name, value)

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            shapes = tuple(a.shape for a in args if isinstance(a, np.ndarray))
            self.calls[name, shapes] += 1
            return function(*args, **kwargs)

        return call

    def items(self, *names: str) -> int:
        """How many items the named kernels worked on."""
        return sum(
            n * max((shape[0] for shape in shapes if len(shape) == 2), default=1)
            for (name, shapes), n in self.calls.items()
            if name in names
        )


class CountingRandom:
    """A deterministic source that remembers the lengths it was asked for."""

    def __init__(self, seed: bytes) -> None:
        self._source = DeterministicRandom(seed)
        self.lengths: list[int] = []

    def __call__(self, length: int) -> bytes:
        self.lengths.append(length)
        return self._source(length)
