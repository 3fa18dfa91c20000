"""One case: its groups, each behind a blur until revealed, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from veilmatch.casework.viewing import CaseView
from veilmatch.console.forms.words import (
    CLASS_WORDS,
    DRAWN_WORDS,
    NEXT_WORDS,
    OUTCOME_WORDS,
    REASON_WORDS,
    STEP_WORDS,
)
from veilmatch.console.guard import Door, Visit, redirect
from veilmatch.console.screens.queue import (
    BREAK,
    LOOKERS,
    QUEUE,
    name_of,
    parse_case_id,
)
from veilmatch.console.templating import plural, show
from veilmatch.console.tiles.pixels import Reveal, ladder_of, paint_tile, side_of
from veilmatch.console.tiles.reveal import check_ticket, issue_ticket
from veilmatch.errors import ConfigError, InputError, PolicyError
from veilmatch.review.decision import (
    Classification,
    Judgement,
    Mark,
    Outcome,
    Reason,
    reasons_for,
    values_of,
)
from veilmatch.review.settings import Preferences
from veilmatch.review.states import CaseState

_BLIND = {
    1: "The person after you does not see it before they have decided.",
    2: "You see what somebody else said only after you have decided.",
    3: "It settles the case.",
}


@dataclass(frozen=True)
class Card:
    """A group as the page shows it.

    Attributes:
        group: The number casework knows it by.
        title: Its place on the page, from 1.
        number: The picture that stands for it.
        pictures: How many pictures it has.
        facts: Short words on why it matched.
        step: How far it is revealed.
        position: How many steps were taken.
        address: Of the tile.
        side: Of the tile, pixels.
        mark: What was chosen for it on this page; empty if nothing.
    """

    group: int
    title: int
    number: int
    pictures: int
    facts: tuple[str, ...]
    step: Reveal
    position: int
    address: str
    side: int
    mark: str

    @property
    def step_words(self) -> str:
        """How far it is revealed, in words."""
        return STEP_WORDS[self.step]


@dataclass(frozen=True)
class Choice:
    """One decision with its reason; ``digit`` is its key."""

    value: str
    digit: int
    words: str


def read_case(visit: Visit) -> CaseView:
    """Read the case of the address, if this person holds it."""
    try:
        return visit.services.viewing.read_case(visit.person, parse_case_id(visit))
    except ConfigError as exc:
        raise HTTPException(404) from exc


def _facts(case: CaseView, group: int) -> tuple[str, ...]:
    listed = [one for one in case.items if one.group == group]
    distances = [one.distance for one in listed if one.distance is not None]
    facts = []
    if distances:
        facts.append(f"second hash {plural(min(distances), 'bit')} away")
    pairs = sorted({pair for one in listed for pair in one.sources})
    if all(one.sources == listed[0].sources for one in case.items):
        pairs = []  # the same for all: the panel beside says it once
    return (*facts, *(f"{name} ({law})" for name, law in pairs))


def make_cards(
    visit: Visit,
    case: CaseView,
    chosen: Preferences,
    revealed: Mapping[int, Reveal] | None = None,
) -> list[Card]:
    """Make the page's groups; each is covered unless a step for it was just taken.

    Args:
        visit: Who looks, and what their form said.
        case: The case.
        chosen: How pictures are shown.
        revealed: The step of a group that was just taken.
    """
    now, ladder = visit.services.clock(), ladder_of(chosen)
    cards = []
    for title, group in enumerate(case.groups, start=1):
        items = [one for one in case.items if one.group == group]
        step = (revealed or {}).get(group, Reveal.BLURRED)
        number = items[0].number
        address = f"/review/cases/{case.case_id.hex()}/pictures/{number}/{int(step)}"
        if step is not Reveal.BLURRED:
            ticket = issue_ticket(visit.session, case.case_id, number, step, now)
            address += f"?ticket={ticket}"
        cards.append(
            Card(
                group=group,
                title=title,
                number=number,
                pictures=len(items),
                facts=_facts(case, group),
                step=step,
                position=ladder.index(step) + 1 if step in ladder else 0,
                address=address,
                side=side_of(step, chosen),
                mark=visit.form.get(f"mark-{group}", ""),
            )
        )
    return cards


def outcomes_of(case: CaseView) -> list[tuple[str, list[Choice]]]:
    """List the decisions that this round allows, with their keys."""
    found, digit = [], 0
    for outcome in Outcome:
        if outcome is Outcome.ESCALATE and case.round == 3:
            continue
        choices = []
        for reason in reasons_for(outcome):
            digit += 1
            value = f"{outcome.value}:{reason.value}"
            words = REASON_WORDS[reason]
            if reason is Reason.DRAWN_OR_GENERATED:
                words = DRAWN_WORDS[outcome]
            choices.append(Choice(value, digit, words))
        found.append((OUTCOME_WORDS[outcome], choices))
    return found


def page_values(visit: Visit, case: CaseView, revealed: Mapping[int, Reveal]) -> dict[str, Any]:
    """Collect what every page with groups shows."""
    chosen = visit.services.preferences_of(visit.principal)
    scheme = visit.services.desk.policy.scheme
    return {
        "case_id": case.case_id.hex(),
        "name": name_of(case.case_id),
        "case": case,
        "groups": make_cards(visit, case, chosen, revealed),
        "steps": len(ladder_of(chosen)),
        "next_words": _next_words(chosen),
        "classes": [(value, CLASS_WORDS[scheme][value]) for value in values_of(scheme)],
        "note": visit.form.get("note", ""),
    }


def _next_words(chosen: Preferences) -> dict[int, str]:
    return {k: NEXT_WORDS[step] for k, step in enumerate(ladder_of(chosen))}


def show_case(
    visit: Visit,
    case: CaseView,
    revealed: Mapping[int, Reveal] | None = None,
    refusal: str = "",
    status: int = 200,
) -> Response:
    """Show the page of a case, or of its appeal; every group covered but those revealed."""
    values = page_values(visit, case, revealed or {})
    if case.state is CaseState.APPEALED:
        words = visit.services.appeals.read_text(visit.person, case.case_id)
        values |= {"words": words, "chosen": visit.form.get("outcome", "")}
        return show(visit, "appeal.html", status=status, refusal=refusal, **values)
    return show(
        visit,
        "case.html",
        status=status,
        refusal=refusal,
        outcomes=outcomes_of(case),
        chosen=visit.form.get("decision", ""),
        blind_words=_BLIND.get(case.round, ""),
        earlier=_earlier(visit, case),
        why=_why(case),
        **values,
    )


def _why(case: CaseView) -> list[tuple[str, str]]:
    pairs = sorted({pair for one in case.items for pair in one.sources})
    distances = [one.distance for one in case.items if one.distance is not None]
    found = [
        ("Lists", ", ".join(sorted({name for name, _ in pairs})) or "not said"),
        ("Jurisdictions", ", ".join(sorted({law for _, law in pairs})) or "not said"),
    ]
    if distances:
        span = f"{min(distances)} to {max(distances)} bits of 256 away; up to 31 count"
        found.append(("Second hash", span))
    return found


def _earlier(visit: Visit, case: CaseView) -> list[dict[str, str]]:
    """Show a lead what the two said; nobody else sees a decision before their own."""
    if case.state is not CaseState.ESCALATED:
        return []
    return [
        {
            "outcome": OUTCOME_WORDS[one.judgement.outcome],
            "reason": REASON_WORDS[one.judgement.reason].lower(),
            "note": one.judgement.note,
        }
        for one in visit.services.read_disagreement(visit.person, case.case_id)
    ]


def case_page(visit: Visit) -> Response:
    """Show a case that this person holds; every group covered."""
    if visit.services.viewing.measure(visit.person).break_until is not None:
        return redirect(BREAK)
    return show_case(visit, read_case(visit))


def _group(visit: Visit, case: CaseView) -> int:
    text = visit.path["group"]
    group = int(text) if text.isdecimal() and text.isascii() and len(text) < 16 else -1
    if group not in case.groups:
        raise HTTPException(404)
    return group


def reveal(visit: Visit) -> Response:
    """Take one step more for one group; the steps come in their order."""
    person, services = visit.person, visit.services
    case = read_case(visit)
    group = _group(visit, case)
    state = services.viewing.measure(person)
    if state.break_until is not None or state.left < 1:
        return redirect(BREAK, is_part=visit.is_part)
    ladder = ladder_of(services.preferences_of(person))
    text = visit.form.get("position", "")
    position = int(text) if text.isdecimal() and len(text) < 3 else -1
    number = next(one.number for one in case.items if one.group == group)
    taken = services.count_views(person, case.case_id).get(number, 0)
    if not 0 <= position < len(ladder) or position > taken:
        raise PolicyError("a picture is revealed step by step", hint="take the steps in order")
    services.queue.claim(person, case.case_id)  # whoever works on a case keeps it
    return _show_group(visit, case, group, {group: ladder[position]})


def cover(visit: Visit) -> Response:
    """Cover a group again."""
    case = read_case(visit)
    return _show_group(visit, case, _group(visit, case), {})


def _show_group(
    visit: Visit, case: CaseView, group: int, revealed: Mapping[int, Reveal]
) -> Response:
    if not visit.is_part:
        return show_case(visit, case, revealed)
    values = page_values(visit, case, revealed)
    card = next(one for one in values["groups"] if one.group == group)
    values |= {"card": card, "is_current": True, "looks": int(card.position > 0)}
    return show(visit, "group.html", **values)


def picture(visit: Visit) -> Response:
    """Send the pixels of one step: covered to who holds the case, more with the step's ticket.

    The view is recorded, and counted, before anything that can be recognised leaves.
    """
    case_id, services = parse_case_id(visit), visit.services
    number_text, step_text = visit.path["number"], visit.path["step"]
    if not (number_text.isdecimal() and len(number_text) < 16 and step_text in _STEPS):
        raise HTTPException(404)
    number, step = int(number_text), _STEPS[step_text]
    chosen = services.preferences_of(visit.person)
    try:
        if step is Reveal.BLURRED:
            painted = services.viewing.paint_covered(
                visit.person, case_id, number, lambda data: paint_tile(data, step, chosen)
            )
        else:
            ticket = visit.query.get("ticket", "")
            check_ticket(visit.session, case_id, number, step, ticket, services.clock())
            data = services.viewing.view_picture(visit.person, case_id, number)
            painted = paint_tile(data, step, chosen)
    except ConfigError as exc:
        raise HTTPException(404) from exc
    return Response(painted, media_type="image/png")


_STEPS = {str(int(step)): step for step in Reveal}


def parse_judgement(visit: Visit, case: CaseView) -> Judgement:
    """Read a judgement from the form. Raises InputError."""
    outcome_text, _, reason_text = visit.form.get("decision", "").partition(":")
    try:
        outcome, reason = Outcome(outcome_text), Reason(reason_text)
    except ValueError as exc:
        raise InputError("choose a decision and its reason") from exc
    scheme = visit.services.desk.policy.scheme
    marks = tuple(
        Mark(group, Classification(scheme, value))
        for group in case.groups
        if (value := visit.form.get(f"mark-{group}", ""))
    )
    return Judgement(outcome, reason, marks, visit.text("note"))


def decide(visit: Visit) -> Response:
    """Take the decision; if its form is not complete, show the page again with what was said."""
    case = read_case(visit)
    try:
        judgement = parse_judgement(visit, case)
        visit.services.decisions.decide(visit.person, case.case_id, judgement)
    except InputError as exc:
        words = " ".join(part for part in (_sentence(str(exc)), _sentence(exc.hint)) if part)
        return show_case(visit, case, refusal=words, status=422)
    return redirect(f"{QUEUE}?done=decided")


def _sentence(text: str) -> str:
    return text and text[0].upper() + text[1:].rstrip(".") + "."


_CASE = "/review/cases/{case_id}"
# Who opened a case by a passkey has a whole spell of 45 minutes for it, and then some.
STEP_UP_TO_OPEN_S, STEP_UP_TO_ACT_S = 900, 3900
DOORS = [
    Door("GET", _CASE, case_page, LOOKERS, step_up_s=STEP_UP_TO_OPEN_S),
    Door("POST", _CASE + "/groups/{group}/reveal", reveal, LOOKERS, STEP_UP_TO_ACT_S, _CASE),
    Door("POST", _CASE + "/groups/{group}/cover", cover, LOOKERS),
    Door("GET", _CASE + "/pictures/{number}/{step}", picture, LOOKERS),
    Door("POST", _CASE + "/decide", decide, LOOKERS, STEP_UP_TO_ACT_S, _CASE),
]
