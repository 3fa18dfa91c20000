"""The statements that run for every group of vouchers, written by hand for PostgreSQL.

Arrays go over as parameters and are unnested there: one statement for a thousand rows, a
quarter of the client's time of an ordinary multi-row insert. SQLite does it row by row
inside the process, which is quick enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, select, update

from veilmatch.ingest.ledger import LedgerEntry, State
from veilmatch.store import schema
from veilmatch.store.statements import PackedArray, PackedNumbers, insert

_IN_CHUNK = 400  # bound parameters per look-up on SQLite

Key = tuple[bytes, bytes]
"""Account and asset id."""


class VoucherRow(NamedTuple):
    """A fresh voucher's row; fields in the order of the statement below."""

    account: bytes
    asset_id: bytes
    digest: bytes
    release_id: bytes
    device_key_id: bytes
    offset: int
    length: int
    sealed_key: bytes

    def __repr__(self) -> str:
        return "VoucherRow(<private>)"


@dataclass(frozen=True)
class DeviceRow:
    """A device that sent something."""

    account: bytes = field(repr=False)
    device_key_id: bytes
    public_key: bytes


def _is_server(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


_LEDGER = """
SELECT account, asset_id, digest, state FROM voucher
JOIN unnest(%b::bytea[], %b::bytea[]) AS wanted (account, asset_id) USING (account, asset_id)
"""


def read_ledger(connection: Connection, keys: Sequence[Key]) -> dict[Key, LedgerEntry]:
    """Read what the ledger knows of some ids."""
    if not keys:
        return {}
    if _is_server(connection):
        found = connection.exec_driver_sql(
            _LEDGER, tuple(map(PackedArray, zip(*keys, strict=True)))
        )
        return {(a, i): LedgerEntry(digest, State(state)) for a, i, digest, state in found}
    return _read_ledger_embedded(connection, keys)


def _read_ledger_embedded(connection: Connection, keys: Sequence[Key]) -> dict[Key, LedgerEntry]:
    ledger: dict[Key, LedgerEntry] = {}
    table = schema.voucher.c
    by_account: dict[bytes, list[bytes]] = {}
    for account, asset_id in keys:
        by_account.setdefault(account, []).append(asset_id)
    for account, ids in by_account.items():
        for start in range(0, len(ids), _IN_CHUNK):
            chunk = ids[start : start + _IN_CHUNK]
            query = select(table.asset_id, table.digest, table.state).where(
                and_(table.account == account, table.asset_id.in_(chunk))
            )
            for row in connection.execute(query):
                ledger[account, row.asset_id] = LedgerEntry(row.digest, State(row.state))
    return ledger


_COUNTS = "SELECT account, voucher_count FROM account WHERE account = ANY(%b::bytea[])"


def read_counts(connection: Connection, accounts: Sequence[bytes]) -> dict[bytes, int]:
    """Read how many ids each account has in the ledger; accounts without a row are left out."""
    if not accounts:
        return {}
    if _is_server(connection):
        found = connection.exec_driver_sql(_COUNTS, (PackedArray(accounts),))
        return {row[0]: row[1] for row in found}
    table = schema.account.c
    counts: dict[bytes, int] = {}
    for start in range(0, len(accounts), _IN_CHUNK):
        chunk = accounts[start : start + _IN_CHUNK]
        query = select(table.account, table.voucher_count).where(table.account.in_(chunk))
        counts |= {row.account: row.voucher_count for row in connection.execute(query)}
    return counts


# Rows, segment and accounts in one statement. What is stored is known before anything is
# counted, so that rows are always locked before accounts, and both in order: no two intakes
# wait crosswise.
_VOUCHERS = """
WITH stored AS (
    INSERT INTO voucher (account, asset_id, state, digest, release_id, device_key_id, segment_id,
                         "offset", length, sealed_key)
    SELECT account, asset_id, 'waiting', digest, release_id, device_key_id, %b, "offset", length,
           sealed_key
    FROM unnest(%b::bytea[], %b::bytea[], %b::bytea[], %b::bytea[], %b::bytea[], %b::bigint[],
                %b::bigint[], %b::bytea[]) AS fresh
         (account, asset_id, digest, release_id, device_key_id, "offset", length, sealed_key)
    ON CONFLICT DO NOTHING RETURNING account
), grown AS (
    UPDATE segment
    SET body_len = %b, voucher_count = voucher_count + (SELECT count(*) FROM stored)
    WHERE segment_id = %b AND state = 'open' RETURNING segment_id
), counted AS (
    INSERT INTO account (account, voucher_count)
    SELECT account, count(*) FROM stored GROUP BY account ORDER BY account
    ON CONFLICT (account) DO UPDATE
    SET voucher_count = account.voucher_count + excluded.voucher_count
)
SELECT (SELECT count(*) FROM stored), (SELECT count(*) FROM grown)
"""


def store_rows(
    connection: Connection, segment_id: bytes, body_len: int, rows: Sequence[VoucherRow]
) -> int | None:
    """Insert the rows whose ids are not there yet; let their segment and accounts grow by them.

    Args:
        connection: In a transaction.
        segment_id: The open segment that holds the bodies.
        body_len: Its length with them, bytes.
        rows: At least one.

    Returns:
        How many were not there yet; None if the segment is not open any more.
    """
    if not _is_server(connection):
        return _store_rows_embedded(connection, segment_id, body_len, rows)
    in_order = sorted(rows)  # by account and id
    columns: list[Sequence[Any]] = list(zip(*in_order, strict=True))
    packed = [
        (PackedNumbers if name in ("offset", "length") else PackedArray)(column)
        for name, column in zip(VoucherRow._fields, columns, strict=True)
    ]
    parameters = (segment_id, *packed, body_len, segment_id)
    stored, grown = connection.exec_driver_sql(_VOUCHERS, parameters).one()
    return int(stored) if grown else None


def _store_rows_embedded(
    connection: Connection, segment_id: bytes, body_len: int, rows: Sequence[VoucherRow]
) -> int | None:
    values = [
        {**row._asdict(), "segment_id": segment_id, "state": State.WAITING.value} for row in rows
    ]
    statement = insert(connection, schema.voucher).on_conflict_do_nothing()
    stored = connection.execute(statement, values).rowcount
    segment = schema.segment.c
    grown = connection.execute(
        update(schema.segment)
        .where(and_(segment.segment_id == segment_id, segment.state == "open"))
        .values(body_len=body_len, voucher_count=segment.voucher_count + stored)
    )
    if not grown.rowcount:
        return None
    mine = rows if stored == len(rows) else keep_ours(connection, segment_id, rows)
    add_counts(connection, Counter(row.account for row in mine))
    return stored


def keep_ours(
    connection: Connection, segment_id: bytes, rows: Sequence[VoucherRow]
) -> list[VoucherRow]:
    """Return the rows that are there as we wrote them, and not by a faster intake."""
    voucher = schema.voucher.c
    first = min(row.offset for row in rows)
    query = select(voucher.account, voucher.asset_id).where(
        and_(voucher.segment_id == segment_id, voucher.offset >= first)
    )
    mine = {(row.account, row.asset_id) for row in connection.execute(query)}
    return [row for row in rows if (row.account, row.asset_id) in mine]


_ACCOUNTS = """
INSERT INTO account (account, voucher_count)
SELECT * FROM unnest(%b::bytea[], %b::bigint[]) AS more (account, voucher_count)
ON CONFLICT (account) DO UPDATE
SET voucher_count = account.voucher_count + excluded.voucher_count
"""


def add_counts(connection: Connection, more: Mapping[bytes, int]) -> None:
    """Add to the number of ids of accounts, always in the same order: no two wait crosswise."""
    counts = sorted((account, count) for account, count in more.items() if count)
    if not counts:
        return
    if _is_server(connection):
        connection.exec_driver_sql(
            _ACCOUNTS, (PackedArray([a for a, _ in counts]), PackedNumbers([n for _, n in counts]))
        )
        return
    statement = insert(connection, schema.account)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[schema.account.c.account],
            set_={
                "voucher_count": schema.account.c.voucher_count + statement.excluded.voucher_count
            },
        ),
        [{"account": account, "voucher_count": count} for account, count in counts],
    )


_DEVICES = """
INSERT INTO device (account, device_key_id, public_key)
SELECT * FROM unnest(%b::bytea[], %b::bytea[], %b::bytea[]) ON CONFLICT DO NOTHING
"""


def add_devices(connection: Connection, devices: Sequence[DeviceRow]) -> None:
    """Remember the keys of devices."""
    rows = sorted(devices, key=lambda one: (one.account, one.device_key_id))
    if not rows:
        return
    if _is_server(connection):
        columns = (
            PackedArray([row.account for row in rows]),
            PackedArray([row.device_key_id for row in rows]),
            PackedArray([row.public_key for row in rows]),
        )
        connection.exec_driver_sql(_DEVICES, columns)
        return
    connection.execute(
        insert(connection, schema.device).on_conflict_do_nothing(), [vars(row) for row in rows]
    )
