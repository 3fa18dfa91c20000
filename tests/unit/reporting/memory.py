"""Temporary folders in memory where there are any: these tests sync thousands of times.

Durability against a lost machine is SQLite's and the file system's; what these tests kill is
processes, and what a killed process wrote stays in such a folder too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_MEMORY = Path("/dev/shm")


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Give a folder, and remove it."""
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        yield Path(folder)
