"""What the worker hands over: openings become cases, the rest the operator's queue.

A case whose derivatives the second hash confirms is open to reviewers at once; without a
second hash it stays closed to them. Spec: ``spec/65-review.md`` section 3.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select, update

from veilmatch.casework.golden import draw_number
from veilmatch.casework.history import (
    CASE_ID_LEN,
    NOBODY,
    Desk,
    hold_case,
    move,
    open_case_key,
)
from veilmatch.casework.openings import ITEM, adopt_old_cases, begin_case, open_item
from veilmatch.casework.tables import review_case, review_item
from veilmatch.clock import DAY_S
from veilmatch.errors import ConfigError
from veilmatch.opening.case import Opening
from veilmatch.opening.unseal import OpenedItem
from veilmatch.privatelog.log import LogEntry
from veilmatch.review.case import Opened
from veilmatch.review.groups import group_near_duplicates, hash_derivative
from veilmatch.store import schema
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database, add_to_counter
from veilmatch.store.statements import insert
from veilmatch.transparency.entries.canonical import Json, build_json
from veilmatch.voucher.associated_data import (
    AssociatedData,
    pack_associated_data,
)


@dataclass(frozen=True)
class Source:
    """A list that a release was made from: whose it is and under which law."""

    provider: str
    jurisdiction: str


Sources = Mapping[bytes, Sequence[Source]]
"""The lists of each release, by release id."""


@dataclass(frozen=True)
class CaseSummary:
    """What a list of cases shows: no account, no picture."""

    case_id: bytes
    state: str
    opened_day: int
    item_count: int


@dataclass(frozen=True)
class _Found:
    """What an opening brings to a case."""

    opening: Opening
    agrees: Sequence[bool] | None
    distances: Sequence[int | None] | None
    sources: Sources
    min_shares: int


class CaseStore:
    """Makes and reads cases.

    Args:
        database: The store's database.
        crypter: Seals the key of each case.
    """

    def __init__(self, database: Database, crypter: Crypter) -> None:
        self._database, self._crypter = database, crypter

    def _desk(self, now: int) -> Desk:
        return Desk(self._database, self._crypter, lambda: now)

    def save_opening(
        self,
        account: bytes,
        opening: Opening,
        now: int,
        agrees: Sequence[bool] | None = None,
        *,
        min_shares: int = 1,
        distances: Sequence[int | None] | None = None,
        sources: Sources | None = None,
    ) -> None:
        """Make the account's case, or add what is new to it; one transaction.

        Args:
            account: The account pseudonym.
            opening: Its opened matches.
            now: Seconds since 1970.
            agrees: What the second hash says of each item; None if there is no second list.
            min_shares: How many derivatives the second hash must agree on.
            distances: The second hash's distance to the nearest known picture, if known.
            sources: The lists of each release.
        """
        found = _Found(opening, agrees, distances, sources or {}, min_shares)
        desk = self._desk(now)
        with self._database.transaction() as connection:
            # Apart: it writes to the log, and whoever holds the log's tip asks for no other row.
            adopt_old_cases(connection, desk)
        with self._database.transaction() as connection:
            case_id = self._find_open(connection, account)
            if case_id is None:
                fresh = self._not_yet_known(connection, account, opening.items)
                if not fresh:
                    return
                case_id = self._make(connection, desk, account, found)
            self._add_items(connection, desk, case_id, found)
            self._confirm_hash(connection, desk, case_id, found)

    def _find_open(self, connection: Connection, account: bytes) -> bytes | None:
        case = schema.case_file.c
        return connection.execute(
            select(case.case_id).where(and_(case.account == account, case.state == "opened"))
        ).scalar()

    def _not_yet_known(
        self, connection: Connection, account: bytes, items: Sequence[OpenedItem]
    ) -> set[bytes]:
        known = connection.execute(_ids_of(account)).scalars()
        return {item.share.asset_id for item in items} - set(known)

    def _make(self, connection: Connection, desk: Desk, account: bytes, found: _Found) -> bytes:
        case_id, now = secrets.token_bytes(CASE_ID_LEN), desk.clock()
        added = connection.execute(
            insert(connection, schema.case_file)
            .values(case_id=case_id, account=account, state="opened", opened_day=now // DAY_S)
            .on_conflict_do_nothing()
        )
        if not added.rowcount:  # another worker was first
            known = self._find_open(connection, account)
            assert known is not None
            return known
        add_to_counter(connection, "cases", 1)
        begin_case(
            connection,
            desk,
            case_id,
            _all_sources(found),
            found.min_shares,
            has_second_hash=found.agrees is not None,
        )
        return case_id

    def _add_items(self, connection: Connection, desk: Desk, case_id: bytes, found: _Found) -> None:
        row = connection.execute(
            select(review_case).where(review_case.c.case_id == case_id).with_for_update()
        ).one()
        account_ids = select(schema.case_file.c.account).where(
            schema.case_file.c.case_id == case_id
        )
        account = connection.execute(account_ids).scalar_one()
        fresh = self._not_yet_known(connection, account, found.opening.items)
        key = open_case_key(desk.crypter, row)
        for number, item in enumerate(found.opening.items):
            if item.share.asset_id in fresh:
                said = None if found.agrees is None else int(found.agrees[number])
                self._add_item(connection, key, case_id, item, said)
        self._number_items(connection, key, case_id, found)

    def _add_item(
        self,
        connection: Connection,
        key: Crypter,
        case_id: bytes,
        item: OpenedItem,
        agrees: int | None,
    ) -> None:
        asset_id = item.share.asset_id
        packed = pack_associated_data(item.data)
        connection.execute(
            insert(connection, schema.case_item)
            .values(
                case_id=case_id,
                asset_id=asset_id,
                item_body=key.seal(packed, ITEM, case_id + asset_id, "item"),
                second_hash_agrees=agrees,
            )
            .on_conflict_do_nothing()
        )

    def _number_items(
        self, connection: Connection, key: Crypter, case_id: bytes, found: _Found
    ) -> None:
        """Number what people may look at, and group it."""
        item = review_item.c
        query = select(item.asset_id, item.number).where(item.case_id == case_id)
        known = connection.execute(query).all()
        taken, numbers = {row.number for row in known}, {row.asset_id: row.number for row in known}
        rows = {row.asset_id: row for row in connection.execute(_shown_items(case_id))}
        by_asset = {one.share.asset_id: k for k, one in enumerate(found.opening.items)}
        for asset_id in sorted(rows.keys() - numbers.keys()):
            number = numbers[asset_id] = draw_number(taken)
            connection.execute(
                review_item.insert().values(
                    case_id=case_id,
                    number=number,
                    group_number=number,
                    asset_id=asset_id,
                    **_described(found, by_asset.get(asset_id)),
                )
            )
        shown = sorted(rows, key=lambda asset_id: numbers[asset_id])
        hashes = [
            hash_derivative(open_item(key, case_id, rows[asset_id]).derivative)
            for asset_id in shown
        ]
        for asset_id, group in zip(shown, group_near_duplicates(hashes), strict=True):
            mine = and_(item.case_id == case_id, item.asset_id == asset_id)
            first = numbers[shown[group]]
            connection.execute(update(review_item).where(mine).values(group_number=first))

    def _confirm_hash(
        self, connection: Connection, desk: Desk, case_id: bytes, found: _Found
    ) -> None:
        loaded = hold_case(connection, desk, case_id)
        if not isinstance(loaded.case, Opened) or found.agrees is None:
            return
        agreeing = sum(found.agrees)
        after = loaded.case.confirm_hash(agreeing, found.min_shares)
        connection.execute(
            update(review_case).where(review_case.c.case_id == case_id).values(has_second_hash=True)
        )
        counts: dict[str, Json] = {"agreeing": agreeing, "items": len(found.agrees)}
        move(connection, desk, loaded, after, NOBODY, counts)

    def queue_for_operator(self, account: bytes, kind: str, now: int = 0) -> None:
        """Note an overload or an anomaly; no case, and no person looks at pictures.

        The log says which kind, and under a fresh random subject: nothing leads from there to
        the account.
        """
        desk = self._desk(now)
        with self._database.transaction() as connection:
            added = connection.execute(
                insert(connection, schema.operator_item)
                .values(account=account, kind=kind)
                .on_conflict_do_nothing()
            )
            if added.rowcount:
                subject = secrets.token_bytes(CASE_ID_LEN)
                entry = LogEntry("opening.refused", NOBODY, subject, {"reason": kind})
                desk.log.append(connection, entry)

    def adopt(self, now: int) -> int:
        """Give cases of version 0.1 a history; done at once where there are none.

        Args:
            now: Seconds since 1970, from when their history counts.
        """
        desk = self._desk(now)
        with self._database.transaction() as connection:
            return adopt_old_cases(connection, desk)

    def list_cases(self) -> list[CaseSummary]:
        """List all cases, oldest first; those of version 0.1 as far as they were adopted."""
        case, item = review_case.c, schema.case_item.c
        day, count = schema.case_file.c.opened_day, func.count(item.asset_id)
        query = (
            select(case.case_id, case.state, day, count)
            .join_from(review_case, schema.case_file, case.case_id == schema.case_file.c.case_id)
            .join(schema.case_item, case.case_id == item.case_id, isouter=True)
            .group_by(case.case_id, case.state, day)
            .order_by(day, case.case_id)
        )
        with self._database.transaction() as connection:
            return [CaseSummary(*row) for row in connection.execute(query)]

    def read_items(self, case_id: bytes, now: int) -> list[AssociatedData]:
        """Read a case's opened items, past the console; an entry of the private log says so.

        The entry is committed before anything is given back, and has no actor: the machine knows
        no person. What the second hash disagrees with is left out: nobody looks at it (spec 60
        section 7).

        Args:
            case_id: The case.
            now: Seconds since 1970.

        Raises:
            ConfigError: There is no such case. PolicyError: It was destroyed.

        Source: spec/65-review.md rule V-7.
        """
        with self._database.transaction() as connection:
            row = connection.execute(
                select(review_case).where(review_case.c.case_id == case_id)
            ).first()
            rows = connection.execute(_shown_items(case_id)).all()
            if row is None or not rows:
                raise ConfigError("there is no such case", hint="veilmatch cases list shows them")
            key = open_case_key(self._crypter, row)
            items = [open_item(key, case_id, one) for one in rows]
            entry = LogEntry("case.sheet_written", NOBODY, case_id, {"pictures": len(items)})
            self._desk(now).log.append(connection, entry)
        return items

    def operator_counts(self) -> dict[str, int]:
        """Count the operator's queue by kind."""
        kind = schema.operator_item.c.kind
        with self._database.transaction() as connection:
            rows = connection.execute(select(kind, func.count()).group_by(kind))
            return {row[0]: row[1] for row in rows}

    def opened_ids(self, account: bytes) -> frozenset[bytes]:
        """Return the asset ids in the account's cases; none if it has no case."""
        with self._database.transaction() as connection:
            return frozenset(connection.execute(_ids_of(account)).scalars())

    def item_count(self, account: bytes) -> int:
        """Count the opened items of an account; for the demo's summary and tests."""
        return len(self.opened_ids(account))


def _ids_of(account: bytes) -> Select[Any]:
    case, item = schema.case_file.c, schema.case_item.c
    return (
        select(item.asset_id)
        .select_from(schema.case_file)
        .join(schema.case_item, case.case_id == item.case_id)
        .where(case.account == account)
    )


def _shown_items(case_id: bytes) -> Select[Any]:
    item = schema.case_item.c
    said = item.second_hash_agrees
    shown = and_(item.case_id == case_id, or_(said.is_(None), said == 1))
    return select(schema.case_item).where(shown).order_by(item.asset_id)


def _sources_json(sources: Sequence[Source]) -> list[Json]:
    return [{"jurisdiction": one.jurisdiction, "list": one.provider} for one in sources]


def _described(found: _Found, place: int | None) -> dict[str, int | str | None]:
    """Say why a picture matched: distance of the second hash, and the lists."""
    distance, sources = None, list[Json]()
    if place is not None:
        distance = found.distances[place] if found.distances is not None else None
        release_id = found.opening.items[place].share.release_id
        sources = _sources_json(found.sources.get(release_id, ()))
    return {"distance": distance, "sources": build_json({"sources": sources}).decode()}


def _all_sources(found: _Found) -> list[Json]:
    """The lists that could have made this case, each once; a row does not tell which did."""
    releases = {item.share.release_id for item in found.opening.items}
    pairs = {
        (one.provider, one.jurisdiction)
        for release_id in releases
        for one in found.sources.get(release_id, ())
    }
    return _sources_json([Source(*pair) for pair in sorted(pairs)])
