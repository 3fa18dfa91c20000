"""OpenID Connect against a small issuer over real HTTP; each of its lies is refused."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, OctKey

from tests.simulators.issuer import CLIENT, REDIRECT, SECRET, Issuer
from tests.unit.access.conftest import kinds
from veilmatch.access.login.oidc import OidcLogins
from veilmatch.access.login.sites import OidcSettings
from veilmatch.access.operators import NewOperator, Operators
from veilmatch.access.roles import Role
from veilmatch.access.sessions import Sessions
from veilmatch.errors import ConfigError, NetworkError, PolicyError
from veilmatch.privatelog.log import PrivateLog
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    made.start()
    yield made
    made.stop()


Make = Callable[..., OidcLogins]


@pytest.fixture
def make(database: Database, crypter: Crypter, log: PrivateLog, issuer: Issuer) -> Make:
    def build(**changed: Any) -> OidcLogins:
        settings: dict[str, Any] = {
            "issuer": issuer.address,
            "client_id": CLIENT,
            "redirect_uri": REDIRECT,
            "client_secret": SecretBytes(SECRET.encode()),
        } | changed
        clock = lambda: int(time.time())  # noqa: E731
        return OidcLogins(database, crypter, clock, log, OidcSettings(**settings))

    return build


@pytest.fixture
def ben(database: Database, operators: Operators, issuer: Issuer) -> bytes:
    new = NewOperator("ben", frozenset({Role.LEAD}), issuer=issuer.address, subject=issuer.subject)
    with database.transaction() as connection:
        return operators.add(connection, new)


@pytest.fixture
def now_sessions(database: Database) -> Sessions:
    return Sessions(database, lambda: int(time.time()))


def test_login(
    make: Make, issuer: Issuer, ben: bytes, now_sessions: Sessions, log: PrivateLog
) -> None:
    logins = make()
    visit = logins.begin_oidc()
    came_back = issuer.visit(visit.url)
    who = now_sessions.verify(logins.finish_oidc(visit.token, came_back))
    assert (who.operator_id, who.stepped_up_at) == (ben, None)
    with pytest.raises(PolicyError):
        logins.finish_oidc(visit.token, came_back)
    assert kinds(log) == ["login"]
    assert SECRET not in repr(logins._settings)


def test_discovery_from_a_file(
    make: Make, issuer: Issuer, ben: bytes, tmp_path: Path, now_sessions: Sessions
) -> None:
    path = tmp_path / "issuer.json"
    path.write_text(json.dumps(issuer.metadata()))
    logins = make(discovery=path)
    visit = logins.begin_oidc()
    now_sessions.verify(logins.finish_oidc(visit.token, issuer.visit(visit.url)))
    path.write_text(json.dumps(issuer.metadata() | {"issuer": "https://other.example"}))
    with pytest.raises(ConfigError):
        make(discovery=path).begin_oidc()
    path.write_text(json.dumps(issuer.metadata() | {"token_endpoint": "http://other.example/"}))
    with pytest.raises(ConfigError):
        make(discovery=path).begin_oidc()


def _lie(issuer: Issuer, name: str) -> None:
    now = int(time.time())
    lies: dict[str, dict[str, Any]] = {
        "another issuer": {"iss": "https://other.example"},
        "another audience": {"aud": "other"},
        "several audiences without azp": {"aud": [CLIENT, "other"]},
        "another party": {"azp": "other"},
        "expired": {"exp": now - 120},
        "no expiry": {"exp": None},
        "from the future": {"iat": now + 3600, "nbf": now + 3600},
        "another nonce": {"nonce": "x"},
        "no nonce": {"nonce": None},
        "unknown subject": {"sub": "nobody"},
        "no subject": {"sub": None},
        "subject not text": {"sub": 7},
        "weaker context": {"acr": "1"},
    }
    issuer.claims = lies.get(name, {})
    if name == "another key":
        issuer.key = ECKey.generate_key("P-256", {"kid": "1"})
    if name == "symmetric":
        issuer.key, issuer.header = OctKey.import_key(SECRET), {"alg": "HS256", "kid": "1"}
    if name == "not JSON":
        issuer.raw = b"<html>"
    if name == "error":
        issuer.status = 500


_LIES = [
    "another issuer",
    "another audience",
    "several audiences without azp",
    "another party",
    "expired",
    "no expiry",
    "from the future",
    "another nonce",
    "no nonce",
    "unknown subject",
    "no subject",
    "subject not text",
    "weaker context",
    "another key",
    "symmetric",
    "not JSON",
    "error",
]


@pytest.mark.parametrize("name", _LIES)
def test_lies_are_refused(make: Make, issuer: Issuer, ben: bytes, name: str) -> None:
    logins = make(required_acr="2" if name == "weaker context" else "")
    visit = logins.begin_oidc()
    came_back = issuer.visit(visit.url)
    _lie(issuer, name)
    with pytest.raises((PolicyError, NetworkError)):
        logins.finish_oidc(visit.token, came_back)


def test_what_the_browser_brings_is_checked(make: Make, issuer: Issuer, ben: bytes) -> None:
    logins = make()
    for changed in (
        {"state": "x"},
        {"state": "\ud800"},
        {"iss": "https://other.example"},
        {"code": "x"},
    ):
        visit = logins.begin_oidc()
        with pytest.raises(PolicyError):
            logins.finish_oidc(visit.token, issuer.visit(visit.url) | changed)
    visit, other = logins.begin_oidc(), logins.begin_oidc()
    with pytest.raises(PolicyError):
        logins.finish_oidc(other.token, issuer.visit(visit.url))
    visit = logins.begin_oidc()
    said = issuer.visit(visit.url)
    del said["code"]
    with pytest.raises(PolicyError):
        logins.finish_oidc(visit.token, said | {"error": "access_denied"})


def test_disabled_account_is_refused(
    make: Make, issuer: Issuer, ben: bytes, database: Database, operators: Operators
) -> None:
    with database.transaction() as connection:
        operators.set_state(connection, ben, "disabled")
    logins = make()
    visit = logins.begin_oidc()
    with pytest.raises(PolicyError):
        logins.finish_oidc(visit.token, issuer.visit(visit.url))


def test_an_issuer_without_tls_is_refused(make: Make) -> None:
    for wrong in ("http://id.example", "ftp://id.example", "", "https://["):
        with pytest.raises(ConfigError):
            make(issuer=wrong)


def test_a_compressed_answer_is_not_unpacked(
    database: Database, crypter: Crypter, log: PrivateLog
) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["accept-encoding"])
        packed = gzip.compress(b'{"issuer":"https://issuer.example"}')
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=packed)

    settings = OidcSettings("https://issuer.example", CLIENT, REDIRECT)
    client = httpx.Client(transport=httpx.MockTransport(answer))
    logins = OidcLogins(database, crypter, lambda: 1, log, settings, client)
    with pytest.raises(NetworkError, match="no valid answer"):
        logins.begin_oidc()
    assert asked == ["identity"]
