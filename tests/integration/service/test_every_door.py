"""Every address that the running service answers, with every kind of credentials and with none.

The addresses are read from the application that ``veilmatch serve`` puts together with all its
parts on, so an address that no table names fails here. What each role may do within the
administration and the console stands in their own tables (``tests/unit/admin/test_matrix.py``,
``tests/console/test_doors.py``); here nobody's credentials open anything of another kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Mount

from tests.console.test_doors import EXPECTED as CONSOLE
from tests.console.test_numbers import SIGNER
from tests.integration.service.world import World
from tests.simulators.asgi import InProcess
from tests.unit.admin.test_matrix import BODIES
from tests.unit.admin.test_matrix import MATRIX as ADMIN
from veilmatch.access.gate.platforms import Platforms
from veilmatch.access.operators import NewOperator, Operators
from veilmatch.access.roles import Role
from veilmatch.access.sessions import Sessions
from veilmatch.admin.app import PREFIX
from veilmatch.cli.operator.serve_commands import opened_app
from veilmatch.clock import system_clock
from veilmatch.console.app import ConsoleRoute
from veilmatch.console.security import SESSION
from veilmatch.hosts.sidecar import SidecarSettings, create_sidecar
from veilmatch.secret import SecretBytes
from veilmatch.service import problems
from veilmatch.service.app import open_data
from veilmatch.service.setup.configuration import load_configuration
from veilmatch.service.watch.events import Events
from veilmatch.service.watch.metrics import Metrics

ANYONE, DEVICE, PLATFORM = "anyone", "a device's signature in the body", "a platform"
ACCOUNT, KEY_ID = "11" * 16, "22" * 8

SERVICE: dict[tuple[str, str], str] = {
    ("GET", "/healthz"): ANYONE,
    ("GET", "/readyz"): ANYONE,
    ("GET", "/v1/releases/{path:path}"): ANYONE,
    ("POST", "/v1/vouchers"): DEVICE,
    ("DELETE", "/v1/vouchers"): DEVICE,
    ("PUT", "/v1/accounts/{account}/suspension"): PLATFORM,
    ("DELETE", "/v1/accounts/{account}/suspension"): PLATFORM,
    ("PUT", "/v1/accounts/{account}/devices/{device_key_id}/revocation"): PLATFORM,
}
PAGES = {
    ("GET", f"/transparency{path}")
    for path in (
        "",
        "/",
        "/releases",
        "/releases/{release_id}",
        "/releases/{release_id}/bundle.json",
        "/releases/{release_id}/manifest.json",
        "/signers",
        "/changes",
        "/check",
        "/policy",
        "/style.css",
        "/log",
        "/log/entries/{index}",
        "/log/entries/{index}/proof",
        "/log/{path:path}",
    )
}
STATIC = {("GET", "/review/static/{name}")}
SIDECAR = {("POST", "/scan"), ("DELETE", "/scan"), ("GET", "/status"), ("GET", "/healthz")}


@dataclass
class Scene:
    """The whole service in this process, and a credential of every kind."""

    http: InProcess
    platform: str = ""
    sessions: dict[Role, str] = field(default_factory=dict)

    def callers(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Nobody, a platform, and each role by header and by cookie."""
        yield "nobody", {}
        yield "a bad token", {"Authorization": "Bearer vmp_x"}
        yield "a platform", {"Authorization": f"Bearer {self.platform}"}
        for role, token in self.sessions.items():
            yield f"{role.value} by header", {"Authorization": f"Bearer {token}"}
            yield f"{role.value} by cookie", {"Cookie": f"__Host-{SESSION}={token}"}

    def ask(self, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        address = re.sub(r"\{device_key_id\}", KEY_ID, path)
        address = address.replace("{number}", "1").replace("{kind}", "anomaly")
        address = re.sub(r"\{[a-z_:]+\}", ACCOUNT, address)
        body = BODIES.get((method, path.removeprefix(PREFIX))) if PREFIX in path else None
        if path == "/v1/vouchers":
            return self.http.request(method, address, headers=headers, content=bytes(300))
        return self.http.request(method, address, headers=headers, json=body)


@contextmanager
def _scene(world: World, folder: Path) -> Iterator[Scene]:
    (folder / "numbers").mkdir()
    given: dict[str, Any] = {
        "data": folder / "data",
        "site": world.site,
        "administration": True,
        "console": True,
        "pages": True,
        "origin": "https://review.example",
        "numbers": folder / "numbers",
        "numbers_log_keys": (SIGNER.key.to_bytes().decode(),),
    }
    chosen = load_configuration(None, given)
    with opened_app(chosen, Metrics(lambda: 0.0), Events(system_clock)) as app:
        made = Scene(InProcess(app))
        database, crypter = open_data(folder / "data", None)
        with database.transaction() as connection:
            platforms = Platforms(database, system_clock)
            platform = platforms.add(connection, "forum")
            made.platform = platforms.add_token(connection, platform, 1000).token
            for role in Role:
                new = NewOperator(role.value, frozenset({role}), "", "https://id", role.value)
                person = Operators(database, crypter, system_clock).add(connection, new)
                made.sessions[role] = Sessions(database, system_clock).open_in(
                    connection, person, stepped_up=True
                )
        database.close()
        for route in app.routes:  # the service reads platforms every second; nothing runs here
            if getattr(route, "path", "").endswith("/suspension"):
                route.endpoint.__self__._gate.refresh()  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def scene(world: World, tmp_path: Path) -> Iterator[Scene]:
    with _scene(world, tmp_path) as made:
        yield made


def _doors(routes: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every method and address of an application, whatever it is made of."""
    for route in routes:
        if isinstance(route, ConsoleRoute):
            yield from _doors(route.app.routes, prefix)
        elif isinstance(route, Mount):
            yield from _doors(route.routes, prefix + route.path)
        elif (inner := getattr(route, "original_router", None)) is not None:
            yield from _doors(inner.routes, prefix)
        else:
            assert hasattr(route, "path"), route
            for method in (route.methods or {"GET"}) - {"HEAD", "OPTIONS"}:
                yield method, prefix + route.path


def _console() -> set[tuple[str, str]]:
    return {(one.split(" ")[0], one.split(" ")[1]) for one in CONSOLE}


def test_every_address_stands_in_a_table(scene: Scene) -> None:
    """A new endpoint anywhere, or one that is gone, is a difference here."""
    found = list(_doors(scene.http.app.routes))
    admin = {(method, PREFIX + path) for method, path in ADMIN}
    tables = [set(SERVICE), admin, _console(), PAGES, STATIC]
    assert len(found) == len(set(found)) == sum(map(len, tables))
    assert set(found) == set().union(*tables)


def test_the_sidecars_addresses_and_its_token(tmp_path: Path) -> None:
    settings = SidecarSettings(tmp_path, token=SecretBytes(b"right-token"))
    app = create_sidecar(settings)
    assert set(_doors(app.routes)) == SIDECAR
    http = InProcess(app)
    for method, path in SIDECAR - {("GET", "/healthz")}:
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}):
            answer = http.request(method, path, headers=header, content=b"x")
            assert answer.status_code == 401, (method, path)
    assert http.get("/healthz").status_code == 200


def test_open_addresses_answer_everybody_alike(scene: Scene) -> None:
    """No credential of any kind changes a byte of what anyone may read."""
    doors = [door for door, who in SERVICE.items() if who is not PLATFORM]
    for method, path in [*doors, *sorted(PAGES), *sorted(STATIC)]:
        seen = {
            (answer.status_code, answer.content)
            for _, headers in scene.callers()
            for answer in [scene.ask(method, path, headers)]
        }
        assert len(seen) == 1, f"{method} {path}"
        status = next(iter(seen))[0]
        assert status not in (401, 403), f"{method} {path}"
        if path == "/v1/vouchers":
            assert status == problems.MALFORMED.status  # no credential stands for a signature


def test_only_a_platform_may_act_on_accounts(scene: Scene) -> None:
    for (method, path), who in SERVICE.items():
        if who is not PLATFORM:
            continue
        for name, headers in scene.callers():
            answer = scene.ask(method, path, headers)
            if name == "a platform":
                assert answer.status_code == 204, f"{method} {path}"
            else:
                assert answer.status_code == 401, f"{method} {path}: {name}"
                assert answer.content == bytes(problems.answer(problems.PLATFORM).body)


def test_the_administration_takes_sessions_by_header_alone(scene: Scene) -> None:
    """Each role has what its table says; platforms, cookies and nobody have nothing."""
    counted = 0
    for (method, path), allowed in ADMIN.items():
        if path == "/sessions/current" or allowed is None:
            continue
        own = "passkey" in path or "step-up" in path
        for name, headers in scene.callers():
            answer = scene.ask(method, PREFIX + path, headers)
            where, counted = f"{method} {path}: {name} {answer.status_code}", counted + 1
            if not name.endswith("by header"):
                assert answer.status_code == 401, where
            elif Role(name.split(" ")[0]) in allowed:
                assert answer.status_code in ((201, 403) if own else (200, 201, 204, 422)), where
            else:
                assert answer.status_code == 403, where
    assert counted > 500


def test_the_console_takes_sessions_by_cookie_alone(scene: Scene) -> None:
    """Reading: its table for each role; a header opens nothing. A form without its token: 403."""
    for one, allowed in CONSOLE.items():
        method, path = one.split(" ")
        if allowed is None or path == "/review/logout":
            continue
        for name, headers in scene.callers():
            answer = scene.ask(method, path, headers)
            where = f"{one}: {name} {answer.status_code}"
            if method == "POST":
                assert answer.status_code in (403, 415), where
            elif not name.endswith("by cookie"):
                assert answer.status_code == 303, where
                assert answer.headers["location"].startswith("/review/login?next="), where
            elif name.split(" ")[0] in allowed:
                assert answer.status_code != 403 or path == "/review/step-up", where
                assert "/review/login" not in answer.headers.get("location", ""), where
            else:
                assert answer.status_code == 403, where


def test_nothing_else_is_there(scene: Scene) -> None:
    for path in ("/", "/metrics", "/docs", "/redoc", "/openapi.json", "/admin", "/v1", "/v2/x"):
        for name, headers in scene.callers():
            answer = scene.ask("GET", path, headers)
            assert answer.status_code == 404, f"{path}: {name}"
            assert answer.content == bytes(problems.answer(problems.NOT_FOUND).body)
