"""How a case takes a step: the log's entry, the event and the case's row, in one transaction.

Every part of casework works at a ``Desk``. A step is written only if the case still stands
where the caller read it; the constraints of ``tables`` stand behind that.
Spec: ``spec/65-review.md`` section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update

from veilmatch.casework.tables import case_decision, case_event, review_case
from veilmatch.errors import ConfigError, PolicyError, ProtocolError, StoreError
from veilmatch.privatelog.log import LogEntry, PrivateLog
from veilmatch.review.case import (
    STATES,
    Absent,
    Case,
    Claimed,
    Escalated,
    FirstDecided,
    SecondDecided,
)
from veilmatch.review.decision import (
    Classification,
    Decision,
    Judgement,
    Mark,
    Outcome,
    Reason,
    Scheme,
)
from veilmatch.review.settings import ReviewPolicy
from veilmatch.review.states import CaseState
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.transparency.entries.canonical import (
    Fields,
    Json,
    JsonObject,
    build_json,
    parse_json,
)

CASE_ID_LEN = 16
NOBODY = b""
"""Stands for the program itself where a person could have acted."""

_BY_STATE = {one.state: one for one in STATES}


@dataclass(frozen=True)
class Desk:
    """What every part of casework shares.

    Attributes:
        database: The store's database.
        crypter: Seals the key of each case.
        clock: Gives seconds since 1970.
        policy: The organisation's policy.
    """

    database: Database
    crypter: Crypter
    clock: Callable[[], int]
    policy: ReviewPolicy = field(default_factory=ReviewPolicy)

    @property
    def log(self) -> PrivateLog:
        """The private log over the same database."""
        return PrivateLog(self.database, self.crypter, self.clock)


@dataclass(frozen=True, repr=False)
class Loaded:
    """A case held by this transaction.

    Attributes:
        row: Its row in ``review_case``.
        case: Its state.
        decisions: Those of rounds 1 to 3, in order.
    """

    row: Row[Any]
    case: Case
    decisions: tuple[Decision, ...]

    @property
    def case_id(self) -> bytes:
        """The case's random id."""
        found: bytes = self.row.case_id
        return found

    def key(self, desk: Desk) -> Crypter:
        """Open the case's key. Raises PolicyError if it was destroyed."""
        return open_case_key(desk.crypter, self.row)


def open_case_key(crypter: Crypter, row: Row[Any]) -> Crypter:
    """Open the key of a case's row. Raises PolicyError if it was destroyed."""
    if row.sealed_key is None:
        raise PolicyError("this case was destroyed")
    key = crypter.open(row.sealed_key, "review_case", row.case_id, "key")
    return Crypter([SecretBytes(key)])


def hold_case(connection: Connection, desk: Desk, case_id: bytes) -> Loaded:
    """Load a case and hold it until the transaction ends.

    Raises:
        ConfigError: There is no such case.
    """
    row = connection.execute(
        select(review_case).where(review_case.c.case_id == case_id).with_for_update()
    ).first()
    if row is None:
        raise ConfigError("there is no such case", hint="veilmatch cases list shows them")
    return restore(connection, desk, row)


def restore(connection: Connection, desk: Desk, row: Row[Any]) -> Loaded:
    """Make a case's state from its row and its decisions."""
    decisions = read_decisions(connection, desk, row)
    state = CaseState(row.state)
    case: Case
    if state is CaseState.CLAIMED:
        case = Claimed(row.holder)
    elif state is CaseState.FIRST_DECIDED:
        case = FirstDecided(decisions[0])
    elif state is CaseState.SECOND_DECIDED:
        case = SecondDecided(decisions[0], decisions[1])
    elif state is CaseState.ESCALATED:
        case = Escalated(decisions[0], decisions[1])
    else:
        case = _BY_STATE[state]()
    return Loaded(row, case, decisions)


def read_decisions(connection: Connection, desk: Desk, row: Row[Any]) -> tuple[Decision, ...]:
    """Read the decisions of rounds 1 to 3; none if their contents were destroyed."""
    if row.sealed_key is None:
        return ()
    key = open_case_key(desk.crypter, row)
    mine = and_(case_decision.c.case_id == row.case_id, case_decision.c.round <= 3)
    rows = connection.execute(select(case_decision).where(mine).order_by(case_decision.c.round))
    return tuple(Decision(one.reviewer, unpack_judgement(key, one)) for one in rows)


def take_step(
    connection: Connection,
    desk: Desk,
    case_id: bytes,
    number: int,
    before: Case,
    after: Case,
    actor: bytes,
    detail: JsonObject | None = None,
    **values: object,
) -> int:
    """Write one step of a case; the row of the case itself is the caller's for ``number`` 0.

    Args:
        connection: The caller's transaction, which holds the case.
        desk: Where this is done.
        case_id: Which case.
        number: Of this event; one more than the case's last.
        before: The state that ``after`` was made from.
        after: The state now.
        actor: The operator's random id, or ``NOBODY``.
        detail: What the log says besides.
        values: Columns of the case's row that change with the step.

    Returns:
        The place of the log's entry.

    Raises:
        ProtocolError: Somebody else has moved the case.
    """
    place = _record_event(connection, desk, case_id, number, before, after, actor, detail)
    if isinstance(before, Absent):
        return place
    row = review_case.c
    stands = and_(
        row.case_id == case_id, row.event_number == number - 1, row.state == before.state.value
    )
    moved = connection.execute(
        update(review_case)
        .where(stands)
        .values(event_number=number, state=after.state.value, **values)
    )
    if moved.rowcount != 1:
        raise ProtocolError("somebody else has moved this case", hint="look at it again")
    return place


def _record_event(
    connection: Connection,
    desk: Desk,
    case_id: bytes,
    number: int,
    before: Case,
    after: Case,
    actor: bytes,
    detail: JsonObject | None,
) -> int:
    """Write the log's entry and the event."""
    now, old, new = desk.clock(), before.state.value, after.state.value
    said: JsonObject = {"number": number, "from": old, "at": now, **(detail or {})}
    place = desk.log.append(connection, LogEntry(f"case.{new}", actor, case_id, said))
    connection.execute(
        case_event.insert().values(
            case_id=case_id,
            number=number,
            previous=number - 1 if number else None,
            from_state=old,
            to_state=new,
            at=now,
            actor=actor,
            log_place=place,
        )
    )
    return place


def move(
    connection: Connection,
    desk: Desk,
    loaded: Loaded,
    after: Case,
    actor: bytes,
    detail: JsonObject | None = None,
    **values: object,
) -> int:
    """Write the next step of a loaded case; see ``take_step``."""
    return take_step(
        connection,
        desk,
        loaded.case_id,
        loaded.row.event_number + 1,
        loaded.case,
        after,
        actor,
        detail,
        **values,
    )


def judgement_row(case_id: bytes, number: int) -> bytes:
    """Name the place that a judgement's seal is bound to."""
    return case_id + bytes([number])


def pack_judgement(key: Crypter, judgement: Judgement, case_id: bytes, number: int) -> bytes:
    """Seal marks and note under the case's key, for round ``number``."""
    marks: list[Json] = [
        [mark.group, mark.classification.scheme.value, mark.classification.value]
        for mark in judgement.marks
    ]
    packed = build_json({"marks": marks, "note": judgement.note})
    return key.seal(packed, "case_decision", judgement_row(case_id, number), "judgement")


def unpack_judgement(key: Crypter, row: Row[Any]) -> Judgement:
    """Open a decision's row. Raises StoreError if it was changed."""
    place = judgement_row(row.case_id, row.round)
    packed = key.open(row.judgement_body or b"", "case_decision", place, "judgement")
    fields = Fields(parse_json(packed, "judgement"), "judgement")
    marks = tuple(_mark(one) for one in fields.items("marks"))
    note = fields.take("note")
    fields.finish()
    if not isinstance(note, str):
        raise StoreError("a judgement is damaged")
    return Judgement(Outcome(row.outcome), Reason(row.reason), marks, note)


def _mark(value: Json) -> Mark:
    match value:
        case [int(group), str(scheme), str(name)]:
            return Mark(group, Classification(Scheme(scheme), name))
        case _:
            raise StoreError("a judgement is damaged")
