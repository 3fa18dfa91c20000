"""Sessions, and operators' accounts."""

from __future__ import annotations

from fastapi import APIRouter, Request

from veilmatch.access.operators import NewOperator
from veilmatch.admin.guard import AdminChange, AdminOrAuditor, Caller, Parts, Token, require_other
from veilmatch.admin.models import (
    CodeLogin,
    Id,
    Me,
    OperatorIn,
    OperatorMade,
    OperatorOut,
    PasswordIn,
    PasswordLogin,
    RolesIn,
    SessionToken,
    State,
    StateIn,
    Ticket,
    TotpUri,
)

router = APIRouter()


@router.post("/sessions/password")
def begin_session(said: PasswordLogin, parts: Parts, request: Request) -> Ticket:
    """First factor: name and password."""
    address = request.client.host if request.client else ""
    return Ticket(ticket=parts.logins.login_password(said.name, said.password, address))


@router.post("/sessions/totp")
def finish_session(said: CodeLogin, parts: Parts) -> SessionToken:
    """Second factor: a code of the authenticator."""
    return SessionToken(token=parts.logins.login_totp(said.ticket, said.code))


@router.delete("/sessions/current", status_code=204)
def end_session(parts: Parts, token: Token, _who: Caller) -> None:
    """Log out."""
    parts.logins.logout(token)


@router.get("/me")
def read_me(who: Caller) -> Me:
    """Who asks, and what they may do."""
    return Me(
        operator_id=who.operator_id.hex(),
        name=who.name,
        roles=sorted(who.roles, key=lambda role: role.value),
        stepped_up_at=who.stepped_up_at,
    )


@router.get("/operators")
def list_operators(parts: Parts, _who: AdminOrAuditor) -> list[OperatorOut]:
    """List the accounts of people."""
    return [
        OperatorOut(
            operator_id=one.operator_id.hex(),
            name=one.name,
            state=State(one.state),
            roles=sorted(one.roles, key=lambda role: role.value),
            has_password=one.has_password,
            has_totp=one.has_totp,
            has_issuer=one.has_issuer,
        )
        for one in parts.operators.list_all()
    ]


@router.post("/operators", status_code=201)
def add_operator(said: OperatorIn, parts: Parts, who: AdminChange) -> OperatorMade:
    """Make an account."""
    new = NewOperator(said.name, frozenset(said.roles), said.password, said.issuer, said.subject)
    with parts.database.transaction() as connection:
        made = parts.operators.add(connection, new)
        uri = parts.operators.make_totp(connection, made) if said.password else ""
        words = " ".join(sorted(role.value for role in new.roles))
        parts.note(connection, who, "operator.added", made, roles=words)
    return OperatorMade(operator_id=made.hex(), totp_uri=uri)


@router.put("/operators/{operator_id}/state", status_code=204)
def set_operator_state(operator_id: Id, said: StateIn, parts: Parts, who: AdminChange) -> None:
    """Disable an account, which ends its sessions, or take it back into use."""
    target = bytes.fromhex(operator_id)
    require_other(who, target)
    with parts.database.transaction() as connection:
        parts.operators.set_state(connection, target, said.state.value)
        parts.sessions.close_all_in(connection, target)
        parts.note(connection, who, "operator.state", target, state=said.state.value)


@router.put("/operators/{operator_id}/roles", status_code=204)
def set_operator_roles(operator_id: Id, said: RolesIn, parts: Parts, who: AdminChange) -> None:
    """Give an account other roles."""
    target, roles = bytes.fromhex(operator_id), frozenset(said.roles)
    require_other(who, target)
    with parts.database.transaction() as connection:
        parts.operators.set_roles(connection, target, roles)
        words = " ".join(sorted(role.value for role in roles))
        parts.note(connection, who, "operator.roles", target, roles=words)


@router.put("/operators/{operator_id}/password", status_code=204)
def set_operator_password(
    operator_id: Id, said: PasswordIn, parts: Parts, who: AdminChange
) -> None:
    """Give an account another password; its sessions end."""
    target = bytes.fromhex(operator_id)
    with parts.database.transaction() as connection:
        parts.operators.set_password(connection, target, said.password)
        parts.sessions.close_all_in(connection, target)
        parts.note(connection, who, "operator.password", target)


@router.post("/operators/{operator_id}/totp", status_code=201)
def make_operator_totp(operator_id: Id, parts: Parts, who: AdminChange) -> TotpUri:
    """Make a fresh secret for an account's authenticator; its sessions end."""
    target = bytes.fromhex(operator_id)
    with parts.database.transaction() as connection:
        uri = parts.operators.make_totp(connection, target)
        parts.sessions.close_all_in(connection, target)
        parts.note(connection, who, "operator.totp", target)
    return TotpUri(totp_uri=uri)
