"""Open a store's folder in this process, to look at it or to work on it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from tests.integration.service.world import World
from veilmatch.casework.case_store import CaseStore
from veilmatch.intakestore.intake_store import IntakeStore
from veilmatch.intakestore.limits import IntakeLimits
from veilmatch.jobs.key_provider import FileKeyProvider
from veilmatch.jobs.worker import Worker
from veilmatch.service.app import DATABASE, SEGMENTS, STORE_KEY
from veilmatch.site.release_site import ReleaseSite
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database
from veilmatch.workstore.work_store import WorkStore


@dataclass(frozen=True)
class OpenStore:
    """The parts of a store, and what stands in it."""

    database: Database
    intake: IntakeStore
    work: WorkStore
    cases: CaseStore

    def worker(self, world: World) -> Worker:
        keys = FileKeyProvider(world.secrets)
        site = ReleaseSite(world.site)
        return Worker(self.work, self.cases, site, keys, lambda: int(time.time()))

    def opened(self) -> dict[bytes, frozenset[bytes]]:
        """What each case shows: the image hashes of its items, by account."""
        with self.database.transaction() as connection:
            rows = connection.execute(text("SELECT account, case_id FROM case_file")).all()
        return {
            account: frozenset(item.image_hash for item in self.cases.read_items(case_id, 0))
            for account, case_id in rows
        }

    def shares(self) -> set[tuple[bytes, bytes]]:
        """Account and id of every share."""
        with self.database.transaction() as connection:
            rows = connection.execute(text("SELECT account, asset_id FROM share")).all()
        return {(account, asset_id) for account, asset_id in rows}

    def waiting_bodies(self) -> Counter[bytes]:
        """Every body that a worker would read, with how often."""
        self.intake.seal_all()
        found: Counter[bytes] = Counter()
        while (lease := self.work.lease_segment(int(time.time()), 600)) is not None:
            found.update(one.body for one in self.work.read_segment(lease))
        return found

    def execute(self, statement: str) -> None:
        with self.database.transaction() as connection:
            connection.execute(text(statement))


@contextmanager
def open_store(data: Path, url: str | None = None) -> Iterator[OpenStore]:
    """Open a store as service and worker do; close it at the end."""
    data.mkdir(parents=True, exist_ok=True)
    crypter = load_crypter(data / STORE_KEY)
    database = Database(url or data / DATABASE)
    intake = IntakeStore(
        database,
        data / SEGMENTS,
        crypter,
        IntakeLimits(min_delay_s=0),
        lambda: int(time.time()),
    )
    try:
        yield OpenStore(
            database,
            intake,
            WorkStore(database, data / SEGMENTS, crypter),
            CaseStore(database, crypter),
        )
        intake.seal_all()
    finally:
        database.close()
