"""Deletion: the row is emptied, key and share are gone; a mark stays against late copies."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, func, select, update

from veilmatch.clock import DAY_S
from veilmatch.errors import PolicyError, StoreError
from veilmatch.ingest.ledger import State
from veilmatch.intakestore.hot_rows import add_counts, read_counts
from veilmatch.store import schema
from veilmatch.store.statements import insert

_CHUNK = 400  # bound parameters per statement
_TRIES = 3

EMPTIED = {"segment_id": None, "offset": None, "length": None, "sealed_key": None}
"""What a voucher's row keeps nothing of once its body is destroyed."""


def delete_ids(
    connection: Connection, account: bytes, asset_ids: Sequence[bytes], now: int, quota: int
) -> PolicyError | None:
    """Delete by id inside a transaction.

    Args:
        connection: The transaction.
        account: The account pseudonym.
        asset_ids: What to delete.
        now: Seconds since 1970.
        quota: Ids the account may have; what it has can always be deleted.

    Returns:
        None, or why marks of unknown ids were refused.

    Raises:
        StoreError: Others kept adding the same ids; nothing may be acknowledged.
    """
    ids = sorted(set(asset_ids))
    has_case = connection.execute(
        select(func.count()).where(schema.case_file.c.account == account)
    ).scalar_one()
    refusal = None
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        refusal = _delete_chunk(connection, account, chunk, now, quota) or refusal
        if not has_case:  # what is in a case stays evidence
            _delete_shares(connection, account, chunk)
    return refusal


def _delete_chunk(
    connection: Connection, account: bytes, ids: list[bytes], now: int, quota: int
) -> PolicyError | None:
    voucher = schema.voucher.c
    mine = and_(voucher.account == account, voucher.asset_id.in_(ids))
    emptied = {"state": State.DELETED.value, "deleted_day": now // DAY_S, **EMPTIED}
    for _ in range(_TRIES):
        query = select(voucher.asset_id).where(mine).order_by(voucher.asset_id).with_for_update()
        known = set(connection.execute(query).scalars())
        connection.execute(
            update(schema.voucher)
            .where(and_(mine, voucher.state != State.DELETED.value))
            .values(**emptied)
        )
        unknown = [asset_id for asset_id in ids if asset_id not in known]
        if not unknown:
            return None
        if read_counts(connection, [account]).get(account, 0) + len(unknown) > quota:
            return PolicyError("the account is over its quota of vouchers")
        rows = [
            {"account": account, "asset_id": asset_id, "digest": bytes(32), **emptied}
            for asset_id in unknown
        ]
        statement = insert(connection, schema.voucher).on_conflict_do_nothing()
        added = connection.execute(statement, rows).rowcount
        add_counts(connection, {account: added})
        if added == len(unknown):
            return None
        # A voucher came in between under such an id: it is there now, and is deleted next.
    raise StoreError("the ids to delete kept changing; nothing of this step was kept")


def _delete_shares(connection: Connection, account: bytes, ids: list[bytes]) -> None:
    share = schema.share.c
    gone = connection.execute(
        schema.share.delete().where(and_(share.account == account, share.asset_id.in_(ids)))
    )
    if gone.rowcount:
        connection.execute(
            update(schema.account)
            .where(schema.account.c.account == account)
            .values(share_version=schema.account.c.share_version + 1)
        )
