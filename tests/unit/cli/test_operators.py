"""``operator``, ``platform`` and ``actions`` as a person at the machine uses them."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pyotp
import pytest

from tests.simulators.certificates import make_certificate
from tests.unit.cli.conftest import Refused, refused
from veilmatch.access.login.password import Logins
from veilmatch.access.sessions import Sessions, digest_of
from veilmatch.actions.outbox import enqueue
from veilmatch.cli.main import run
from veilmatch.clock import system_clock
from veilmatch.privatelog.log import PrivateLog
from veilmatch.service.app import open_data

__all__ = ["refused"]  # a fixture of the commands' tests

PASSWORD = "correct horse battery"


class _Said:
    """Runs a command and reads its last line."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data, self._capsys = data, capsys

    def __call__(self, *words: str) -> dict[str, Any]:
        assert run([*words, "--data", str(self.data), "--json"]) == 0
        made: dict[str, Any] = json.loads(self._capsys.readouterr().out.splitlines()[-1])
        return made

    def quietly(self, *words: str) -> None:
        assert run([*words, "--data", str(self.data)]) == 0
        self._capsys.readouterr()


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> _Said:
    return _Said(tmp_path / "data", capsys)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return str(path)


def _kinds(data: Path) -> list[str]:
    database, crypter = open_data(data, None)
    log = PrivateLog(database, crypter, system_clock)
    log.verify()
    kinds = [stored.record.kind for stored in log.read()]
    database.close()
    return kinds


def test_an_operator_is_made_logs_in_and_is_disabled(said: _Said, secret: str) -> None:
    made = said("operator", "add", "anna", "--role", "reviewer", "--password-file", secret)
    totp = pyotp.parse_uri(made["totp_uri"])
    assert isinstance(totp, pyotp.TOTP)
    database, crypter = open_data(said.data, None)
    logins = Logins(database, crypter, system_clock, PrivateLog(database, crypter, system_clock))
    token = logins.login_totp(logins.login_password("anna", PASSWORD, "::1"), totp.now())
    who = Sessions(database, system_clock).verify(token)
    assert who.operator_id.hex() == made["operator_id"]
    database.close()
    said.quietly("operator", "roles", "anna", "--role", "lead", "--role", "reporter")
    said.quietly("operator", "disable", "anna")
    (row,) = said("operator", "list")["operators"]
    assert row == {
        "name": "anna",
        "state": "disabled",
        "roles": ["lead", "reporter"],
        "login": "password",
    }
    said.quietly("operator", "enable", "anna")
    again = said("operator", "reset", "anna", "--password-file", secret)
    assert again["totp_uri"] != made["totp_uri"]
    assert _kinds(said.data) == [
        "operator.added",
        "login",
        "operator.roles",
        "operator.state",
        "operator.state",
        "operator.reset",
    ]


def test_a_password_comes_from_standard_input(said: _Said, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = io.TextIOWrapper(io.BytesIO(PASSWORD.encode() + b"\n"))
    monkeypatch.setattr("sys.stdin", typed)
    assert said("operator", "add", "anna", "--role", "auditor")["totp_uri"]


def test_an_account_of_an_issuer_needs_no_password(said: _Said) -> None:
    words = ["--role", "lead", "--issuer", "https://id.example", "--subject", "7"]
    assert said("operator", "add", "ben", *words)["totp_uri"] == ""


def test_a_platform_and_its_credentials(said: _Said, tmp_path: Path) -> None:
    said("platform", "add", "forum")
    made = said("platform", "add-token", "forum", "--days", "7")
    assert made["token"].startswith("vmp_")
    (tmp_path / "forum.pem").write_bytes(make_certificate("forum").pem)
    said("platform", "add-certificate", "forum", str(tmp_path / "forum.pem"))
    said.quietly("platform", "revoke", made["credential_id"])
    (row,) = said("platform", "list")["platforms"]
    found = {(one["kind"], one["revoked"]) for one in row["credentials"]}
    assert found == {("token", True), ("certificate", False)}
    raw = (said.data / "store.sqlite").read_bytes()
    assert made["token"].encode() not in raw
    assert len(digest_of(made["token"])) == 32


def test_actions_are_added_delivered_and_retried(said: _Said) -> None:
    made = said("actions", "add", "http://127.0.0.1:9/closed")
    assert made["secret"].startswith("whsec_")
    database, _ = open_data(said.data, None)
    with database.transaction() as connection:
        body = {"account": os.urandom(16).hex(), "case_id": os.urandom(16).hex()}
        enqueue(connection, "account.suspend", body, system_clock())
    assert said("actions", "deliver", "--once") == {"delivered": 0}
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE action_delivery SET state = 'dead'")
    database.close()
    shown = said("actions", "list")
    (letter,) = shown["dead"]
    assert letter["reason"] == "not reached"
    said.quietly("actions", "retry", str(letter["number"]), letter["endpoint_id"])
    assert said("actions", "list")["dead"] == []


@pytest.mark.parametrize(
    "words",
    [
        "operator add x --role king --password-file P",
        "operator add x --role admin --role reviewer --password-file P",
        "operator add x --role admin --password-file NONE",
        "operator disable nobody",
        "operator reset nobody --password-file P",
        "platform add-token nobody",
        "platform revoke zz",
        "platform add-certificate nobody P",
        "actions add http://platform.example/",
        "actions add https://platform.example/ --scheme v2",
        "actions retry 7 zz",
        "actions retry 7 " + "11" * 16,
        "actions deliver --interval 0",
    ],
)
def test_wrong_use_is_refused(tmp_path: Path, secret: str, refused: Refused, words: str) -> None:
    chosen = [secret if word == "P" else word for word in words.split()]
    refused([*chosen, "--data", str(tmp_path / "data")], 2)
