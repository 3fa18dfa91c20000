"""The case as a state machine: types, table and behaviour agree."""

from __future__ import annotations

import inspect
import typing

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from veilmatch.errors import PolicyError
from veilmatch.review import case as machine
from veilmatch.review.case import (
    STATES,
    Absent,
    Acted,
    Appealed,
    Case,
    Claimed,
    Closed,
    Confirmed,
    Destroyed,
    Escalated,
    FirstDecided,
    HashConfirmed,
    Opened,
    Reinstated,
    Rejected,
    Reported,
    SecondDecided,
    Upheld,
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
from veilmatch.review.states import FIRST_CONFIRMED, SETTLED, TRANSITIONS, CaseState

PEOPLE = [bytes([number]) * 16 for number in range(4)]
ABUSE = Mark(1, Classification(Scheme.PLAIN, "abuse"))
JUDGEMENTS = {
    Outcome.CONFIRM: Judgement(Outcome.CONFIRM, Reason.SHOWS_ABUSE, (ABUSE,)),
    Outcome.REJECT: Judgement(Outcome.REJECT, Reason.NOT_ABUSE),
    Outcome.ESCALATE: Judgement(Outcome.ESCALATE, Reason.CANNOT_TELL),
}


def _steps_by_type() -> set[tuple[CaseState, CaseState]]:
    """Every step that a method's return type allows."""
    found = set()
    for kind in STATES:
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if name.startswith("_"):
                continue
            reached = typing.get_type_hints(method, vars(machine))["return"]
            for one in typing.get_args(reached) or (reached,):
                found.add((kind.state, one.state))
    return found


def test_the_types_say_what_the_table_says() -> None:
    assert _steps_by_type() == TRANSITIONS
    assert {kind.state for kind in STATES} == set(CaseState)


def test_every_state_is_reached_and_only_one_is_the_end() -> None:
    reached = {CaseState.NONE}
    while more := {new for old, new in TRANSITIONS if old in reached} - reached:
        reached |= more
    assert reached == set(CaseState)
    assert set(CaseState) - {old for old, _ in TRANSITIONS} == {CaseState.DESTROYED}


def test_nothing_of_a_confirmed_case_is_reached_around_the_confirmation() -> None:
    reached = {CaseState.NONE}
    steps = {step for step in TRANSITIONS if step[1] is not CaseState.CONFIRMED}
    while more := {new for old, new in steps if old in reached} - reached:
        reached |= more
    assert not reached & FIRST_CONFIRMED
    assert SETTLED & reached == {CaseState.REJECTED}


class CaseMachine(RuleBasedStateMachine):
    """Takes random steps and remembers who decided and what they said."""

    def __init__(self) -> None:
        super().__init__()
        self.case: Case = Absent()
        self.deciders: list[bytes] = []
        self.said: list[Outcome] = []
        self.seen: list[CaseState] = [CaseState.NONE]

    def _reach(self, case: Case) -> None:
        self.case = case
        self.seen.append(case.state)

    @precondition(lambda self: isinstance(self.case, Absent))
    @rule()
    def open(self) -> None:
        assert isinstance(self.case, Absent)
        self._reach(self.case.open())

    @precondition(lambda self: isinstance(self.case, Opened))
    @rule(agreeing=st.integers(0, 5), needed=st.integers(0, 5))
    def second_hash(self, agreeing: int, needed: int) -> None:
        assert isinstance(self.case, Opened)
        if agreeing < max(needed, 1):
            with pytest.raises(PolicyError):
                self.case.confirm_hash(agreeing, needed)
        else:
            self._reach(self.case.confirm_hash(agreeing, needed))

    @precondition(lambda self: isinstance(self.case, HashConfirmed))
    @rule(who=st.sampled_from(PEOPLE))
    def claim(self, who: bytes) -> None:
        assert isinstance(self.case, HashConfirmed)
        self._reach(self.case.claim(who))

    @precondition(lambda self: isinstance(self.case, Claimed))
    @rule()
    def release(self) -> None:
        assert isinstance(self.case, Claimed)
        self._reach(self.case.release())

    @precondition(lambda self: isinstance(self.case, Claimed | FirstDecided | Escalated))
    @rule(who=st.sampled_from(PEOPLE), outcome=st.sampled_from(Outcome))
    def decide(self, who: bytes, outcome: Outcome) -> None:
        case, decision = self.case, Decision(who, JUDGEMENTS[outcome])
        assert isinstance(case, Claimed | FirstDecided | Escalated)
        refused = who in self.deciders
        if isinstance(case, Claimed):
            refused = who != case.reviewer
        if isinstance(case, Escalated) and outcome is Outcome.ESCALATE:
            refused = True
        if refused:
            with pytest.raises(PolicyError):
                case.decide(decision)
            return
        self.deciders.append(who)
        self.said.append(outcome)
        self._reach(case.decide(decision))
        if isinstance(self.case, SecondDecided):
            self._reach(self.case.settle())

    @precondition(lambda self: isinstance(self.case, Confirmed))
    @rule()
    def report(self) -> None:
        assert isinstance(self.case, Confirmed)
        self._reach(self.case.report())

    @precondition(lambda self: isinstance(self.case, Reported))
    @rule()
    def act(self) -> None:
        assert isinstance(self.case, Reported)
        self._reach(self.case.act())

    @precondition(lambda self: isinstance(self.case, Reported | Acted))
    @rule()
    def appeal(self) -> None:
        assert isinstance(self.case, Reported | Acted)
        self._reach(self.case.appeal())

    @precondition(lambda self: isinstance(self.case, Appealed))
    @rule(right=st.booleans())
    def end_appeal(self, right: bool) -> None:
        assert isinstance(self.case, Appealed)
        self._reach(self.case.uphold() if right else self.case.reinstate())

    @precondition(lambda self: isinstance(self.case, Rejected | Acted | Upheld | Reinstated))
    @rule()
    def close(self) -> None:
        assert isinstance(self.case, Rejected | Acted | Upheld | Reinstated)
        self._reach(self.case.close())

    @precondition(lambda self: isinstance(self.case, Closed))
    @rule()
    def destroy(self) -> None:
        assert isinstance(self.case, Closed)
        self._reach(self.case.destroy())

    @precondition(lambda self: isinstance(self.case, Destroyed))
    @rule()
    def rest(self) -> None:
        """Nothing is left to do."""

    @invariant()
    def every_step_is_in_the_table(self) -> None:
        for step in zip(self.seen, self.seen[1:], strict=False):
            assert step in TRANSITIONS

    @invariant()
    def deciders_are_distinct_people(self) -> None:
        assert len(set(self.deciders)) == len(self.deciders) <= 3

    @invariant()
    def what_was_confirmed_was_confirmed_by_two(self) -> None:
        if CaseState.CONFIRMED in self.seen:
            assert self.said.count(Outcome.CONFIRM) >= 2 or self.said[2:] == [Outcome.CONFIRM]
        if CaseState.REJECTED in self.seen:
            assert self.said.count(Outcome.REJECT) >= 2 or self.said[2:] == [Outcome.REJECT]

    @invariant()
    def the_end_has_no_way_out(self) -> None:
        if isinstance(self.case, Destroyed):
            steps = inspect.getmembers(Destroyed, inspect.isfunction)
            assert not [name for name, _ in steps if not name.startswith("_")]


CaseMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestCaseMachine = CaseMachine.TestCase
