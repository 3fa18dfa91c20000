"""Running programs for the tests of the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.log.house import WITNESSES, House
from tests.nursery import LOG, Nursery


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A log that has begun, and two running witnesses."""
    with Nursery(tmp_path / "programs.txt", LOG) as nursery:
        made = House(tmp_path, nursery)
        for name in WITNESSES:
            made.start(name)
        yield made
