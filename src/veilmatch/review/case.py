"""A case as a state machine: one class for each state, one method for each step.

A step that is not allowed has no method, so the type checker refuses it. The rest (who may
take a step) is refused when it is taken. ``STATES`` and the return types of the methods are
compared with the table in ``states`` by a test. Spec: ``spec/65-review.md`` section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from veilmatch.errors import PolicyError
from veilmatch.review.decision import Decision, Outcome, require_distinct, settle
from veilmatch.review.states import CaseState


@dataclass(frozen=True)
class Case:
    """A case in some state; the subclass says which."""

    state: ClassVar[CaseState] = CaseState.NONE


@dataclass(frozen=True)
class Absent(Case):
    """Before the first event."""

    def open(self) -> Opened:
        """An account's matches were opened."""
        return Opened()


@dataclass(frozen=True)
class Opened(Case):
    """Opened; nobody may look yet."""

    state: ClassVar[CaseState] = CaseState.OPENED

    def confirm_hash(self, agreeing: int, min_shares: int) -> HashConfirmed:
        """The second hash agrees on enough derivatives. Raises PolicyError if on too few."""
        if agreeing < max(min_shares, 1):
            raise PolicyError("the second hash agrees on too few derivatives")
        return HashConfirmed()


@dataclass(frozen=True)
class HashConfirmed(Case):
    """People may look."""

    state: ClassVar[CaseState] = CaseState.HASH_CONFIRMED

    def claim(self, reviewer: bytes) -> Claimed:
        """A first reviewer takes it."""
        return Claimed(reviewer)


@dataclass(frozen=True)
class Claimed(Case):
    """A first reviewer works on it."""

    state: ClassVar[CaseState] = CaseState.CLAIMED
    reviewer: bytes = field(repr=False)

    def release(self) -> HashConfirmed:
        """Give it back undecided."""
        return HashConfirmed()

    def decide(self, first: Decision) -> FirstDecided:
        """The first decision. Raises PolicyError if by another person than who holds it."""
        if first.reviewer != self.reviewer:
            raise PolicyError("another reviewer holds this case")
        return FirstDecided(first)


@dataclass(frozen=True)
class FirstDecided(Case):
    """One person has decided; a second one must, without seeing what the first said."""

    state: ClassVar[CaseState] = CaseState.FIRST_DECIDED
    first: Decision

    def decide(self, second: Decision) -> SecondDecided:
        """The second decision. Raises PolicyError if by the same person."""
        require_distinct(second.reviewer, (self.first,))
        return SecondDecided(self.first, second)


@dataclass(frozen=True)
class SecondDecided(Case):
    """Two people have decided; what that comes to follows at once."""

    state: ClassVar[CaseState] = CaseState.SECOND_DECIDED
    first: Decision
    second: Decision

    def settle(self) -> Confirmed | Rejected | Escalated:
        """Settle it: what both say, or a lead decides."""
        outcome = settle(self.first, self.second)
        if outcome is Outcome.CONFIRM:
            return Confirmed()
        if outcome is Outcome.REJECT:
            return Rejected()
        return Escalated(self.first, self.second)


@dataclass(frozen=True)
class Escalated(Case):
    """A lead decides, who has not decided before."""

    state: ClassVar[CaseState] = CaseState.ESCALATED
    first: Decision
    second: Decision

    def decide(self, third: Decision) -> Confirmed | Rejected:
        """The lead's decision.

        Raises:
            PolicyError: By one of the two, or no decision at all.
        """
        require_distinct(third.reviewer, (self.first, self.second))
        if third.judgement.outcome is Outcome.CONFIRM:
            return Confirmed()
        if third.judgement.outcome is Outcome.REJECT:
            return Rejected()
        raise PolicyError("a lead confirms or rejects", hint="there is nobody to escalate to")


@dataclass(frozen=True)
class Confirmed(Case):
    """Its report is on its way."""

    state: ClassVar[CaseState] = CaseState.CONFIRMED

    def report(self) -> Reported:
        """The body's receipt is here."""
        return Reported()


@dataclass(frozen=True)
class Rejected(Case):
    """People found nothing."""

    state: ClassVar[CaseState] = CaseState.REJECTED

    def close(self) -> Closed:
        """Nothing is left to do."""
        return Closed()


@dataclass(frozen=True)
class Reported(Case):
    """The body has it."""

    state: ClassVar[CaseState] = CaseState.REPORTED

    def act(self) -> Acted:
        """The platform acknowledged every action."""
        return Acted()

    def appeal(self) -> Appealed:
        """The user objects."""
        return Appealed()


@dataclass(frozen=True)
class Acted(Case):
    """The platform has acted."""

    state: ClassVar[CaseState] = CaseState.ACTED

    def appeal(self) -> Appealed:
        """The user objects."""
        return Appealed()

    def close(self) -> Closed:
        """The time for an appeal is over."""
        return Closed()


@dataclass(frozen=True)
class Appealed(Case):
    """A person who has not decided before decides on the appeal."""

    state: ClassVar[CaseState] = CaseState.APPEALED

    def uphold(self) -> Upheld:
        """The appeal changes nothing."""
        return Upheld()

    def reinstate(self) -> Reinstated:
        """The decision was wrong."""
        return Reinstated()


@dataclass(frozen=True)
class Upheld(Case):
    """Looked at again; it stays."""

    state: ClassVar[CaseState] = CaseState.UPHELD

    def close(self) -> Closed:
        """Nothing is left to do."""
        return Closed()


@dataclass(frozen=True)
class Reinstated(Case):
    """Put right."""

    state: ClassVar[CaseState] = CaseState.REINSTATED

    def close(self) -> Closed:
        """Nothing is left to do."""
        return Closed()


@dataclass(frozen=True)
class Closed(Case):
    """Kept until its term is over."""

    state: ClassVar[CaseState] = CaseState.CLOSED

    def destroy(self) -> Destroyed:
        """Pictures, notes and their keys are gone."""
        return Destroyed()


@dataclass(frozen=True)
class Destroyed(Case):
    """Only the history is left."""

    state: ClassVar[CaseState] = CaseState.DESTROYED


STATES: tuple[type[Case], ...] = (
    Absent,
    Opened,
    HashConfirmed,
    Claimed,
    FirstDecided,
    SecondDecided,
    Escalated,
    Confirmed,
    Rejected,
    Reported,
    Acted,
    Appealed,
    Upheld,
    Reinstated,
    Closed,
    Destroyed,
)
"""One class for each state."""
