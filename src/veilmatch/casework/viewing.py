"""What a reviewer may see: a case without its account, and pictures one recorded view at a time.

The read models here have no field for an account until a case is confirmed, and their
queries do not touch the table that holds it. A picture's bytes leave only after its view is
recorded and durable. Spec: ``spec/65-review.md`` sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from veilmatch.access.roles import Principal, Role, require_role
from veilmatch.casework.golden import read_golden
from veilmatch.casework.history import Desk, Loaded, hold_case
from veilmatch.casework.openings import open_item
from veilmatch.casework.queue import require_holder
from veilmatch.casework.tables import case_view, review_case, review_item
from veilmatch.errors import ConfigError, PolicyError
from veilmatch.privatelog.log import LogEntry
from veilmatch.report.viewed import ViewedPart, ViewEvent
from veilmatch.review.exposure import (
    WEIGHTS,
    Exposure,
    ExposureState,
    measure_exposure,
    require_exposure_left,
)
from veilmatch.review.states import FIRST_CONFIRMED, CaseState
from veilmatch.store import schema
from veilmatch.transparency.entries.canonical import JsonObject, parse_json

FetchOriginal = Callable[[bytes, bytes, ViewedPart], bytes]
"""Gets the file itself, or its metadata, from the platform: (account, asset id, part)."""


@dataclass(frozen=True)
class ItemView:
    """A picture as the console names it.

    Attributes:
        number: Its number within the case; it says nothing outside it.
        group: Number of its group's first picture; one mark holds for the group.
        distance: Of the second hash to the nearest known picture, in bits; None if not known.
        sources: Pairs of list and jurisdiction that could have made the match.
        is_seen: This person has viewed its derivative.
    """

    number: int
    group: int
    distance: int | None
    sources: tuple[tuple[str, str], ...]
    is_seen: bool


@dataclass(frozen=True)
class CaseView:
    """A case as a reviewer sees it. There is no field for the account, on purpose.

    Attributes:
        case_id: The case's random id.
        state: Where it stands.
        opened_at: Seconds since 1970.
        claim_expires_at: When this person's claim ends.
        round: Which decision is due: 1, 2, 3 (lead) or 4 (appeal).
        items: Its pictures, in no order that means anything.
    """

    case_id: bytes
    state: CaseState
    opened_at: int
    claim_expires_at: int
    round: int
    items: tuple[ItemView, ...] = field(repr=False)

    @property
    def groups(self) -> tuple[int, ...]:
        """The groups, each once."""
        return tuple(sorted({item.group for item in self.items}))


_ROUNDS = {
    CaseState.CLAIMED: 1,
    CaseState.FIRST_DECIDED: 2,
    CaseState.ESCALATED: 3,
    CaseState.APPEALED: 4,
}


class Viewing:
    """Shows cases and pictures to who holds them.

    Args:
        desk: Where the cases are.
        fetch_original: Gets files from the platform; None where it offers none.
    """

    def __init__(self, desk: Desk, fetch_original: FetchOriginal | None = None) -> None:
        self._desk, self._fetch = desk, fetch_original

    def read_case(self, person: Principal, case_id: bytes) -> CaseView:
        """Read a case that this person holds.

        Raises:
            ConfigError: There is no such case.
            PolicyError: This person does not hold it.
        """
        require_role(person, Role.REVIEWER, Role.LEAD)
        with self._desk.database.transaction() as connection:
            loaded = hold_case(connection, self._desk, case_id)
            require_holder(loaded, person, self._desk.clock())
            items = self._items(connection, person, case_id)
        row, state = loaded.row, loaded.case.state
        return CaseView(
            case_id, state, row.opened_at, row.claim_expires_at, _ROUNDS.get(state, 0), items
        )

    def _items(
        self, connection: Connection, person: Principal, case_id: bytes
    ) -> tuple[ItemView, ...]:
        item, view = review_item.c, case_view.c
        seen = select(view.number).where(
            and_(
                view.case_id == case_id,
                view.reviewer == person.operator_id,
                view.part == ViewedPart.DERIVATIVE.value,
            )
        )
        numbers = set(connection.execute(seen).scalars())
        columns = (item.number, item.group_number, item.distance, item.sources)
        query = select(*columns).where(_shown_to(person, case_id)).order_by(item.number)
        return tuple(
            ItemView(
                row.number,
                row.group_number,
                row.distance,
                _parse_sources(row.sources),
                row.number in numbers,
            )
            for row in connection.execute(query)
        )

    def view_picture(
        self,
        person: Principal,
        case_id: bytes,
        number: int,
        part: ViewedPart = ViewedPart.DERIVATIVE,
    ) -> bytes:
        """Record a view, then give the bytes; if they cannot be given, the view stays recorded.

        Args:
            person: Who looks; must hold the case.
            case_id: Which case.
            number: Which picture.
            part: The derivative, the file itself, or its metadata.

        Returns:
            The bytes: JPEG for a derivative, what the platform holds for the others.

        Raises:
            ConfigError: There is no such picture in this case for this person.
            PolicyError: This person does not hold the case, a break is due, the budget is used
                up, or the platform offers no originals.

        Source: spec/65-review.md rules V-1 to V-4.
        """
        require_role(person, Role.REVIEWER, Role.LEAD)
        desk = self._desk
        with desk.database.transaction() as connection:
            loaded = hold_case(connection, desk, case_id)
            require_holder(loaded, person, desk.clock())
            item = self._item(connection, person, case_id, number)
            if part is not ViewedPart.DERIVATIVE and self._fetch is None:
                raise PolicyError("the platform offers no originals to this console")
            require_exposure_left(self._measure(connection, person), WEIGHTS[part.value])
            self._record(connection, person, case_id, number, part)
        # Durable from here on; only now anything is opened.
        with desk.database.transaction() as connection:
            if item.golden_id is not None:
                return read_golden(connection, desk, item.golden_id)
            if part is ViewedPart.DERIVATIVE:
                return self._open_derivative(connection, loaded, item)
            account = _account_of(connection, case_id)
        assert self._fetch is not None
        return self._fetch(account, item.asset_id, part)

    def paint_covered(
        self,
        person: Principal,
        case_id: bytes,
        number: int,
        cover: Callable[[bytes], bytes],
    ) -> bytes:
        """Give what is left of a derivative when it is covered: no view, so none is recorded.

        Args:
            person: Who holds the case.
            case_id: Which case.
            number: Which picture.
            cover: Makes a tile from the derivative in which nothing can be recognised; its
                result is all that leaves here.

        Raises:
            ConfigError: There is no such picture in this case for this person.
            PolicyError: This person does not hold the case.

        Source: spec/65-review.md rule V-4.
        """
        require_role(person, Role.REVIEWER, Role.LEAD)
        desk = self._desk
        with desk.database.transaction() as connection:
            loaded = hold_case(connection, desk, case_id)
            require_holder(loaded, person, desk.clock())
            item = self._item(connection, person, case_id, number)
            if item.golden_id is not None:
                return cover(read_golden(connection, desk, item.golden_id))
            return cover(self._open_derivative(connection, loaded, item))

    def _item(
        self, connection: Connection, person: Principal, case_id: bytes, number: int
    ) -> Row[Any]:
        mine = and_(_shown_to(person, case_id), review_item.c.number == number)
        row = connection.execute(select(review_item).where(mine)).first()
        if row is None:
            raise ConfigError("there is no such picture in this case")
        return row

    def _record(
        self,
        connection: Connection,
        person: Principal,
        case_id: bytes,
        number: int,
        part: ViewedPart,
    ) -> None:
        desk, now = self._desk, self._desk.clock()
        detail: JsonObject = {"number": number, "part": part.value, "at": now}
        place = desk.log.append(
            connection, LogEntry("case.viewed", person.operator_id, case_id, detail)
        )
        connection.execute(
            case_view.insert().values(
                case_id=case_id,
                number=number,
                reviewer=person.operator_id,
                part=part.value,
                weight=WEIGHTS[part.value],
                at=now,
                log_place=place,
            )
        )

    def _open_derivative(self, connection: Connection, loaded: Loaded, item: Row[Any]) -> bytes:
        table = schema.case_item
        mine = and_(table.c.case_id == loaded.case_id, table.c.asset_id == item.asset_id)
        row = connection.execute(select(table).where(mine)).one()
        return open_item(loaded.key(self._desk), loaded.case_id, row).derivative

    def measure(self, person: Principal) -> ExposureState:
        """Compute where this person's exposure stands."""
        with self._desk.database.transaction() as connection:
            return self._measure(connection, person)

    def _measure(self, connection: Connection, person: Principal) -> ExposureState:
        policy, now, view = self._desk.policy.exposure, self._desk.clock(), case_view.c
        recent = and_(view.reviewer == person.operator_id, view.at > now - policy.window_s)
        rows = connection.execute(select(view.at, view.weight).where(recent))
        return measure_exposure((Exposure(row.at, row.weight) for row in rows), now, policy)

    def read_account(self, person: Principal, case_id: bytes) -> bytes:
        """Read whose account a confirmed case is; the look is recorded.

        Returns:
            The account's pseudonym, 16 bytes.

        Raises:
            ConfigError: There is no such case.
            PolicyError: Not a reporter or lead, or the case was not confirmed.

        Source: spec/65-review.md rule V-5.
        """
        require_role(person, Role.REPORTER, Role.LEAD)
        desk = self._desk
        with desk.database.transaction() as connection:
            loaded = hold_case(connection, desk, case_id)
            if loaded.case.state not in FIRST_CONFIRMED:
                raise PolicyError("the account is hidden until the case is confirmed")
            account = _account_of(connection, case_id)
            desk.log.append(connection, LogEntry("case.identified", person.operator_id, case_id))
        return account


def read_view_events(connection: Connection, case_id: bytes) -> tuple[ViewEvent, ...]:
    """Read the recorded views of a case's own pictures, for its report; ``file_key`` is the number.

    Source: spec/65-review.md rule V-6, spec/70-report.md section 5.
    """
    view, item = case_view.c, review_item.c
    same = and_(item.case_id == view.case_id, item.number == view.number)
    query = (
        select(view.number, view.part, view.at)
        .join_from(case_view, review_item, same)
        .where(and_(view.case_id == case_id, item.golden_id.is_(None)))
        .order_by(view.view_id)
    )
    return tuple(
        ViewEvent(str(row.number), ViewedPart(row.part), datetime.fromtimestamp(row.at, UTC))
        for row in connection.execute(query)
    )


def count_views(connection: Connection, person: Principal, case_id: bytes) -> dict[int, int]:
    """Count this person's views of each picture in a case."""
    view = case_view.c
    mine = and_(view.case_id == case_id, view.reviewer == person.operator_id)
    found: dict[int, int] = {}
    for number in connection.execute(select(view.number).where(mine)).scalars():
        found[number] = found.get(number, 0) + 1
    return found


def _shown_to(person: Principal, case_id: bytes) -> Any:
    item = review_item.c
    return and_(
        item.case_id == case_id, or_(item.reviewer.is_(None), item.reviewer == person.operator_id)
    )


def _account_of(connection: Connection, case_id: bytes) -> bytes:
    file = schema.case_file.c
    found: bytes = connection.execute(
        select(file.account).where(file.case_id == case_id)
    ).scalar_one()
    return found


def _parse_sources(text: str) -> tuple[tuple[str, str], ...]:
    listed = parse_json(text.encode(), "sources")["sources"]
    assert isinstance(listed, list)
    return tuple(
        (str(one["list"]), str(one["jurisdiction"])) for one in listed if isinstance(one, dict)
    )


def state_of(connection: Connection, case_id: bytes) -> CaseState:
    """Read where a case stands. Raises ConfigError if there is none."""
    row = review_case.c
    state = connection.execute(select(row.state).where(row.case_id == case_id)).scalar()
    if state is None:
        raise ConfigError("there is no such case")
    return CaseState(state)
