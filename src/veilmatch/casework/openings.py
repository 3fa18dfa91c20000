"""How a case begins: its first event, its row and its key; and cases of version 0.1, adopted.

Spec: ``spec/65-review.md`` section 3.
"""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update

from veilmatch.casework.history import NOBODY, Desk, open_case_key, take_step
from veilmatch.casework.tables import review_case
from veilmatch.review.case import Absent
from veilmatch.store import schema
from veilmatch.store.crypter import KEY_LEN, Crypter
from veilmatch.transparency.entries.canonical import Json, JsonObject
from veilmatch.voucher.associated_data import AssociatedData, parse_associated_data

ITEM = "case_item"


def begin_case(
    connection: Connection,
    desk: Desk,
    case_id: bytes,
    sources: list[Json],
    min_shares: int,
    *,
    has_second_hash: bool,
) -> None:
    """Write a case's first event and its row, with a fresh key.

    Args:
        connection: The caller's transaction.
        desk: Where this is done.
        case_id: A fresh random id.
        sources: The lists that could have made it.
        min_shares: How many derivatives the second hash must agree on.
        has_second_hash: Whether there was one.
    """
    before = Absent()
    after = before.open()
    detail: JsonObject = {
        "sources": sources,
        "second_hash": "compared" if has_second_hash else "absent",
        "min_shares": min_shares,
    }
    take_step(connection, desk, case_id, 0, before, after, NOBODY, detail)
    connection.execute(
        review_case.insert().values(
            case_id=case_id,
            state=after.state.value,
            event_number=0,
            opened_at=desk.clock(),
            min_shares=min_shares,
            has_second_hash=has_second_hash,
            sealed_key=desk.crypter.seal(os.urandom(KEY_LEN), "review_case", case_id, "key"),
        )
    )


def adopt_old_cases(connection: Connection, desk: Desk) -> int:
    """Give cases that version 0.1 made a history and a key of their own. Returns how many.

    They stand as opened: people look once the next opening has compared the second hash.
    """
    file, items = schema.case_file, schema.case_item
    known = select(review_case.c.case_id)
    old = connection.execute(
        select(file.c.case_id).where(file.c.case_id.not_in(known)).with_for_update()
    ).scalars()
    count = 0
    for case_id in list(old):
        begin_case(connection, desk, case_id, [], 1, has_second_hash=False)
        row = connection.execute(select(review_case).where(review_case.c.case_id == case_id)).one()
        key = open_case_key(desk.crypter, row)
        mine = and_(items.c.case_id == case_id, items.c.sealed_item.is_not(None))
        for item in connection.execute(select(items).where(mine)).all():
            place = case_id + item.asset_id
            plain = desk.crypter.open(item.sealed_item, ITEM, place, "item")
            body = key.seal(plain, ITEM, place, "item")
            same = and_(items.c.case_id == case_id, items.c.asset_id == item.asset_id)
            connection.execute(update(items).where(same).values(sealed_item=None, item_body=body))
        count += 1
    return count


def open_item(key: Crypter, case_id: bytes, row: Row[Any]) -> AssociatedData:
    """Open a row of ``case_item`` under the case's key. Raises StoreError if it was changed."""
    body = row.item_body or b""
    return parse_associated_data(key.open(body, ITEM, case_id + row.asset_id, "item"))
