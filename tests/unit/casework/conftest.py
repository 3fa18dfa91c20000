"""One house of casework on each database."""

from __future__ import annotations

import pytest

from tests.unit.casework.house import House
from veilmatch.store.database import Database


@pytest.fixture
def house(database: Database) -> House:
    return House(database)
