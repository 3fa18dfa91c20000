"""One store in a temporary folder, with a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.integration.service.world import World, make_world
from veilmatch.casework.case_store import CaseStore
from veilmatch.intakestore.intake_store import IntakeStore
from veilmatch.intakestore.limits import IntakeLimits
from veilmatch.secret import SecretBytes
from veilmatch.store.blobs import Blobs
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.workstore.work_store import WorkStore

START = 1_800_000_000


@dataclass
class House:
    """The parts of a store over one database."""

    folder: Path
    database: Database
    limits: IntakeLimits
    crypter: Crypter = field(default_factory=lambda: Crypter([SecretBytes.generate()]))
    now: int = START
    blobs: Blobs | None = None
    intakes: list[IntakeStore] = field(default_factory=list)

    def intake(self) -> IntakeStore:
        """The one intake of the house."""
        return self.intakes[0] if self.intakes else self.another_intake()

    def another_intake(self) -> IntakeStore:
        """One more, as a second service on the same store would have."""
        made = IntakeStore(
            self.database,
            self.segments,
            self.crypter,
            self.limits,
            lambda: self.now,
            self.blobs,
        )
        self.intakes.append(made)
        return made

    @property
    def segments(self) -> Path:
        return self.folder / "segments"

    def work(self) -> WorkStore:
        return WorkStore(self.database, self.segments, self.crypter, self.blobs)

    def cases(self) -> CaseStore:
        return CaseStore(self.database, self.crypter)

    def scalar(self, query: str) -> int:
        with self.database.transaction() as connection:
            value: int = connection.execute(text(query)).scalar_one()
            return value

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with self.database.transaction() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def execute(self, statement: str) -> None:
        with self.database.transaction() as connection:
            connection.execute(text(statement))

    def files(self) -> list[Path]:
        return sorted(self.segments.glob("*.segment"))


HouseMaker = Callable[..., House]


@pytest.fixture
def make_house(tmp_path: Path, database_place: Path | str) -> Iterator[HouseMaker]:
    """Make houses; their databases are closed at the end."""
    made: list[House] = []

    def make(**limits: int) -> House:
        chosen = IntakeLimits(**{"min_delay_s": 0, **limits})
        house = House(tmp_path, Database(database_place), chosen)
        made.append(house)
        return house

    yield make
    for house in made:
        for intake in house.intakes:
            intake.seal_all()
        house.database.close()


@pytest.fixture
def house(make_house: HouseMaker) -> House:
    """One house with the usual limits and no delay before matching."""
    return make_house()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One small published release."""
    return make_world(tmp_path_factory.mktemp("world"))
