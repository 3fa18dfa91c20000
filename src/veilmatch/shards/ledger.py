"""Which shards are done: first the sealed file, then its row; the row is the truth.

A file without a row is written again. A row whose file is gone or changed is forgotten, and
the shard computed again: recomputing is always right, for tasks are deterministic.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, and_, select

from veilmatch.errors import StoreError, UnavailableError
from veilmatch.shards import tables
from veilmatch.shards.shard_map import ShardMap
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.store.files import PRIVATE_MODE, write_atomic
from veilmatch.store.statements import insert


class ShardLedger:
    """Records finished shards and keeps their outputs until the run is forgotten.

    Args:
        database: The store's database.
        crypter: Seals outputs; a shard of matches is as private as a share.
        folder: Where the sealed outputs lie.
        clock: Gives seconds since 1970.
    """

    def __init__(
        self, database: Database, crypter: Crypter, folder: Path, clock: Callable[[], int]
    ) -> None:
        self._database, self._crypter = database, crypter
        self._folder, self._clock = folder, clock

    def begin(self, shard_map: ShardMap) -> set[int]:
        """Begin the run, or find it begun. Returns the numbers of the shards that are done."""
        run, done = tables.shard_run, tables.shard_done
        with self._database.transaction() as connection:
            connection.execute(
                insert(connection, run)
                .values(
                    run_id=shard_map.run_id,
                    kind=shard_map.kind,
                    shard_count=shard_map.count,
                    started_at=self._clock(),
                )
                .on_conflict_do_nothing()
            )
            rows = connection.execute(
                select(done.c.number).where(done.c.run_id == shard_map.run_id)
            )
            return set(rows.scalars())

    def record(self, run_id: bytes, number: int, output: bytes) -> None:
        """Make a shard's output durable. Doing it twice is harmless.

        Raises:
            StoreError: It is not recorded.
        """
        place = _place(run_id, number)
        sealed = self._crypter.seal(output, "shard_done", place, "output")
        write_atomic(self._path(run_id, number), sealed, mode=PRIVATE_MODE)
        values = {"run_id": run_id, "number": number, "digest": hashlib.sha256(sealed).digest()}
        done = tables.shard_done
        with self._database.transaction() as connection:
            connection.execute(
                insert(connection, done)
                .values(values)
                .on_conflict_do_update(
                    index_elements=[done.c.run_id, done.c.number],
                    set_={"digest": values["digest"]},
                )
            )

    def read(self, run_id: bytes, number: int) -> bytes | None:
        """Read a recorded output; None, and the record forgotten, if it is gone or damaged."""
        with self._database.transaction() as connection:
            sealed = self._read_sealed(connection, run_id, number)
            if sealed is None:
                return None
            try:
                return self._crypter.open(sealed, "shard_done", _place(run_id, number), "output")
            except StoreError:
                connection.execute(tables.shard_done.delete().where(_which(run_id, number)))
                return None

    def is_whole(self, run_id: bytes, number: int) -> bool:
        """Say whether a recorded output is there unchanged, without opening it."""
        with self._database.transaction() as connection:
            return self._read_sealed(connection, run_id, number) is not None

    def _read_sealed(self, connection: Connection, run_id: bytes, number: int) -> bytes | None:
        done, which = tables.shard_done, _which(run_id, number)
        digest = connection.execute(select(done.c.digest).where(which)).scalar()
        if digest is None:
            return None
        try:
            sealed = self._path(run_id, number).read_bytes()
            if hashlib.sha256(sealed).digest() == digest:
                return sealed
        except OSError:
            pass
        connection.execute(done.delete().where(which))
        return None

    def list_runs(self, kind: str) -> list[bytes]:
        """List the runs of a kind that were begun and not forgotten."""
        run = tables.shard_run.c
        with self._database.transaction() as connection:
            return list(connection.execute(select(run.run_id).where(run.kind == kind)).scalars())

    def forget(self, run_id: bytes) -> None:
        """Delete a run: rows first, then files."""
        run, done = tables.shard_run, tables.shard_done
        with self._database.transaction() as connection:
            connection.execute(done.delete().where(done.c.run_id == run_id))
            connection.execute(run.delete().where(run.c.run_id == run_id))
        try:
            shutil.rmtree(self._folder / run_id.hex())
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise UnavailableError("a finished run's files cannot be deleted") from exc

    def _path(self, run_id: bytes, number: int) -> Path:
        return self._folder / run_id.hex() / f"{number:06d}.shard"


def _which(run_id: bytes, number: int) -> ColumnElement[bool]:
    done = tables.shard_done
    return and_(done.c.run_id == run_id, done.c.number == number)


def _place(run_id: bytes, number: int) -> bytes:
    return run_id + number.to_bytes(8, "big")
