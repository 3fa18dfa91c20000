"""The queue: what waits for this person, claiming, giving back, and the page of a break."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response

from veilmatch.access.roles import Role
from veilmatch.casework.history import CASE_ID_LEN
from veilmatch.casework.queue import QueueItem
from veilmatch.console.guard import Door, Visit, redirect
from veilmatch.console.templating import format_span, show
from veilmatch.review.states import CaseState

LOOKERS = frozenset({Role.REVIEWER, Role.LEAD})
QUEUE, BREAK = "/review/queue", "/review/break"
_NOTICES = {
    "decided": "Your decision is recorded. Somebody else goes on with the case.",
    "released": "The case is back in the queue.",
    "appeal": "Your decision on the appeal is recorded.",
}
# Counts in steps: an exact one would tell a reviewer whether golden pictures were mixed in.
_AMOUNTS = ((1, "1"), (5, "2 to 5"), (20, "6 to 20"), (100, "21 to 100"))


@dataclass(frozen=True)
class Row:
    """One case in a list."""

    case_id: str
    name: str
    amount: str
    since: str
    is_mine: bool


def name_of(case_id: bytes) -> str:
    """Return what people call a case: the start of its random id."""
    text = case_id.hex()
    return f"{text[:4]}-{text[4:8]}"


def parse_case_id(visit: Visit) -> bytes:
    """Read the case's id out of the address. Raises HTTPException if it is none."""
    try:
        case_id = bytes.fromhex(visit.path["case_id"])
    except ValueError:
        case_id = b""
    if len(case_id) != CASE_ID_LEN or case_id.hex() != visit.path["case_id"]:
        raise HTTPException(404)
    return case_id


def amount_of(count: int) -> str:
    """Write how many pictures a case has, in steps."""
    return next((words for limit, words in _AMOUNTS if count <= limit), "more than 100")


def row_of(visit: Visit, item: QueueItem) -> Row:
    """Make a list's row."""
    return Row(
        item.case_id.hex(),
        name_of(item.case_id),
        amount_of(item.item_count),
        format_span(visit.services.clock() - item.opened_at),
        item.is_mine,
    )


def queue_page(visit: Visit) -> Response:
    """Show what this person may claim, and what they hold."""
    items = visit.services.queue.list_for(visit.person)
    ordinary = [one for one in items if one.state is not CaseState.APPEALED]
    return show(
        visit,
        "queue.html",
        mine=[row_of(visit, one) for one in items if one.is_mine],
        waiting=[
            row_of(visit, one)
            for one in ordinary
            if not one.is_mine and one.state is not CaseState.ESCALATED
        ],
        escalated=[
            row_of(visit, one)
            for one in ordinary
            if not one.is_mine and one.state is CaseState.ESCALATED
        ],
        may_review=Role.REVIEWER in visit.person.roles,
        may_lead=Role.LEAD in visit.person.roles,
        has_passkeys=visit.services.passkeys is not None,
        notice=_NOTICES.get(visit.query.get("done", ""), ""),
    )


def claim(visit: Visit) -> Response:
    """Claim a case and lead to it."""
    case_id = parse_case_id(visit)
    if visit.services.viewing.measure(visit.person).break_until is not None:
        return redirect(BREAK)
    visit.services.queue.claim(visit.person, case_id)
    return redirect(f"/review/cases/{case_id.hex()}")


def release(visit: Visit) -> Response:
    """Give a case back."""
    visit.services.queue.release(visit.person, parse_case_id(visit))
    return redirect(f"{QUEUE}?done=released")


def break_page(visit: Visit) -> Response:
    """Show a calm page, without a picture, while a break is due, or when one is wanted."""
    state = visit.services.viewing.measure(visit.person)
    return show(
        visit,
        "break.html",
        state=state,
        is_used_up=state.left == 0,
        support=visit.services.settings.support,
    )


DOORS = [
    Door("GET", QUEUE, queue_page, LOOKERS),
    Door("GET", BREAK, break_page, LOOKERS),
    Door("POST", "/review/cases/{case_id}/claim", claim, LOOKERS),
    Door("POST", "/review/cases/{case_id}/release", release, LOOKERS),
]
