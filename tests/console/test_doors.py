"""Every door of the console with every role: who passes, and that nobody else does."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette

from tests.console.world import PASSWORD, ROLES, Browser, Person, World
from veilmatch.access.roles import Role
from veilmatch.console.app import DOORS, ConsoleRoute
from veilmatch.console.guard import Door
from veilmatch.console.security import CONTENT_SECURITY_POLICY
from veilmatch.errors import InternalError

# Said again here, by hand: a door that is opened wider by mistake fails this table.
LOOKERS = {"reviewer", "lead"}
EVERYBODY = {role.value for role in Role}
EXPECTED: dict[str, set[str] | None] = {
    "GET /review": EVERYBODY,
    "GET /review/login": None,
    "POST /review/login": None,
    "POST /review/login/code": None,
    "GET /review/login/organisation": None,
    "GET /review/login/oidc": None,
    "POST /review/logout": EVERYBODY,
    "GET /review/step-up": EVERYBODY,
    "POST /review/step-up": EVERYBODY,
    "GET /review/passkeys/new": EVERYBODY,
    "POST /review/passkeys/new": EVERYBODY,
    "GET /review/queue": LOOKERS,
    "GET /review/break": LOOKERS,
    "POST /review/cases/{case_id}/claim": LOOKERS,
    "POST /review/cases/{case_id}/release": LOOKERS,
    "GET /review/cases/{case_id}": LOOKERS,
    "POST /review/cases/{case_id}/groups/{group}/reveal": LOOKERS,
    "POST /review/cases/{case_id}/groups/{group}/cover": LOOKERS,
    "GET /review/cases/{case_id}/pictures/{number}/{step}": LOOKERS,
    "POST /review/cases/{case_id}/decide": LOOKERS,
    "GET /review/reports": {"reporter", "lead", "auditor"},
    "GET /review/reports/{case_id}": {"reporter"},
    "POST /review/reports/{case_id}": {"reporter"},
    "POST /review/reports/{case_id}/again": {"reporter"},
    "GET /review/reports/{case_id}/receipt": {"reporter", "lead", "auditor"},
    "GET /review/appeals": {"lead"},
    "POST /review/appeals/{case_id}/decide": {"lead"},
    "GET /review/figures": LOOKERS | {"auditor"},
    "GET /review/deliveries": {"admin", "operator", "auditor"},
    "POST /review/deliveries/{number}/{endpoint_id}/again": {"admin", "operator"},
    "GET /review/preferences": LOOKERS,
    "POST /review/preferences": LOOKERS,
    "POST /review/preferences/organisation": {"lead"},
    "GET /appeal": None,
    "GET /appeal/{token}": None,
    "POST /appeal": None,
    "GET /numbers": None,
    "GET /numbers/{period}": None,
    "GET /numbers/{period}/{file}": None,
}
_NAMES = [f"{door.method} {door.path}" for door in DOORS]


def _address(door: Door, case_id: bytes) -> str:
    named = {"{case_id}": case_id.hex(), "{group}": "0", "{number}": "0", "{step}": "0"}
    named["{endpoint_id}"] = bytes(16).hex()
    address = door.path.replace("{token}", "no-token")
    for name, value in named.items():
        address = address.replace(name, value)
    return address


def _status(person: Person, door: Door, address: str) -> int:
    if door.method == "GET":
        return person.get(address)[0]
    return person.send(address)[0]


def test_the_table_names_every_door() -> None:
    assert sorted(_NAMES) == sorted(EXPECTED)


@pytest.mark.parametrize("name", list(ROLES))
def test_who_may_pass_which_door(world: World, name: str) -> None:
    case_id = world.open_case()
    roles = {role.value for role in ROLES[name]}
    for door in DOORS:
        if door.path == "/review/logout":
            continue
        expected = EXPECTED[f"{door.method} {door.path}"]
        refusal = "This role may not do that."
        person = world.person(name)
        address = _address(door, case_id)
        text = (person.get(address) if door.method == "GET" else person.send(address))[1]
        if name in ("cleo", "dora") and door.path.endswith("/claim"):
            assert refusal in text  # a lead passes the door; casework keeps fresh cases for others
        elif expected is None or roles & expected:
            assert refusal not in text, (name, door.path)
        else:
            assert _status(person, door, address) == 403, (name, door.path)
            assert refusal in text, (name, door.path)


def test_without_a_session_every_other_door_leads_to_the_login(world: World) -> None:
    case_id = world.open_case()
    for door in DOORS:
        visitor = world.visitor()
        visitor.get("/review/login")  # the visitor's forms carry a good token all the same
        address = _address(door, case_id)
        if EXPECTED[f"{door.method} {door.path}"] is None:
            assert _status(visitor, door, address) != 303 or "login" in door.path
        elif door.method == "GET":
            answer = visitor.client.get(address)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/review/login?next=/review")
        else:
            assert visitor.where(address).startswith("/review/login")


def test_a_closed_session_and_a_disabled_account_pass_nothing(world: World) -> None:
    ada = world.person("ada")
    assert ada.get("/review/queue")[0] == 200
    world.sessions.close(ada.session)
    assert ada.get("/review/queue")[0] == 303
    idle = world.person("ada")
    world.clock.ahead += 31 * 60
    assert idle.get("/review/queue")[0] == 303


def test_a_door_is_open_or_names_its_roles() -> None:
    def nothing(_visit: object) -> object:
        raise NotImplementedError

    with pytest.raises(InternalError):
        Door("GET", "/review/x", nothing)  # type: ignore[arg-type]
    with pytest.raises(InternalError):
        Door("GET", "/review/x", nothing, frozenset({Role.LEAD}), is_open=True)  # type: ignore[arg-type]


def test_every_answer_carries_the_headers(world: World) -> None:
    ada, case_id = world.person("ada"), world.open_case()
    address = ada.claim(case_id)
    for place in (
        *("/review/login", "/review/queue", "/review/none", "/appeal", address),
        *(f"{address}/pictures/{ada.groups(address)[0]}/0", "/review/reports"),
    ):
        headers = ada.client.get(place).headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    "address",
    [
        "/review/cases/zz",
        "/review/cases/" + "00" * 16,
        "/review/cases/" + "AB" * 16,
        "/review/static/../app.py",
        "/review/static/vendored.json",
        "/review/queue/",
    ],
)
def test_an_unknown_address_is_a_page_that_says_so(world: World, address: str) -> None:
    status, page = world.person("ada").get(address)
    assert status == 404
    assert "There is nothing here" in page


def test_forms_of_another_kind_or_size_are_refused(world: World) -> None:
    client = world.person("ada").client
    form = {"content-type": "application/x-www-form-urlencoded"}
    place = "/review/preferences"
    for content, headers, status in (
        (b"{}", {"content-type": "application/json"}, 415),
        (b"a=" + b"x" * 70_000, form, 413),
        (b"&".join(b"a%d=1" % k for k in range(500)), form, 400),
        (b"a=%ff\xff", form, 400),
        (b"a=%ff", form, 400),
    ):
        assert client.post(place, content=content, headers=headers).status_code == status
    assert client.post("/review/queue", data={}).status_code == 405


def test_the_console_inside_another_application(world: World) -> None:
    """Its pages answer there as they do alone; other addresses are not its matter."""
    outer = Starlette(routes=[ConsoleRoute(world.app)])
    browser = Browser(outer)
    answer = browser.get("/review/login")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert browser.get("/appeal").status_code == 200
    for place in ("/", "/number", "/reviews", "/v1/vouchers", "/healthz"):
        answer = browser.get(place)
        assert answer.status_code == 404
        assert "content-security-policy" not in answer.headers


def test_cookies_are_for_this_site_alone(world: World, tmp_path: Path) -> None:
    secure = World(tmp_path / "secure", settings=replace(world.settings, is_secure=True))
    for made, name, flags in (
        (world, "veilmatch-form", {"httponly", "samesite=strict", "path=/"}),
        (secure, "__Host-veilmatch-form", {"httponly", "samesite=strict", "path=/", "secure"}),
    ):
        answer = made.visitor().client.get("/review/login")
        parts = {one.strip().lower() for one in answer.headers["set-cookie"].split(";")}
        assert flags <= parts
        assert any(one.startswith(name.lower()) for one in parts)
        assert ("strict-transport-security" in answer.headers) == made.settings.is_secure
    secure.close()


@pytest.mark.parametrize(
    "place",
    ["//evil.example", "/review//evil.example", "https://evil.example", "/review\\evil", "/other"],
)
def test_after_the_login_nobody_is_led_elsewhere(world: World, place: str) -> None:
    world.add_person("ada", has_password=True)
    visitor = world.visitor()
    visitor.get("/review/login")
    page = visitor.send("/review/login", name="ada", password=PASSWORD, next=place)[1]
    (ticket,) = re.findall(r'name="ticket" value="([^"]+)"', page)
    code = world.totp["ada"].at(world.clock())
    led = visitor.where("/review/login/code", ticket=ticket, code=code, next=place)
    assert led == "/review"


def test_a_login_is_refused_alike_and_limited(world: World) -> None:
    world.add_person("ada", has_password=True)
    visitor = world.visitor()
    visitor.get("/review/login")
    answers = [
        visitor.send("/review/login", name=name, password="not the password")
        for name in ("ada", "nobody", "", *["ada"] * 5)
    ]
    assert answers[0][0] == answers[1][0] == 403
    assert answers[0][1].replace("ada", "") == answers[1][1].replace("nobody", "")
    assert answers[-1][0] == 429
