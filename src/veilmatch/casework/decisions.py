"""Decisions: two distinct people, a lead where they differ; a confirmed case is reported at once.

The decision, its log entry, the step of the case and, where it confirms, the report in the
outbox and the platform's actions are one transaction. Spec: ``spec/65-review.md`` section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from sqlalchemy import Connection, select, update

from veilmatch.access.roles import Principal, Role, require_role
from veilmatch.casework.golden import score_golden
from veilmatch.casework.history import NOBODY, Desk, Loaded, hold_case, move, pack_judgement
from veilmatch.casework.queue import drop_claim, require_holder
from veilmatch.casework.tables import case_decision, review_item
from veilmatch.casework.viewing import count_views, state_of
from veilmatch.errors import InputError, PolicyError
from veilmatch.review.case import Claimed, Escalated, FirstDecided
from veilmatch.review.decision import Decision, Judgement, Outcome
from veilmatch.review.states import CaseState
from veilmatch.store import schema
from veilmatch.transparency.entries.canonical import JsonObject
from veilmatch.transparency.records.record import hash_record


class AfterConfirming(Protocol):
    """What a confirmed case sets off: the report and the actions."""

    def prepare(self, case_id: bytes) -> Callable[[Connection, Loaded], None]:
        """Do what must be durable before the transaction; return what is done inside it.

        Called before every decision that may confirm, so it may turn out not to be needed.
        """


class NothingFollows:
    """Sets off nothing; for houses that only look, and for tests."""

    def prepare(self, case_id: bytes) -> Callable[[Connection, Loaded], None]:
        """Prepare nothing."""
        del case_id
        return _nothing


def _nothing(connection: Connection, loaded: Loaded) -> None:
    del connection, loaded


class Decisions:
    """Takes decisions.

    Args:
        desk: Where the cases are.
        after: What a confirmed case sets off.
    """

    def __init__(self, desk: Desk, after: AfterConfirming | None = None) -> None:
        self._desk = desk
        self._after: AfterConfirming = after or NothingFollows()

    def decide(self, person: Principal, case_id: bytes, judgement: Judgement) -> CaseState:
        """Take a person's decision on the case they hold.

        Returns:
            Where the case stands now.

        Raises:
            ConfigError: There is no such case.
            InputError: A group is marked that the case does not have, or a group that shows
                abuse was not looked at.
            PolicyError: This person does not hold it, or has decided on it before.

        Source: spec/65-review.md rules D-1 to D-6.
        """
        require_role(person, Role.REVIEWER, Role.LEAD)
        desk = self._desk
        follow = self._after.prepare(case_id) if self._may_confirm(case_id, judgement) else None
        with desk.database.transaction() as connection:
            loaded = hold_case(connection, desk, case_id)
            require_holder(loaded, person, desk.clock())
            self._require_looked(connection, person, case_id, judgement)
            golden = score_golden(connection, desk, case_id, person.operator_id, judgement.marks)
            real = tuple(mark for mark in judgement.marks if mark.group not in golden)
            decision = Decision(person.operator_id, _without(judgement, real))
            settled = self._step(connection, loaded, decision)
            drop_claim(connection, case_id)
            if settled in (CaseState.CONFIRMED, CaseState.REJECTED):
                _end_file(connection, case_id)
            if settled is CaseState.CONFIRMED and follow is not None:
                follow(connection, hold_case(connection, desk, case_id))
            return settled

    def _may_confirm(self, case_id: bytes, judgement: Judgement) -> bool:
        with self._desk.database.transaction() as connection:
            state = state_of(connection, case_id)
        last = (CaseState.FIRST_DECIDED, CaseState.ESCALATED)
        return judgement.outcome is Outcome.CONFIRM and state in last

    def _step(self, connection: Connection, loaded: Loaded, decision: Decision) -> CaseState:
        case = loaded.case
        if isinstance(case, Claimed):
            first = case.decide(decision)
            self._record(connection, loaded, first, decision, 1)
            return first.state
        if isinstance(case, FirstDecided):
            second = case.decide(decision)
            self._record(connection, loaded, second, decision, 2)
            reached = hold_case(connection, self._desk, loaded.case_id)
            settled = second.settle()
            # The step follows from the two decisions; nobody takes it.
            move(connection, self._desk, reached, settled, NOBODY)
            return settled.state
        if isinstance(case, Escalated):
            third = case.decide(decision)
            self._record(connection, loaded, third, decision, 3)
            return third.state
        raise PolicyError("this case does not wait for a decision")

    def _record(
        self,
        connection: Connection,
        loaded: Loaded,
        after: Any,
        decision: Decision,
        number: int,
    ) -> None:
        desk, judgement, now = self._desk, decision.judgement, self._desk.clock()
        body = pack_judgement(loaded.key(desk), judgement, loaded.case_id, number)
        detail: JsonObject = {
            "round": number,
            "outcome": judgement.outcome.value,
            "reason": judgement.reason.value,
            "judgement": hash_record(body).hex(),
            "claimed_at": loaded.row.claimed_at,
            "decided_at": now,
        }
        place = move(connection, desk, loaded, after, decision.reviewer, detail)
        connection.execute(
            case_decision.insert().values(
                case_id=loaded.case_id,
                round=number,
                reviewer=decision.reviewer,
                outcome=judgement.outcome.value,
                reason=judgement.reason.value,
                claimed_at=loaded.row.claimed_at,
                decided_at=now,
                judgement_body=body,
                log_place=place,
            )
        )

    def _require_looked(
        self, connection: Connection, person: Principal, case_id: bytes, judgement: Judgement
    ) -> None:
        """Whoever says what a picture shows has looked at one of its group."""
        item = review_item.c
        query = select(item.number, item.group_number).where(item.case_id == case_id)
        groups = {row.number: row.group_number for row in connection.execute(query)}
        marked = {mark.group for mark in judgement.marks}
        if not marked <= set(groups.values()):
            raise InputError("this case has no such group")
        seen = {groups[number] for number in count_views(connection, person, case_id)}
        if not marked <= seen:
            raise InputError(
                "a group was marked and not looked at", hint="reveal one picture of it first"
            )


def _without(judgement: Judgement, real: tuple[Any, ...]) -> Judgement:
    """Give the judgement with the marks of real groups alone."""
    if judgement.outcome is Outcome.CONFIRM and not any(
        mark.classification.is_abuse for mark in real
    ):
        raise InputError(
            "a case is confirmed by at least one picture that shows abuse",
            hint="look again at what is marked",
        )
    return replace(judgement, marks=real)


def _end_file(connection: Connection, case_id: bytes) -> None:
    """From here on new matches of the account make a new case."""
    file = schema.case_file
    connection.execute(update(file).where(file.c.case_id == case_id).values(state="ended"))
