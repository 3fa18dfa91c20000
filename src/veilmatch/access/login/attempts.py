"""Limits on attempts: leaking buckets in SQL, so that all processes count together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from veilmatch.access.tables import login_attempt
from veilmatch.clock import DAY_S
from veilmatch.errors import LimitError
from veilmatch.store.statements import insert
from veilmatch.wire import length_prefixed

_FORGET_S = DAY_S


@dataclass(frozen=True)
class Bucket:
    """How many attempts fit, and how many seconds until one leaks out."""

    name: str
    capacity: int
    leak_s: int


NAME_AND_ADDRESS = Bucket("name and address", 5, 60)
NAME = Bucket("name", 100, 30)
ADDRESS = Bucket("address", 60, 15)
# A code of six digits, three of which are good at any time: 288 guesses a day.
SECOND_FACTOR = Bucket("second factor", 5, 300)


def count_attempt(connection: Connection, bucket: Bucket, subject: bytes, now: int) -> None:
    """Put one attempt into a bucket. Raises LimitError if it is full; then nothing is put in."""
    key = _key(bucket, subject)
    connection.execute(
        insert(connection, login_attempt)
        .values(subject=key, level=0, changed_at=now)
        .on_conflict_do_nothing()
    )
    table = login_attempt.c
    row = connection.execute(
        select(table.level, table.changed_at).where(table.subject == key).with_for_update()
    ).one()
    leaked = max(0, now - row.changed_at) // bucket.leak_s
    level = max(0, row.level - leaked)
    if level >= bucket.capacity:
        raise LimitError("too many attempts", retry_after_s=bucket.leak_s)
    # What has not leaked a whole attempt yet goes on leaking.
    kept = row.changed_at + leaked * bucket.leak_s if level else now
    connection.execute(
        update(login_attempt)
        .where(table.subject == key)
        .values(level=level + 1, changed_at=min(kept, now))
    )
    connection.execute(delete(login_attempt).where(table.changed_at < now - _FORGET_S))


def forget_attempts(connection: Connection, bucket: Bucket, subject: bytes) -> None:
    """Empty a bucket, after a success."""
    key = _key(bucket, subject)
    connection.execute(delete(login_attempt).where(login_attempt.c.subject == key))


def _key(bucket: Bucket, subject: bytes) -> bytes:
    return hashlib.sha256(length_prefixed(bucket.name.encode(), subject)).digest()
