"""What an account has used today.

Counted in memory and added to the database every second, for all processes together. A
process may let an account pass its daily limit by what arrives within that second; the rate
of requests bounds that. Vouchers and devices are counted exactly,
in the transaction that stores them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, select

from veilmatch.access.tables import account_usage
from veilmatch.clock import DAY_S
from veilmatch.store.database import Database
from veilmatch.store.statements import insert

_KEEP_DAYS = 7


@dataclass(frozen=True)
class Quotas:
    """What an account may use.

    Attributes:
        bytes_per_day: Bytes of batches.
        deletions_per_day: Deletion marks.
    """

    bytes_per_day: int = 64 << 30
    deletions_per_day: int = 1_000_000


@dataclass
class _Used:
    body_len: int = 0
    deletion_count: int = 0
    new_body_len: int = 0
    new_deletion_count: int = 0


class Usage:
    """Counts what accounts use.

    Args:
        database: The store's database.
        quotas: What they may use.
        clock: Gives seconds since 1970.
    """

    def __init__(self, database: Database, quotas: Quotas, clock: Callable[[], int]) -> None:
        self._database, self._quotas, self._clock = database, quotas, clock
        self._day = clock() // DAY_S
        self._used: dict[bytes, _Used] = {}
        self._lock = threading.Lock()

    def add_body(self, account: bytes, length: int) -> int:
        """Count a batch of ``length`` bytes: 0, or seconds to wait if it is over the quota."""
        return self._add(account, length, 0)

    def add_deletions(self, account: bytes, count: int) -> int:
        """Count deletion marks: 0, or seconds to wait if they are over the quota."""
        return self._add(account, 0, count)

    def _add(self, account: bytes, length: int, deletions: int) -> int:
        now = self._clock()
        with self._lock:
            if now // DAY_S != self._day:
                # What was not flushed of yesterday counts for yesterday no more.
                self._day, self._used = now // DAY_S, {}
            used = self._used.setdefault(account, _Used())
            if (
                used.body_len + length > self._quotas.bytes_per_day
                or used.deletion_count + deletions > self._quotas.deletions_per_day
            ):
                return DAY_S - now % DAY_S
            used.body_len += length
            used.deletion_count += deletions
            used.new_body_len += length
            used.new_deletion_count += deletions
        return 0

    def flush(self) -> None:
        """Add what is new to the database, and learn what other processes counted.

        Raises:
            StoreError: It could not be added; the next flush tries again.
        """
        with self._lock:
            day, taken = self._day, self._used
            fresh = {
                account: (used.new_body_len, used.new_deletion_count)
                for account, used in taken.items()
                if used.new_body_len or used.new_deletion_count
            }
        totals = {}
        if fresh:
            with self._database.transaction() as connection:
                for account in sorted(fresh):  # one order, so that two processes cannot deadlock
                    totals[account] = _add_to_day(connection, account, day, *fresh[account])
        with self._lock:
            if self._day != day:
                return
            for account, (length, deletions) in fresh.items():
                used = self._used[account]
                used.new_body_len -= length
                used.new_deletion_count -= deletions
                used.body_len = totals[account][0] + used.new_body_len
                used.deletion_count = totals[account][1] + used.new_deletion_count

    def forget_old(self) -> None:
        """Delete days that are more than a week ago."""
        with self._database.transaction() as connection:
            connection.execute(
                delete(account_usage).where(
                    account_usage.c.day < self._clock() // DAY_S - _KEEP_DAYS
                )
            )


def _add_to_day(
    connection: Connection, account: bytes, day: int, length: int, deletions: int
) -> tuple[int, int]:
    table = account_usage.c
    statement = insert(connection, account_usage).values(
        account=account, day=day, body_len=length, deletion_count=deletions
    )
    row = connection.execute(
        statement.on_conflict_do_update(
            index_elements=[table.account, table.day],
            set_={
                "body_len": table.body_len + length,
                "deletion_count": table.deletion_count + deletions,
            },
        ).returning(table.body_len, table.deletion_count)
    ).one()
    return row.body_len, row.deletion_count


def read_usage(connection: Connection, account: bytes, day: int) -> tuple[int, int]:
    """Return an account's bytes and deletion marks of one day (days since 1970)."""
    table = account_usage.c
    row = connection.execute(
        select(table.body_len, table.deletion_count).where(
            and_(table.account == account, table.day == day)
        )
    ).first()
    return (0, 0) if row is None else (row.body_len, row.deletion_count)
