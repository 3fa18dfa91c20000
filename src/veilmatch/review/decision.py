"""One person's judgement of a case, and what two of them come to.

Two distinct people decide; where they agree, the case is confirmed or rejected; where not, or
where one of them asks for it, a lead decides. Spec: ``spec/65-review.md`` section 4.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from veilmatch.errors import InputError, PolicyError

NOTE_LEN_MAX = 4000


class Outcome(enum.Enum):
    """What one person says of a case."""

    CONFIRM = "confirm"
    REJECT = "reject"
    ESCALATE = "escalate"


class AppealOutcome(enum.Enum):
    """What a person who has not decided before says of an appeal."""

    UPHOLD = "uphold"  # the decision stays
    REINSTATE = "reinstate"  # it was wrong


class Reason(enum.Enum):
    """Why; a fixed word, so that it can be counted."""

    SHOWS_ABUSE = "shows_abuse"
    NOT_ABUSE = "not_abuse"
    NOT_THE_KNOWN_PICTURE = "not_the_known_picture"
    LAWFUL_CONTEXT = "lawful_context"  # medicine, news, art, as counsel has said
    CANNOT_TELL = "cannot_tell"
    DRAWN_OR_GENERATED = "drawn_or_generated"


_FITTING: dict[Outcome, frozenset[Reason]] = {
    Outcome.CONFIRM: frozenset({Reason.SHOWS_ABUSE, Reason.DRAWN_OR_GENERATED}),
    Outcome.REJECT: frozenset(
        {
            Reason.NOT_ABUSE,
            Reason.NOT_THE_KNOWN_PICTURE,
            Reason.LAWFUL_CONTEXT,
            Reason.DRAWN_OR_GENERATED,
        }
    ),
    Outcome.ESCALATE: frozenset({Reason.CANNOT_TELL, Reason.DRAWN_OR_GENERATED}),
}


class Scheme(enum.Enum):
    """A scheme of classification. A value means nothing without it."""

    PLAIN = "plain"
    INDUSTRY = "industry"  # Tech Coalition; only with the hash-sharing agreement
    UK = "uk"


_VALUES: dict[Scheme, tuple[str, ...]] = {
    Scheme.PLAIN: ("abuse", "other", "unsure"),
    Scheme.INDUSTRY: ("A1", "A2", "B1", "B2", "other"),
    Scheme.UK: ("A", "B", "C", "other"),
}
HARMLESS = "other"


@dataclass(frozen=True)
class Classification:
    """A value within its scheme. Raises InputError if the scheme does not have it."""

    scheme: Scheme
    value: str

    def __post_init__(self) -> None:
        if self.value not in _VALUES[self.scheme]:
            raise InputError("the scheme does not have this value")

    @property
    def is_harmless(self) -> bool:
        """Tell whether it says that the picture shows nothing of the kind."""
        return self.value == HARMLESS

    @property
    def is_abuse(self) -> bool:
        """Tell whether it says that the picture shows abuse."""
        return self.value not in (HARMLESS, "unsure")


def values_of(scheme: Scheme) -> tuple[str, ...]:
    """Return the values of a scheme, worst first."""
    return _VALUES[scheme]


@dataclass(frozen=True)
class Mark:
    """What one person says of one group of near-duplicates; ``group`` is its number."""

    group: int
    classification: Classification


@dataclass(frozen=True)
class Judgement:
    """One person's judgement.

    Attributes:
        outcome: Confirm, reject or escalate.
        reason: A reason that fits the outcome.
        marks: One for each group that was looked at.
        note: Free text for colleagues; it is sealed in the store.

    Raises:
        InputError: The reason does not fit, a group is marked twice, the note is too long, or
            a case is confirmed without one picture that shows abuse.
    """

    outcome: Outcome
    reason: Reason
    marks: tuple[Mark, ...] = ()
    note: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.reason not in _FITTING[self.outcome]:
            raise InputError("the reason does not fit the outcome")
        groups = [mark.group for mark in self.marks]
        if len(set(groups)) != len(groups):
            raise InputError("a group is marked twice")
        if len(self.note) > NOTE_LEN_MAX:
            raise InputError(f"a note has at most {NOTE_LEN_MAX} characters")
        shows = any(mark.classification.is_abuse for mark in self.marks)
        if self.outcome is Outcome.CONFIRM and not shows:
            raise InputError(
                "a case is confirmed by at least one picture that shows abuse",
                hint="mark the group that shows it",
            )


@dataclass(frozen=True)
class Decision:
    """A judgement with who made it; ``reviewer`` is the operator's random id."""

    reviewer: bytes = field(repr=False)
    judgement: Judgement


def reasons_for(outcome: Outcome) -> tuple[Reason, ...]:
    """Return the reasons that fit an outcome, in a fixed order."""
    return tuple(reason for reason in Reason if reason in _FITTING[outcome])


def require_distinct(reviewer: bytes, earlier: Iterable[Decision]) -> None:
    """Refuse a person who decided on this case before. Raises PolicyError."""
    if any(one.reviewer == reviewer for one in earlier):
        raise PolicyError(
            "this person has decided on this case before",
            hint="another reviewer decides now",
        )


def settle(first: Decision, second: Decision) -> Outcome:
    """Settle two decisions: what both say, or escalate.

    Raises:
        PolicyError: Both are by one person.

    Source: spec/65-review.md rules D-2, D-3.
    """
    require_distinct(second.reviewer, (first,))
    if first.judgement.outcome is second.judgement.outcome:
        return first.judgement.outcome
    return Outcome.ESCALATE


def agreed_marks(decisions: Iterable[Decision]) -> dict[int, Classification]:
    """Return the marks on which all who marked a group agree, by group."""
    found: dict[int, Classification | None] = {}
    for decision in decisions:
        for mark in decision.judgement.marks:
            known = found.setdefault(mark.group, mark.classification)
            if known != mark.classification:
                found[mark.group] = None
    return {group: one for group, one in found.items() if one is not None}


def abusive_groups(decisions: Iterable[Decision]) -> frozenset[int]:
    """Return the groups that everybody who confirmed and marked them calls abuse."""
    said: dict[int, bool] = {}
    for decision in decisions:
        if decision.judgement.outcome is Outcome.CONFIRM:
            for mark in decision.judgement.marks:
                said[mark.group] = said.get(mark.group, True) and mark.classification.is_abuse
    return frozenset(group for group, shows in said.items() if shows)
