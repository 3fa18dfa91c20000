"""Coming in and going out: password and code, passkey, the organisation's own login."""

from __future__ import annotations

import json

from starlette.responses import Response

from veilmatch.access.login.oidc import OidcLogins
from veilmatch.access.login.passkeys import Challenge, Passkeys
from veilmatch.access.roles import Role
from veilmatch.console.guard import LOGIN, STEP_UP, Door, Visit, redirect
from veilmatch.console.security import FORM, ISSUER, SESSION, set_cookie
from veilmatch.console.templating import show
from veilmatch.errors import ConfigError, LimitError, PolicyError

HOME = "/review"
EVERYBODY = frozenset(Role)
_FIRST_PAGES: tuple[tuple[Role, str], ...] = (
    (Role.REVIEWER, "/review/queue"),
    (Role.LEAD, "/review/queue"),
    (Role.REPORTER, "/review/reports"),
    (Role.AUDITOR, "/review/figures"),
    (Role.OPERATOR, "/review/deliveries"),
    (Role.ADMIN, "/review/deliveries"),
)


def _is_ours(address: str) -> bool:
    """Tell whether an address to go on to is one of ours, and of nobody else's site."""
    plain = address.startswith("/review") and address.isprintable()
    return plain and "//" not in address and "\\" not in address and len(address) < 200


def _next(visit: Visit) -> str:
    wanted = visit.form.get("next") or visit.query.get("next", "")
    return wanted if _is_ours(wanted) else HOME


def _enter(visit: Visit, session: str, address: str) -> Response:
    response = redirect(address)
    secure = visit.services.settings.is_secure
    set_cookie(response, SESSION, session, is_secure=secure)
    set_cookie(response, FORM, "", is_secure=secure)
    return response


def _show_login(visit: Visit, refusal: str = "", status: int = 200) -> Response:
    return show(
        visit,
        "login.html",
        status=status,
        next=_next(visit),
        refusal=refusal,
        notice="You are logged out." if visit.query.get("out") == "1" else "",
        name=visit.form.get("name", "")[:64],
        oidc_name=visit.services.settings.oidc_name if visit.services.oidc else "",
    )


def _show_code(visit: Visit, ticket: str, refusal: str = "", status: int = 200) -> Response:
    challenge = None
    if visit.services.passkeys is not None:
        try:
            challenge = visit.services.passkeys.begin_second_factor(ticket)
        except PolicyError:
            challenge = None  # no passkey is registered: the code alone
    return show(
        visit,
        "login_code.html",
        status=status,
        next=_next(visit),
        ticket=ticket,
        refusal=refusal,
        challenge=challenge,
    )


def home(visit: Visit) -> Response:
    """Lead a person to the first page that is theirs."""
    roles = visit.person.roles
    for role, address in _FIRST_PAGES:
        if role in roles:
            return redirect(address)
    return show(
        visit,
        "error.html",
        title="There is nothing for you here",
        message="Your account administers or operates; it does not review.",
        hint="",
    )


def login_page(visit: Visit) -> Response:
    """Ask for name and password."""
    return redirect(HOME) if visit.principal is not None else _show_login(visit)


def login_password(visit: Visit) -> Response:
    """Check name and password; then ask for the second factor."""
    name, password = visit.form.get("name", ""), visit.form.get("password", "")
    try:
        ticket = visit.services.logins.login_password(name, password, visit.client)
    except LimitError as exc:
        return _show_login(visit, _too_many(exc), 429)
    except PolicyError:
        return _show_login(visit, "The name or the password is not right.", 403)
    return _show_code(visit, ticket)


def login_code(visit: Visit) -> Response:
    """Check the second factor, a code or a passkey, and open a session."""
    ticket = visit.form.get("ticket", "")
    try:
        if visit.form.get("answer"):
            session = _passkeys(visit).finish_second_factor(
                ticket, visit.form.get("challenge", ""), visit.form["answer"]
            )
        else:
            session = visit.services.logins.login_totp(ticket, visit.text("code", 16))
    except LimitError as exc:
        return _show_login(visit, _too_many(exc), 429)
    except PolicyError:
        words = "This code is not good, or was used before. The next one comes in half a minute."
        return _show_code(visit, ticket, words, 403)
    return _enter(visit, session, _next(visit))


def _too_many(refused: LimitError) -> str:
    return f"Too many attempts. Try again in {max(1, refused.retry_after_s)} seconds."


def logout(visit: Visit) -> Response:
    """Close the session."""
    visit.services.logins.logout(visit.session)
    response = redirect(f"{LOGIN}?out=1")
    set_cookie(response, SESSION, "", is_secure=visit.services.settings.is_secure)
    return response


def issuer_login(visit: Visit) -> Response:
    """Send the browser to the organisation's issuer."""
    begun = _issuer(visit).begin_oidc()
    response = redirect(begun.url)
    secure = visit.services.settings.is_secure
    set_cookie(response, ISSUER, begun.token, is_secure=secure, same_site="lax")
    return response


def issuer_answer(visit: Visit) -> Response:
    """Take the browser back from the issuer and open a session.

    The session's cookie is not sent on what another site began; so a page of ours stands in
    between, which goes on by itself.
    """
    try:
        session = _issuer(visit).finish_oidc(visit.issuer_step, dict(visit.query))
    except PolicyError:
        words = "Your organisation's account was not taken. Ask who keeps the accounts here."
        return _show_login(visit, words, 403)
    response = show(visit, "entered.html", next=HOME)
    secure = visit.services.settings.is_secure
    set_cookie(response, SESSION, session, is_secure=secure)
    set_cookie(response, ISSUER, "", is_secure=secure, same_site="lax")
    return response


def _issuer(visit: Visit) -> OidcLogins:
    if visit.services.oidc is None:
        raise ConfigError("no issuer is set up here", hint="log in with name and password")
    return visit.services.oidc


def _passkeys(visit: Visit) -> Passkeys:
    if visit.services.passkeys is None:
        raise ConfigError("passkeys are not set up here", hint="the operator names the site")
    return visit.services.passkeys


def _show_passkey(visit: Visit, challenge: Challenge, *, is_new: bool) -> Response:
    return show(
        visit,
        "passkey.html",
        next=_next(visit),
        challenge=challenge,
        options=json.dumps(json.loads(challenge.options)),
        is_new=is_new,
    )


def step_up_page(visit: Visit) -> Response:
    """Ask for a passkey."""
    return _show_passkey(visit, _passkeys(visit).begin_webauthn(visit.session), is_new=False)


def step_up(visit: Visit) -> Response:
    """Check a passkey; for a while this session may pass the doors that ask for one."""
    _passkeys(visit).finish_webauthn(
        visit.session, visit.form.get("challenge", ""), visit.form.get("answer", "")
    )
    return redirect(_next(visit))


def new_passkey_page(visit: Visit) -> Response:
    """Ask the browser to make a passkey."""
    if visit.query.get("done") == "1":
        return show(visit, "passkey_added.html")
    return _show_passkey(visit, _passkeys(visit).begin_registration(visit.session), is_new=True)


def new_passkey(visit: Visit) -> Response:
    """Add the passkey that the browser made."""
    _passkeys(visit).finish_registration(
        visit.session, visit.form.get("challenge", ""), visit.form.get("answer", "")
    )
    return redirect("/review/passkeys/new?done=1")


DOORS = [
    Door("GET", "/review", home, EVERYBODY),
    Door("GET", LOGIN, login_page, is_open=True),
    Door("POST", LOGIN, login_password, is_open=True),
    Door("POST", "/review/login/code", login_code, is_open=True),
    Door("GET", "/review/login/organisation", issuer_login, is_open=True),
    Door("GET", "/review/login/oidc", issuer_answer, is_open=True),
    Door("POST", "/review/logout", logout, EVERYBODY),
    Door("GET", STEP_UP, step_up_page, EVERYBODY),
    Door("POST", STEP_UP, step_up, EVERYBODY),
    Door("GET", "/review/passkeys/new", new_passkey_page, EVERYBODY),
    Door("POST", "/review/passkeys/new", new_passkey, EVERYBODY),
]
