"""A private log over an empty store, with a clock that tests move."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from veilmatch.privatelog.log import LogEntry, PrivateLog
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.transparency.key import NoteSigner, SignatureType, derive_signer

START = 1_800_000_000


@dataclass
class Room:
    """A log with what it needs."""

    database: Database
    crypter: Crypter = field(default_factory=lambda: Crypter([SecretBytes.generate()]))
    signer: NoteSigner = field(
        default_factory=lambda: derive_signer(
            "op.example/private", SignatureType.ED25519, bytes(32)
        )
    )
    now: int = START

    def log(self) -> PrivateLog:
        return PrivateLog(self.database, self.crypter, lambda: self.now, self.signer)

    def append(self, *entries: LogEntry) -> None:
        for entry in entries:
            self.now += 1
            with self.database.transaction() as connection:
                self.log().append(connection, entry)

    def execute(self, statement: str, **values: object) -> None:
        with self.database.transaction() as connection:
            connection.exec_driver_sql(statement, values)


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)
