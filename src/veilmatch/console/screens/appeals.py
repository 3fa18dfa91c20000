"""Appeals: a lead who has not decided on the case decides afresh."""

from __future__ import annotations

from starlette.responses import Response

from veilmatch.access.roles import Role
from veilmatch.console.guard import Door, Visit, redirect
from veilmatch.console.screens.case import STEP_UP_TO_ACT_S, read_case, show_case
from veilmatch.console.screens.queue import row_of
from veilmatch.console.templating import show
from veilmatch.errors import InputError
from veilmatch.review.decision import NOTE_LEN_MAX, AppealOutcome
from veilmatch.review.states import CaseState

APPEALS = "/review/appeals"
_CASE = "/review/cases/{case_id}"  # where an appealed case is looked at
LEADS = frozenset({Role.LEAD})
_NOTICES = {"decided": "Your decision on the appeal is recorded."}


def appeals_page(visit: Visit) -> Response:
    """Show the appeals that this lead may decide."""
    items = visit.services.queue.list_for(visit.person)
    return show(
        visit,
        "appeals.html",
        rows=[row_of(visit, one) for one in items if one.state is CaseState.APPEALED],
        notice=_NOTICES.get(visit.query.get("done", ""), ""),
    )


def decide_appeal(visit: Visit) -> Response:
    """Take the decision on an appeal."""
    case = read_case(visit)
    try:
        outcome = AppealOutcome(visit.form.get("outcome", ""))
    except ValueError:
        return show_case(visit, case, refusal="Choose what the appeal is.", status=422)
    try:
        note = visit.text("note", NOTE_LEN_MAX)
        visit.services.appeals.decide(visit.person, case.case_id, outcome, note)
    except InputError as exc:
        return show_case(visit, case, refusal=str(exc), status=422)
    return redirect(f"{APPEALS}?done=decided")


DOORS = [
    Door("GET", APPEALS, appeals_page, LEADS),
    Door("POST", "/review/appeals/{case_id}/decide", decide_appeal, LEADS, STEP_UP_TO_ACT_S, _CASE),
]
