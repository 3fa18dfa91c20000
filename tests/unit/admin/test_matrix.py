"""Who may do what: every endpoint, every role, and no role.

The table stands here once more, on purpose: a new endpoint without a row fails, and a change
of the program's own table shows as a difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulators.certificates import make_certificate
from tests.unit.admin.conftest import PASSWORD, House
from veilmatch.access.roles import Role

ADMIN, OPERATOR, AUDITOR = Role.ADMIN, Role.OPERATOR, Role.AUDITOR
ALL = frozenset(Role)
OPEN = None  # without a session
READERS, ENGINEERS = frozenset({ADMIN, OPERATOR, AUDITOR}), frozenset({ADMIN, OPERATOR})
ID, DEVICE = "11" * 16, "22" * 8

MATRIX: dict[tuple[str, str], frozenset[Role] | None] = {
    ("GET", "/openapi.json"): OPEN,
    ("POST", "/sessions/password"): OPEN,
    ("POST", "/sessions/totp"): OPEN,
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

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/sessions/password"): {"name": "nobody", "password": PASSWORD},
    ("POST", "/sessions/totp"): {"ticket": "x", "code": "123456"},
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
