"""The states of a case, and every step between them; there are no others.

The database holds the same table as constraints. Spec: ``spec/65-review.md`` section 3.
"""

from __future__ import annotations

import enum


class CaseState(enum.Enum):
    """Where a case stands."""

    NONE = "none"  # before its first event
    OPENED = "opened"  # at least min_shares matches opened
    HASH_CONFIRMED = "hash_confirmed"  # the second hash agrees; people may look
    CLAIMED = "claimed"  # a first reviewer works on it
    FIRST_DECIDED = "first_decided"
    SECOND_DECIDED = "second_decided"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    ESCALATED = "escalated"  # a lead decides
    REPORTED = "reported"  # the body's receipt is here
    ACTED = "acted"  # the platform acknowledged every action
    APPEALED = "appealed"
    UPHELD = "upheld"  # the appeal did not change it
    REINSTATED = "reinstated"
    CLOSED = "closed"
    DESTROYED = "destroyed"  # pictures, notes and their keys are gone


_S = CaseState

TRANSITIONS: frozenset[tuple[CaseState, CaseState]] = frozenset(
    {
        (_S.NONE, _S.OPENED),
        (_S.OPENED, _S.HASH_CONFIRMED),
        (_S.HASH_CONFIRMED, _S.CLAIMED),
        (_S.CLAIMED, _S.HASH_CONFIRMED),  # given back, or the claim expired
        (_S.CLAIMED, _S.FIRST_DECIDED),
        (_S.FIRST_DECIDED, _S.SECOND_DECIDED),
        (_S.SECOND_DECIDED, _S.CONFIRMED),
        (_S.SECOND_DECIDED, _S.REJECTED),
        (_S.SECOND_DECIDED, _S.ESCALATED),
        (_S.ESCALATED, _S.CONFIRMED),
        (_S.ESCALATED, _S.REJECTED),
        (_S.CONFIRMED, _S.REPORTED),
        (_S.REPORTED, _S.ACTED),
        (_S.REPORTED, _S.APPEALED),
        (_S.ACTED, _S.APPEALED),
        (_S.APPEALED, _S.UPHELD),
        (_S.APPEALED, _S.REINSTATED),
        (_S.REJECTED, _S.CLOSED),
        (_S.ACTED, _S.CLOSED),
        (_S.UPHELD, _S.CLOSED),
        (_S.REINSTATED, _S.CLOSED),
        (_S.CLOSED, _S.DESTROYED),
    }
)
"""Every step that a case can take."""

SETTLED = frozenset({_S.CONFIRMED, _S.REJECTED})
"""Once here, new matches of the account make a new case."""

FIRST_CONFIRMED = frozenset(
    {_S.CONFIRMED, _S.REPORTED, _S.ACTED, _S.APPEALED, _S.UPHELD, _S.REINSTATED}
)
"""States that only a confirmed case reaches: here it may be asked whose account it is."""
