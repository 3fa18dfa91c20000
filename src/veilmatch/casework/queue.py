"""The queue: who may work on which case, one person at a time.

A claim is exclusive and expires; whoever comes first holds it, by a conditional change of the
case's row. Nobody is offered a case on which they have decided.
Spec: ``spec/65-review.md`` section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, exists, func, not_, or_, select, update

from veilmatch.access.roles import Principal, Role, require_role
from veilmatch.casework.golden import mix_in_golden
from veilmatch.casework.history import NOBODY, Desk, Loaded, hold_case, move
from veilmatch.casework.tables import case_decision, review_case, review_item
from veilmatch.errors import PolicyError
from veilmatch.privatelog.log import LogEntry
from veilmatch.review.case import Appealed, Claimed, Escalated, FirstDecided, HashConfirmed
from veilmatch.review.decision import require_distinct
from veilmatch.review.states import CaseState

_FIRST = (CaseState.HASH_CONFIRMED.value, CaseState.CLAIMED.value)
_REVIEWERS = (*_FIRST, CaseState.FIRST_DECIDED.value)
_LEADS = (CaseState.ESCALATED.value, CaseState.APPEALED.value)
_ORDER = (CaseState.APPEALED, CaseState.ESCALATED, CaseState.FIRST_DECIDED)


@dataclass(frozen=True)
class QueueItem:
    """A case that this person may claim, or holds. No account, no picture.

    Attributes:
        case_id: The case's random id.
        state: Where it stands.
        opened_at: Seconds since 1970.
        item_count: Pictures.
        group_count: Groups of near-duplicates; so many looks decide it.
        is_mine: This person holds it.
    """

    case_id: bytes
    state: CaseState
    opened_at: int
    item_count: int
    group_count: int
    is_mine: bool


@dataclass(frozen=True)
class Claim:
    """A case that is held; nobody else can claim it before ``expires_at``."""

    case_id: bytes
    state: CaseState
    expires_at: int


class Queue:
    """Offers and claims cases."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def list_for(self, person: Principal) -> list[QueueItem]:
        """List what this person may claim or holds, in the order of work.

        Raises:
            PolicyError: Neither a reviewer nor a lead.
        """
        require_role(person, Role.REVIEWER, Role.LEAD)
        now = self._desk.clock()
        case, item = review_case.c, review_item.c
        real = and_(item.case_id == case.case_id, item.golden_id.is_(None))
        items = select(func.count()).where(real).correlate(review_case).scalar_subquery()
        groups = (
            select(func.count(func.distinct(item.group_number)))
            .where(real)
            .correlate(review_case)
            .scalar_subquery()
        )
        columns = (case.case_id, case.state, case.opened_at, case.holder, case.claim_expires_at)
        query = (
            select(*columns, items.label("items"), groups.label("groups"))
            .where(self._offered(person, now))
            .order_by(case.opened_at, case.case_id)
        )
        with self._desk.database.transaction() as connection:
            rows = connection.execute(query).all()
        found = [
            QueueItem(
                row.case_id,
                CaseState(row.state),
                row.opened_at,
                row.items,
                row.groups,
                row.holder == person.operator_id and row.claim_expires_at > now,
            )
            for row in rows
        ]
        return sorted(found, key=lambda one: (not one.is_mine, _urgency(one.state)))

    def count_waiting(self) -> dict[str, int]:
        """Count cases by state; for the head of a page and for metrics."""
        state = review_case.c.state
        with self._desk.database.transaction() as connection:
            rows = connection.execute(select(state, func.count()).group_by(state))
            return {row[0]: row[1] for row in rows}

    def _offered(self, person: Principal, now: int) -> ColumnElement[bool]:
        case, decision = review_case.c, case_decision.c
        states: list[str] = []
        if Role.REVIEWER in person.roles:
            states += _REVIEWERS
        if Role.LEAD in person.roles:
            states += _LEADS
        mine = case.holder == person.operator_id
        free = or_(case.holder.is_(None), case.claim_expires_at <= now, mine)
        decided = exists().where(
            and_(decision.case_id == case.case_id, decision.reviewer == person.operator_id)
        )
        return and_(case.state.in_(states), free, not_(decided))

    def claim_next(self, person: Principal) -> Claim | None:
        """Claim what comes first, or what this person holds already; None if nothing waits.

        Raises:
            PolicyError: Neither a reviewer nor a lead.
        """
        for item in self.list_for(person):
            try:
                return self.claim(person, item.case_id)
            except PolicyError:
                continue  # somebody was faster
        return None

    def claim(self, person: Principal, case_id: bytes) -> Claim:
        """Claim a case, or prolong one's own claim.

        Raises:
            ConfigError: There is no such case.
            PolicyError: Another holds it, this person has decided on it, it does not wait for
                somebody of this role, or the person has another case in hand.

        Source: spec/65-review.md rules Q-1 to Q-4.
        """
        require_role(person, Role.REVIEWER, Role.LEAD)
        desk, now = self._desk, self._desk.clock()
        with desk.database.transaction() as connection:
            loaded = hold_case(connection, desk, case_id)
            self._require_offered(loaded, person)
            row, is_free = loaded.row, loaded.row.claim_expires_at <= now
            is_mine = row.holder == person.operator_id
            if row.holder is not None and not is_free and not is_mine:
                raise PolicyError("another person holds this case", hint="take another one")
            self._require_free_hands(connection, person, case_id, now)
            expires_at = now + desk.policy.claim_s
            if is_mine and not is_free:
                _set_claim(connection, case_id, claim_expires_at=expires_at)
                return Claim(case_id, CaseState(row.state), expires_at)
            state = self._take(connection, loaded, person)
            _set_claim(
                connection,
                case_id,
                holder=person.operator_id,
                claimed_at=now,
                claim_expires_at=expires_at,
            )
        return Claim(case_id, state, expires_at)

    def _take(self, connection: Connection, loaded: Loaded, person: Principal) -> CaseState:
        desk, case = self._desk, loaded.case
        if isinstance(case, Claimed):  # of somebody whose claim expired
            move(connection, desk, loaded, case.release(), NOBODY)
            loaded = hold_case(connection, desk, loaded.case_id)
            case = loaded.case
        if isinstance(case, HashConfirmed):
            after = case.claim(person.operator_id)
            move(connection, desk, loaded, after, person.operator_id)
            mix_in_golden(connection, desk, loaded.case_id, person.operator_id)
            return after.state
        entry = LogEntry(
            "claim.taken", person.operator_id, loaded.case_id, {"state": case.state.value}
        )
        desk.log.append(connection, entry)
        if not isinstance(case, Appealed):
            mix_in_golden(connection, desk, loaded.case_id, person.operator_id)
        return case.state

    def _require_offered(self, loaded: Loaded, person: Principal) -> None:
        match loaded.case:
            case HashConfirmed() | Claimed() | FirstDecided():
                require_role(person, Role.REVIEWER)
            case Escalated() | Appealed():
                require_role(person, Role.LEAD)
            case _:
                raise PolicyError("this case does not wait for anybody")
        require_distinct(person.operator_id, loaded.decisions)

    def _require_free_hands(
        self, connection: Connection, person: Principal, case_id: bytes, now: int
    ) -> None:
        case = review_case.c
        others = and_(
            case.holder == person.operator_id,
            case.claim_expires_at > now,
            case.case_id != case_id,
        )
        if connection.execute(select(func.count()).where(others)).scalar_one():
            raise PolicyError("this person holds another case", hint="decide it, or give it back")

    def release(self, person: Principal, case_id: bytes) -> None:
        """Give a case back undecided. Raises PolicyError if this person does not hold it."""
        desk = self._desk
        with desk.database.transaction() as connection:
            loaded = hold_case(connection, desk, case_id)
            require_holder(loaded, person, desk.clock())
            if isinstance(loaded.case, Claimed):
                move(connection, desk, loaded, loaded.case.release(), person.operator_id)
            else:
                entry = LogEntry("claim.released", person.operator_id, case_id)
                desk.log.append(connection, entry)
            drop_claim(connection, case_id)


def require_holder(loaded: Loaded, person: Principal, now: int) -> None:
    """Refuse who does not hold the case now. Raises PolicyError."""
    row = loaded.row
    if row.holder != person.operator_id or row.claim_expires_at <= now:
        raise PolicyError("this person does not hold this case", hint="claim it first")


def drop_claim(connection: Connection, case_id: bytes) -> None:
    """Free a case inside the caller's transaction."""
    _set_claim(connection, case_id, holder=None, claimed_at=None, claim_expires_at=0)


def _set_claim(connection: Connection, case_id: bytes, **values: object) -> None:
    connection.execute(update(review_case).where(review_case.c.case_id == case_id).values(**values))


def _urgency(state: CaseState) -> int:
    return _ORDER.index(state) if state in _ORDER else len(_ORDER)
