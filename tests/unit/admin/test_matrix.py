"""Who may do what: every endpoint, every role, and no role.

The table stands here once more, on purpose: a new endpoint without a row fails, and a change
of the program's own table shows as a difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.simulators.asgi import InProcess
from tests.simulators.authenticator import Authenticator
from tests.simulators.certificates import make_certificate
from tests.unit.admin.conftest import ORIGIN, PASSWORD, House
from veilmatch.access.roles import STEP_UP_MAX_AGE_S, Role
from veilmatch.admin.app import create_admin

ADMIN, OPERATOR, AUDITOR = Role.ADMIN, Role.OPERATOR, Role.AUDITOR
ALL = frozenset(Role)
OPEN = None  # without a session
READERS, ENGINEERS = frozenset({ADMIN, OPERATOR, AUDITOR}), frozenset({ADMIN, OPERATOR})
ID, DEVICE = "11" * 16, "22" * 8

MATRIX: dict[tuple[str, str], frozenset[Role] | None] = {
    ("GET", "/openapi.json"): OPEN,
    ("POST", "/sessions/password"): OPEN,
    ("POST", "/sessions/totp"): OPEN,
    ("POST", "/sessions/passkey/challenges"): OPEN,
    ("POST", "/sessions/passkey"): OPEN,
    ("POST", "/sessions/current/step-up/challenges"): ALL,
    ("POST", "/sessions/current/step-up"): ALL,
    ("POST", "/passkeys/challenges"): ALL,
    ("POST", "/passkeys"): ALL,
    ("DELETE", "/sessions/current"): ALL,
    ("GET", "/me"): ALL,
    ("GET", "/operators"): frozenset({ADMIN, AUDITOR}),
    ("POST", "/operators"): frozenset({ADMIN}),
    ("PUT", "/operators/{operator_id}/state"): frozenset({ADMIN}),
    ("PUT", "/operators/{operator_id}/roles"): frozenset({ADMIN}),
    ("PUT", "/operators/{operator_id}/password"): frozenset({ADMIN}),
    ("POST", "/operators/{operator_id}/totp"): frozenset({ADMIN}),
    ("GET", "/platforms"): frozenset({ADMIN, AUDITOR}),
    ("POST", "/platforms"): frozenset({ADMIN}),
    ("PUT", "/platforms/{platform_id}/state"): frozenset({ADMIN}),
    ("GET", "/platforms/{platform_id}/credentials"): frozenset({ADMIN, AUDITOR}),
    ("POST", "/platforms/{platform_id}/tokens"): frozenset({ADMIN}),
    ("POST", "/platforms/{platform_id}/certificates"): frozenset({ADMIN}),
    ("DELETE", "/credentials/{credential_id}"): frozenset({ADMIN}),
    ("PUT", "/accounts/{account}/suspension"): ENGINEERS,
    ("DELETE", "/accounts/{account}/suspension"): ENGINEERS,
    ("PUT", "/accounts/{account}/devices/{device_key_id}/revocation"): ENGINEERS,
    ("GET", "/accounts/{account}/usage"): ENGINEERS,
    ("GET", "/quotas"): READERS,
    ("GET", "/queue"): READERS,
    ("GET", "/queue/items"): frozenset({OPERATOR}),
    ("DELETE", "/queue/items/{account}/{kind}"): frozenset({OPERATOR}),
    ("GET", "/retention"): READERS,
    ("GET", "/webhooks/endpoints"): READERS,
    ("POST", "/webhooks/endpoints"): frozenset({ADMIN}),
    ("POST", "/webhooks/endpoints/{endpoint_id}/secret"): frozenset({ADMIN}),
    ("PUT", "/webhooks/endpoints/{endpoint_id}/state"): frozenset({ADMIN}),
    ("GET", "/webhooks/dead"): READERS,
    ("POST", "/webhooks/dead/{number}/{endpoint_id}/retry"): ENGINEERS,
    ("GET", "/reports/dead"): READERS,
    ("GET", "/settings"): frozenset({ADMIN, AUDITOR}),
    ("GET", "/log"): frozenset({AUDITOR}),
}

# About a person's own passkeys: refused here because what is sent is no passkey.
OWN = {row for row in MATRIX if "passkey" in row[1] or "step-up" in row[1]}
# What changes something, and therefore asks for a passkey of the last minutes.
CHANGES = {
    row
    for row in MATRIX
    if row[0] != "GET" and row not in OWN and not row[1].startswith("/sessions")
}

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/sessions/password"): {"name": "nobody", "password": PASSWORD},
    ("POST", "/sessions/totp"): {"ticket": "x", "code": "123456"},
    ("POST", "/sessions/passkey/challenges"): {"ticket": "x"},
    ("POST", "/sessions/passkey"): {"ticket": "x", "challenge": "x", "credential": "{}"},
    ("POST", "/sessions/current/step-up"): {"challenge": "x", "credential": "{}"},
    ("POST", "/passkeys"): {"challenge": "x", "credential": "{}"},
    ("POST", "/operators"): {"name": "new", "roles": ["auditor"], "password": PASSWORD},
    ("PUT", "/operators/{operator_id}/state"): {"state": "active"},
    ("PUT", "/operators/{operator_id}/roles"): {"roles": ["auditor"]},
    ("PUT", "/operators/{operator_id}/password"): {"password": PASSWORD},
    ("POST", "/platforms"): {"name": "new"},
    ("PUT", "/platforms/{platform_id}/state"): {"state": "active"},
    ("POST", "/platforms/{platform_id}/tokens"): {"valid_s": 60},
    ("POST", "/platforms/{platform_id}/certificates"): {
        "pem": make_certificate("forum").pem.decode(),
        "valid_s": 60,
    },
    ("POST", "/webhooks/endpoints"): {"url": "https://platform.example/hook", "scheme": "v1"},
    ("PUT", "/webhooks/endpoints/{endpoint_id}/state"): {"state": "active"},
}


def _routes(house: House) -> Iterator[tuple[str, str]]:
    for path, operations in house.http.get("/openapi.json").json()["paths"].items():
        for method in operations:
            yield method.upper(), path
    yield "GET", "/openapi.json"


def test_every_endpoint_has_a_row(house: House) -> None:
    assert set(_routes(house)) == set(MATRIX)
    served = {
        (method, path)
        for path, methods in _served(house)
        for method in methods - {"HEAD", "OPTIONS"}
    }
    assert served == set(MATRIX)


def _served(house: House) -> Iterator[tuple[str, set[str]]]:
    """What the application's own table of routes says, documented or not."""
    for route in house.http.app.routes:
        for one in getattr(getattr(route, "original_router", None), "routes", [route]):
            yield one.path, set(one.methods)


def _address(path: str) -> str:
    for name, value in {"device_key_id": DEVICE, "number": "1", "kind": "anomaly"}.items():
        path = path.replace("{" + name + "}", value)
    return re.sub(r"\{[a-z_]+\}", ID, path)


@pytest.mark.parametrize("role", [None, *Role], ids=lambda r: "nobody" if r is None else r.value)
def test_matrix(house: House, role: Role | None) -> None:
    for (method, path), allowed in MATRIX.items():
        if path == "/sessions/current":
            continue  # ends the session that the others need; see below
        answer = house.http.request(
            method,
            _address(path),
            headers=house.headers(role),
            json=BODIES.get((method, path)),
        )
        where = f"{method} {path}: {answer.status_code} {answer.text}"
        if allowed is OPEN:
            assert answer.status_code in (200, 403), where
        elif role is None:
            assert answer.status_code == 401, where
        elif (method, path) in OWN:
            assert answer.status_code in (201, 403), where
        elif role in allowed:
            # What it names does not exist here; that is for those to know who may ask.
            assert answer.status_code in (200, 201, 204, 422), where
        else:
            assert answer.status_code == 403, where
            assert answer.json()["type"] == "urn:veilmatch:problem:policy"
    before = house.kinds()
    ended = house.http.delete("/sessions/current", headers=house.headers(role))
    assert ended.status_code == (401 if role is None else 204)
    if role is not None:
        assert house.http.get("/me", headers=house.headers(role)).status_code == 401
        assert house.kinds() == [*before, "logout"]


@pytest.mark.parametrize("role", list(Role), ids=lambda r: r.value)
def test_changes_need_a_passkey(house: House, role: Role) -> None:
    """The third side of the table: a session that saw no passkey, and one that saw it long ago."""
    assert len(CHANGES) == 18
    before = house.kinds()
    for stepped_up in (False, True):
        if stepped_up:
            house.clock.now += STEP_UP_MAX_AGE_S + 1
        for method, path in sorted(CHANGES):
            allowed = MATRIX[method, path] or frozenset()
            answer = house.http.request(
                method,
                _address(path),
                headers=house.headers(role, stepped_up=stepped_up),
                json=BODIES.get((method, path)),
            )
            kind = "step-up" if role in allowed else "policy"
            assert answer.status_code == 403, f"{method} {path}"
            assert answer.json()["type"] == f"urn:veilmatch:problem:{kind}", f"{method} {path}"
    assert house.kinds() == before
    for (method, path), readers in MATRIX.items():  # reading asks for none
        if method == "GET" and readers is not OPEN and role in readers:
            answer = house.http.request(
                method, _address(path), headers=house.headers(role, stepped_up=False)
            )
            assert answer.status_code == 200, path


def test_where_step_up_is_off_a_session_is_enough(house: House) -> None:
    relaxed = InProcess(create_admin(replace(house.parts, needs_step_up=False)))
    headers = house.headers(Role.ADMIN, stepped_up=False)
    assert relaxed.post("/platforms", headers=headers, json={"name": "x"}).status_code == 201


def test_a_passkey_is_added_and_used_by_the_interface(house: House) -> None:
    """Add one, let it grow old, confirm again, change something; then log in with it."""
    key, headers = Authenticator(ORIGIN), house.headers(Role.ADMIN, stepped_up=False)
    begun = house.http.post("/passkeys/challenges", headers=headers)
    assert begun.status_code == 201, begun.text
    said = {
        "challenge": begun.json()["challenge"],
        "credential": key.create(begun.json()["options"]),
    }
    assert house.http.post("/passkeys", headers=headers, json=said).status_code == 204
    house.clock.now += STEP_UP_MAX_AGE_S + 1
    change = {"headers": headers, "json": {"name": "forum"}}
    refused = house.http.post("/platforms", **change)
    assert refused.json()["type"] == "urn:veilmatch:problem:step-up"
    begun = house.http.post("/sessions/current/step-up/challenges", headers=headers)
    said = {"challenge": begun.json()["challenge"], "credential": key.get(begun.json()["options"])}
    done = house.http.post("/sessions/current/step-up", headers=headers, json=said)
    assert done.status_code == 204
    assert house.http.post("/platforms", **change).status_code == 201
    again = house.http.post("/sessions/current/step-up", headers=headers, json=said)
    assert again.status_code == 403  # a challenge is good once
    other = house.headers(Role.AUDITOR, stepped_up=False)
    begun = house.http.post("/sessions/current/step-up/challenges", headers=headers)
    said = {"challenge": begun.json()["challenge"], "credential": key.get(begun.json()["options"])}
    stolen = house.http.post("/sessions/current/step-up", headers=other, json=said)
    assert stolen.status_code == 403
    ticket = house.parts.logins.login_password(Role.ADMIN.value, PASSWORD, "192.0.2.1")
    begun = house.http.post("/sessions/passkey/challenges", json={"ticket": ticket})
    login = {
        "ticket": ticket,
        "challenge": begun.json()["challenge"],
        "credential": key.get(begun.json()["options"]),
    }
    opened = house.http.post("/sessions/passkey", json=login)
    assert opened.status_code == 200, opened.text
    session = {"Authorization": f"Bearer {opened.json()['token']}"}
    made = house.http.post("/platforms", headers=session, json={"name": "blog"})
    assert made.status_code == 201
    kinds = house.kinds()
    assert kinds.count("passkey.added") == kinds.count("step_up") == 1
    assert kinds.count("platform.added") == 2


def test_without_a_site_there_are_no_passkeys(house: House) -> None:
    bare = InProcess(create_admin(replace(house.parts, passkey_site=None)))
    answer = bare.post("/passkeys/challenges", headers=house.headers(Role.ADMIN))
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:veilmatch:problem:policy"


def test_refusals_change_nothing_and_note_nothing(house: House) -> None:
    for role in (None, *Role):
        for (method, path), allowed in MATRIX.items():
            if allowed is not OPEN and role not in allowed:
                house.http.request(
                    method,
                    _address(path),
                    headers=house.headers(role),
                    json=BODIES.get((method, path)),
                )
    assert house.kinds() == []
    assert {one.name for one in house.parts.operators.list_all()} == {r.value for r in Role}
    assert house.parts.platforms.list_all() == []


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer x", "Basic YTpi", "bearer " + "x" * 5000, "Bearer \xff"],
)
def test_bad_credentials_are_nobody(house: House, header: str) -> None:
    answer = house.http.get("/me", headers=[(b"authorization", header.encode("latin-1"))])
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
