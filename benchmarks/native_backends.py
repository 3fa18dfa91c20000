"""Run one piece of the house on either backend within one process, for fair turns."""

from __future__ import annotations

import os
from collections.abc import Callable

from benchmarks.harness import Operation, Record, compare
from veilmatch.hazmat.backends.selection import BACKEND_SETTING, current, native_is_installed

BACKENDS = ("native", "portable")


def as_backend(name: str, function: Callable[[], object]) -> Callable[[], object]:
    """Return ``function`` as it runs under one backend; choosing costs a few microseconds."""

    def run() -> object:
        before = os.environ.get(BACKEND_SETTING)
        os.environ[BACKEND_SETTING] = name
        current.cache_clear()
        try:
            return function()
        finally:
            if before is None:
                del os.environ[BACKEND_SETTING]
            else:
                os.environ[BACKEND_SETTING] = before
            current.cache_clear()

    return run


def compare_backends(
    name: str, function: Callable[[], object], count: int, *, rounds: int = 9
) -> list[Record]:
    """Time ``function``, which handles ``count`` items, on both backends in turn.

    Returns the native record with its ratio to portable; nothing where native is missing.
    """
    if not native_is_installed():
        return []
    operations: dict[str, Operation] = {
        backend: (as_backend(backend, function), count) for backend in BACKENDS
    }
    return compare(name, "native", "portable", operations, rounds=rounds)[:1]
