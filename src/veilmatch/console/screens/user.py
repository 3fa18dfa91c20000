"""The page for the user: an objection to a decision, by the code from the platform's message."""

from __future__ import annotations

from starlette.responses import Response

from veilmatch.console.guard import Door, Visit
from veilmatch.console.templating import show
from veilmatch.errors import DuplicateError, InputError, PolicyError

_MAX_WORDS = 4000
_STATES = {
    "waiting": "Your objection has arrived. A person who had no part in the decision will look.",
    "open": "Your objection has arrived. A person who had no part in the decision will look.",
    "upheld": "A person who had no part in the decision looked at it again, and it stands.",
    "reinstated": "You were right: the decision is taken back. The service tells you more.",
}
_NOT_VALID = "This code is not valid, or its time is over. Ask the service for a new one."


def _show(visit: Visit, refusal: str = "", state: str = "", status: int = 200) -> Response:
    return show(
        visit,
        "user_appeal.html",
        status=status,
        token=visit.form.get("token", visit.path.get("token", ""))[:200],
        words=visit.form.get("words", "")[:_MAX_WORDS],
        refusal=refusal,
        state_words=_STATES.get(state, ""),
    )


def appeal_page(visit: Visit) -> Response:
    """Ask for the code and the words; with a code in the address, say where it stands."""
    if "token" not in visit.path:
        return _show(visit)
    try:
        found = visit.services.appeals.state_by_token(visit.path["token"])
    except PolicyError:
        return _show(visit, _NOT_VALID, status=404)
    if not found.is_possible and found.state == "none":
        return _show(visit, "The time for an objection is over.", status=410)
    return _show(visit, state=found.state)


def send_appeal(visit: Visit) -> Response:
    """Take the objection. The answer says the same whoever sends it."""
    token, appeals = visit.text("token", 400), visit.services.appeals
    try:
        appeals.receive_by_token(token, visit.text("words", _MAX_WORDS))
    except DuplicateError:
        return _show(visit, state=appeals.state_by_token(token).state)
    except InputError:
        return _show(visit, "Write what was wrong, in up to 4000 characters.", status=422)
    except PolicyError:
        return _show(visit, _NOT_VALID, status=404)
    return _show(visit, state="open")


DOORS = [
    Door("GET", "/appeal", appeal_page, is_open=True),
    Door("GET", "/appeal/{token}", appeal_page, is_open=True),
    Door("POST", "/appeal", send_appeal, is_open=True),
]
