"""Has the clock jumped? Then nothing is destroyed for its age before a person could look.

A wrong clock cannot be told from a long stop. Both are a gap between two looks, and after
either of them destruction can wait for a day, while it could never be taken back.

Spec: ``spec/55-ingest.md`` section 3, ``spec/65-review.md`` rule K-5.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, and_, select

from veilmatch.clock import DAY_S
from veilmatch.store import schema
from veilmatch.store.database import Database
from veilmatch.store.statements import insert

JUMP_S = 3600
"""Two looks that lie further apart than this: the clock jumped, or nobody looked."""
HOLD_S = DAY_S
"""So long nothing is destroyed for its age after such a gap."""
_SEEN, _HELD_UNTIL = "clock seen", "clock held until"


class ClockWatch:
    """Looks at the clock before anything is destroyed, and keeps what it saw in the database.

    Args:
        database: The store's database.
        clock: Gives seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def may_destroy(self) -> bool:
        """Note the time; say whether ages may be believed. Raises StoreError."""
        now = self._clock()
        with self._database.transaction() as connection:
            seen = _read(connection, _SEEN)
            held_until = _read(connection, _HELD_UNTIL) or 0
            if seen is not None and now - seen > JUMP_S:
                held_until = now + HOLD_S
            elif seen is not None and seen - now > JUMP_S:
                held_until = 0  # set back: ages are smaller than they were believed to be
            _write(connection, _SEEN, now)
            _write(connection, _HELD_UNTIL, held_until)
        return now >= held_until


def read_hold(database: Database, now: int) -> int:
    """Return for how many seconds more nothing is destroyed for its age; 0 if it may be."""
    with database.transaction() as connection:
        return max(0, (_read(connection, _HELD_UNTIL) or 0) - now)


def _read(connection: Connection, name: str) -> int | None:
    counter = schema.counter.c
    query = select(counter.value).where(and_(counter.name == name, counter.shard == 0))
    found: int | None = connection.execute(query).scalar()
    return found


def _write(connection: Connection, name: str, value: int) -> None:
    counter = schema.counter.c
    connection.execute(
        insert(connection, schema.counter)
        .values(name=name, shard=0, value=value)
        .on_conflict_do_update(index_elements=[counter.name, counter.shard], set_={"value": value})
    )
