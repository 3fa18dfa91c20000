"""Passkeys by the interface: adding one, the second factor, and the step-up before a change.

The options go to ``navigator.credentials`` in a page of the passkeys' own site; what the
browser answers comes back as it is.
"""

from __future__ import annotations

from fastapi import APIRouter

from veilmatch.access.login.passkeys import Challenge
from veilmatch.admin.guard import Caller, Parts, Token
from veilmatch.admin.models import (
    ChallengeOut,
    CredentialIn,
    PasskeyLogin,
    SessionToken,
    TicketIn,
)

router = APIRouter()


def _shown(challenge: Challenge) -> ChallengeOut:
    return ChallengeOut(challenge=challenge.token, options=challenge.options)


@router.post("/sessions/passkey/challenges", status_code=201)
def begin_second_factor(said: TicketIn, parts: Parts) -> ChallengeOut:
    """Second factor by a passkey: what the browser is asked."""
    return _shown(parts.passkeys.begin_second_factor(said.ticket))


@router.post("/sessions/passkey")
def finish_second_factor(said: PasskeyLogin, parts: Parts) -> SessionToken:
    """Second factor by a passkey; the session counts as stepped up."""
    return SessionToken(
        token=parts.passkeys.finish_second_factor(said.ticket, said.challenge, said.credential)
    )


@router.post("/sessions/current/step-up/challenges", status_code=201)
def begin_step_up(parts: Parts, token: Token, _who: Caller) -> ChallengeOut:
    """Begin a step-up: what the browser is asked."""
    return _shown(parts.passkeys.begin_webauthn(token))


@router.post("/sessions/current/step-up", status_code=204)
def finish_step_up(said: CredentialIn, parts: Parts, token: Token, _who: Caller) -> None:
    """Finish a step-up; changes are taken for five minutes."""
    parts.passkeys.finish_webauthn(token, said.challenge, said.credential)


@router.post("/passkeys/challenges", status_code=201)
def begin_registration(parts: Parts, token: Token, _who: Caller) -> ChallengeOut:
    """Begin to add a passkey; the first one soon after logging in, others with a passkey."""
    return _shown(parts.passkeys.begin_registration(token))


@router.post("/passkeys", status_code=204)
def finish_registration(said: CredentialIn, parts: Parts, token: Token, _who: Caller) -> None:
    """Add the passkey that the browser made; the session counts as stepped up."""
    parts.passkeys.finish_registration(token, said.challenge, said.credential)
