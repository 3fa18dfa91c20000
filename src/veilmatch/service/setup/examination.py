"""Examine an installation as its operator left it: key, tables, clock, expiry, backlog, room.

Each check stands alone: one that fails says so and hides none of the others. Nothing is
changed, and nothing here holds or asks for a table secret.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import MetaData, func, select, text

from veilmatch.clock import DAY_S, HOUR_S
from veilmatch.errors import ConfigError, Error, ExpiredError, StoreError, VerificationError
from veilmatch.intakestore.limits import RetentionLimits
from veilmatch.intakestore.retention import read_backlog
from veilmatch.service.app import DATABASE, STORE_KEY
from veilmatch.site.repository import Repository
from veilmatch.store import schema
from veilmatch.store.blobs import open_blobs
from veilmatch.store.crypter import Crypter, load_crypter
from veilmatch.store.database import Database
from veilmatch.store.migrations.upgrade import find_differences
from veilmatch.store.reseal import open_value, sealed_columns

_CLOCK_OFF_S = 60
_ROOT_ENDS_S = 14 * DAY_S
_MIN_ROOM_LEN = 256 << 20


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: Its name.
        is_good: Whether it holds.
        words: What was seen, for a person; nothing private.
    """

    check: str
    is_good: bool
    words: str


def _look(check: str, step: Callable[[], str]) -> Finding:
    try:
        return Finding(check, True, step())
    except (Error, OSError) as exc:
        words = str(exc) if isinstance(exc, Error) else (exc.strerror or "the system refused")
        return Finding(check, False, words)


def examine_store(
    data: Path, url: str | None, blobs: str | None, metadata: MetaData, now: int
) -> list[Finding]:
    """Examine a store.

    Args:
        data: Its folder.
        url: The PostgreSQL server; None for the file in the folder.
        blobs: Where sealed segments go; None if they stay.
        metadata: All declared tables.
        now: Seconds since 1970.
    """
    found = [_look("room", lambda: _check_room(data))]
    if blobs is not None:
        found.append(_look("blob store", lambda: _check_blobs(blobs)))
    opened: list[Crypter] = []
    found.append(_look("store key file", lambda: _check_key_file(data, opened)))
    if not url and not (data / DATABASE).is_file():
        return [*found, Finding("database", False, "there is no store in this folder")]
    try:
        database = Database(url or data / DATABASE)
    except Error as exc:
        return [*found, Finding("database", False, str(exc))]
    try:
        found.append(_look("tables", lambda: _check_tables(database, metadata)))
        if opened:
            found.append(
                _look("store key", lambda: _check_key(database, opened[0], metadata)),
            )
        found.append(_look("clock", lambda: _check_clock(database, now)))
        found.append(_look("backlog", lambda: _check_backlog(database, now)))
    finally:
        database.close()
    return found


def _check_room(data: Path) -> str:
    free = shutil.disk_usage(data).free
    if free < _MIN_ROOM_LEN:
        raise StoreError(f"{free >> 20} MiB are free where the store lies")
    return f"{free >> 20} MiB free"


def _check_blobs(place: str) -> str:
    open_blobs(place).length("segments/doctor")  # a name that no segment has
    return "it answers"


def _check_key_file(data: Path, opened: list[Crypter]) -> str:
    opened.append(load_crypter(data / STORE_KEY, make=False))
    if stat.S_IMODE((data / STORE_KEY).stat().st_mode) & 0o077:
        raise ConfigError("others than its owner may read the store key", setting="store key")
    return f"{opened[0].newest + 1} keys, its owner's alone"


def _check_tables(database: Database, metadata: MetaData) -> str:
    database.require_current()
    with database.transaction() as connection:
        differences = find_differences(connection, metadata)
    if differences:
        raise StoreError(f"{len(differences)} tables or columns differ from the declared ones")
    return f"of version {schema.HEAD}"


def _check_key(database: Database, crypter: Crypter, metadata: MetaData) -> str:
    """Open one value of every sealed column that has one."""
    count = 0
    for column in sealed_columns(metadata):
        query = select(column.table).where(column.is_not(None)).limit(1)
        with database.transaction() as connection:
            row = connection.execute(query).first()
        if row is not None:
            open_value(crypter, column, row)
            count += 1
    return f"it opens {count} columns" if count else "nothing is sealed yet"


def _check_clock(database: Database, now: int) -> str:
    query = select(func.coalesce(func.max(schema.segment.c.opened_at), 0))
    with database.transaction() as connection:
        newest = int(connection.execute(query).scalar_one())
        if not database.is_embedded:
            told = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())"))
            off_s = abs(int(told.scalar_one()) - now)
            if off_s > _CLOCK_OFF_S:
                raise VerificationError(f"this clock and the database's differ by {off_s} s")
    if newest > now + _CLOCK_OFF_S:
        raise VerificationError(f"a segment was opened {newest - now} s after this clock's time")
    return "it agrees with the store"


def _check_backlog(database: Database, now: int) -> str:
    waiting = read_backlog(database, now)
    if waiting.held:
        raise StoreError(f"{waiting.held} segments failed too often (veilmatch admin retry)")
    hours = waiting.oldest_age_s / HOUR_S
    if waiting.oldest_age_s > RetentionLimits().alarm_age_s:
        raise StoreError(f"vouchers wait for {hours:.0f} hours; are workers running?")
    return f"{waiting.vouchers} vouchers wait, the oldest for {hours:.1f} hours"


def examine_site(site: Path, min_jurisdictions: int, now: int) -> list[Finding]:
    """Examine the published release: does what devices need last long enough?

    Args:
        site: The folder of public release files.
        min_jurisdictions: Jurisdictions that must have signed; the clients' number.
        now: Seconds since 1970.
    """
    repository = Repository(site, min_jurisdictions)

    def check_timestamp() -> str:
        timestamp = repository.timestamp()
        if timestamp is None:
            raise ConfigError("nothing is published on this site", setting="site")
        left_s = int(timestamp.expires.timestamp()) - now
        if left_s <= 0:
            raise ExpiredError("the timestamp has expired: devices refuse the release now")
        return f"{left_s / HOUR_S:.1f} hours left"

    def check_root() -> str:
        left_s = int(repository.root().expires.timestamp()) - now
        if left_s < _ROOT_ENDS_S:
            raise ExpiredError(f"the root ends in {max(0, left_s) // DAY_S} days")
        return f"{left_s // DAY_S} days left"

    return [_look("timestamp", check_timestamp), _look("root", check_root)]
