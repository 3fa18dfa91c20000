"""Tickets of a reveal: a picture's address works once a step was taken, for who took it.

Taking a step (a form) gives a ticket, an authenticator over person's session, case, picture and
step. Fetching the picture with it records the view, and only then pixels leave. So no address
of a picture is good for anybody else, for another step, or later.
"""

from __future__ import annotations

import hashlib
import hmac

from veilmatch.console.tiles.pixels import Reveal
from veilmatch.errors import PolicyError
from veilmatch.wire import length_prefixed

TICKET_S = 60
_PURPOSE = b"veilmatch console reveal v1"


def _tag(session: str, case_id: bytes, number: int, step: Reveal, at: int) -> bytes:
    body = length_prefixed(_PURPOSE, case_id, b"%d|%d|%d" % (number, step, at))
    return hmac.new(session.encode(), body, hashlib.sha256).digest()


def issue_ticket(session: str, case_id: bytes, number: int, step: Reveal, now: int) -> str:
    """Make the ticket of a step that was just taken."""
    return f"{now}.{_tag(session, case_id, number, step, now).hex()}"


def check_ticket(
    session: str, case_id: bytes, number: int, step: Reveal, ticket: str, now: int
) -> None:
    """Refuse a ticket that is not for this session, picture and step, or is too old.

    Raises:
        PolicyError: It is not good.
    """
    at_text, _, tag_text = ticket.partition(".")
    refused = PolicyError("this picture was not revealed", hint="reveal it on its case's page")
    if not at_text.isascii() or not at_text.isdigit() or len(at_text) > 12:
        raise refused
    at = int(at_text)
    expected = _tag(session, case_id, number, step, at).hex()
    if not hmac.compare_digest(expected.encode(), tag_text.encode("utf-8", "replace")):
        raise refused
    if not 0 <= now - at <= TICKET_S:
        raise refused
