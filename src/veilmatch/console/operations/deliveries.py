"""Messages to the platform that were given up, and trying them again.

A message is named by its number, the address it goes to by its id: no account and no case is
shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response

from veilmatch.access.roles import Role
from veilmatch.actions.delivery import list_dead, retry_dead
from veilmatch.console.guard import Door, Visit, redirect
from veilmatch.console.templating import show
from veilmatch.errors import ConfigError
from veilmatch.privatelog.log import LogEntry

DELIVERIES = "/review/deliveries"
READERS = frozenset({Role.ADMIN, Role.OPERATOR, Role.AUDITOR})
MENDERS = frozenset({Role.ADMIN, Role.OPERATOR})
_ID_LEN, _NUMBER_DIGITS_MAX = 16, 18
_NOTICES = {"again": "It is tried again, from the first pause on."}
_WORDS = {
    "case.confirmed": "a case was confirmed",
    "asset.take_down": "take pictures down",
    "account.suspend": "suspend an account",
    "account.reinstate": "reinstate an account",
    "appeal.decided": "an appeal was decided",
}


@dataclass(frozen=True)
class Row:
    """A message that was given up, as the page shows it."""

    number: int
    endpoint_id: str
    says: str
    attempts: int
    reason: str


def deliveries_page(visit: Visit) -> Response:
    """Show what the platform was not told, and why."""
    with visit.services.desk.database.transaction() as connection:
        letters = list_dead(connection)
    return show(
        visit,
        "deliveries.html",
        rows=[
            Row(
                one.number,
                one.endpoint_id.hex(),
                _WORDS.get(one.kind, one.kind),
                one.attempts,
                one.reason,
            )
            for one in letters
        ],
        may_mend=bool(visit.person.roles & MENDERS),
        notice=_NOTICES.get(visit.query.get("done", ""), ""),
    )


def try_again(visit: Visit) -> Response:
    """Try a message again that was given up, once its cause is mended."""
    number, endpoint_id = _parse(visit)
    services = visit.services
    with services.desk.database.transaction() as connection:
        try:
            retry_dead(connection, number, endpoint_id, services.clock())
        except ConfigError as exc:  # somebody was faster, or there never was one
            raise HTTPException(404) from exc
        entry = LogEntry("webhook.retried", visit.person.operator_id, endpoint_id, {})
        services.desk.log.append(connection, entry)
    return redirect(f"{DELIVERIES}?done=again")


def _parse(visit: Visit) -> tuple[int, bytes]:
    number, endpoint = visit.path["number"], visit.path["endpoint_id"]
    try:
        endpoint_id = bytes.fromhex(endpoint)
    except ValueError:
        endpoint_id = b""
    if not (number.isascii() and number.isdecimal() and len(number) <= _NUMBER_DIGITS_MAX):
        raise HTTPException(404)
    if len(endpoint_id) != _ID_LEN:
        raise HTTPException(404)
    return int(number), endpoint_id


DOORS = [
    Door("GET", DELIVERIES, deliveries_page, READERS),
    Door("POST", DELIVERIES + "/{number}/{endpoint_id}/again", try_again, MENDERS),
]
