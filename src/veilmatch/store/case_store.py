"""Cases and the operator's queue."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, or_, select

from veilmatch.errors import ConfigError
from veilmatch.opening.case import Opening
from veilmatch.opening.unseal import OpenedItem
from veilmatch.store import schema
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database, add_to_counter
from veilmatch.store.statements import insert
from veilmatch.voucher.associated_data import (
    AssociatedData,
    pack_associated_data,
    parse_associated_data,
)

CASE_ID_LEN = 16
_DAY_S = 86_400


@dataclass(frozen=True)
class CaseSummary:
    """What a list of cases shows: no account, no picture."""

    case_id: bytes
    state: str
    opened_day: int
    item_count: int


class CaseStore:
    """Makes and reads cases.

    Args:
        database: The store's database.
        crypter: Seals and opens items.
    """

    def __init__(self, database: Database, crypter: Crypter) -> None:
        self._database, self._crypter = database, crypter

    def save_opening(
        self,
        account: bytes,
        opening: Opening,
        now: int,
        agrees: Sequence[bool] | None = None,
    ) -> None:
        """Make the account's case, or add what is new to it; one transaction.

        Args:
            account: The account pseudonym.
            opening: Its opened matches.
            now: Seconds since 1970.
            agrees: What the second hash says of each item; None if there is no second list.
        """
        with self._database.transaction() as connection:
            case_id = self._find_or_make(connection, account, now)
            for number, item in enumerate(opening.items):
                said = None if agrees is None else int(agrees[number])
                self._add_item(connection, case_id, item, said)

    def _find_or_make(self, connection: Connection, account: bytes, now: int) -> bytes:
        table = schema.case_file
        added = connection.execute(
            insert(connection, table)
            .values(
                case_id=secrets.token_bytes(CASE_ID_LEN),
                account=account,
                state="opened",
                opened_day=now // _DAY_S,
            )
            .on_conflict_do_nothing()
        )
        add_to_counter(connection, "cases", added.rowcount)
        found: bytes = connection.execute(
            select(table.c.case_id).where(table.c.account == account)
        ).scalar_one()
        return found

    def _add_item(
        self, connection: Connection, case_id: bytes, item: OpenedItem, agrees: int | None
    ) -> None:
        asset_id = item.share.asset_id
        packed = pack_associated_data(item.data)
        sealed = self._crypter.seal(packed, "case_item", case_id + asset_id, "item")
        connection.execute(
            insert(connection, schema.case_item)
            .values(
                case_id=case_id,
                asset_id=asset_id,
                sealed_item=sealed,
                second_hash_agrees=agrees,
            )
            .on_conflict_do_nothing()
        )

    def queue_for_operator(self, account: bytes, kind: str) -> None:
        """Note an overload or an anomaly; no case, and no person looks at pictures."""
        with self._database.transaction() as connection:
            connection.execute(
                insert(connection, schema.operator_item)
                .values(account=account, kind=kind)
                .on_conflict_do_nothing()
            )

    def list_cases(self) -> list[CaseSummary]:
        """List all cases, oldest first."""
        case, item = schema.case_file.c, schema.case_item.c
        query = (
            select(case.case_id, case.state, case.opened_day, func.count(item.asset_id))
            .join_from(
                schema.case_file,
                schema.case_item,
                case.case_id == item.case_id,
                isouter=True,
            )
            .group_by(case.case_id, case.state, case.opened_day)
            .order_by(case.opened_day, case.case_id)
        )
        with self._database.transaction() as connection:
            return [CaseSummary(*row) for row in connection.execute(query)]

    def read_items(self, case_id: bytes) -> list[AssociatedData]:
        """Read a case's opened items for people to look at.

        What the second hash disagrees with is left out: nobody looks at it (spec 60 section 7).

        Raises:
            ConfigError: There is no such case.
        """
        item = schema.case_item.c
        said = item.second_hash_agrees
        with self._database.transaction() as connection:
            rows = connection.execute(
                select(schema.case_item)
                .where(and_(item.case_id == case_id, or_(said.is_(None), said == 1)))
                .order_by(item.asset_id)
            ).all()
        if not rows:
            raise ConfigError("there is no such case", hint="veilmatch cases list shows them")
        return [
            parse_associated_data(
                self._crypter.open(row.sealed_item, "case_item", case_id + row.asset_id, "item")
            )
            for row in rows
        ]

    def operator_counts(self) -> dict[str, int]:
        """Count the operator's queue by kind."""
        kind = schema.operator_item.c.kind
        with self._database.transaction() as connection:
            rows = connection.execute(select(kind, func.count()).group_by(kind))
            return {row[0]: row[1] for row in rows}

    def opened_ids(self, account: bytes) -> frozenset[bytes]:
        """Return the asset ids in the account's case; none if it has no case."""
        case, item = schema.case_file.c, schema.case_item.c
        query = (
            select(item.asset_id)
            .select_from(schema.case_file)
            .join(schema.case_item, case.case_id == item.case_id)
            .where(case.account == account)
        )
        with self._database.transaction() as connection:
            return frozenset(connection.execute(query).scalars())

    def item_count(self, account: bytes) -> int:
        """Count the opened items of an account; for the demo's summary and tests."""
        return len(self.opened_ids(account))
