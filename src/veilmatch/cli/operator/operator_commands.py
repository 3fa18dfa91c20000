"""``veilmatch operator`` and ``platform``: accounts of people, back ends and their tokens."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from veilmatch.access.gate.platforms import ID_LEN, Platforms
from veilmatch.access.operators import NewOperator, Operators
from veilmatch.access.roles import parse_roles
from veilmatch.access.sessions import Sessions
from veilmatch.actions.endpoints import Endpoints
from veilmatch.cli.console import print_json, say
from veilmatch.cli.options import AsJson, Data, DatabaseUrl
from veilmatch.clock import DAY_S, system_clock
from veilmatch.errors import ConfigError
from veilmatch.privatelog.log import LogEntry, PrivateLog
from veilmatch.service.app import DATABASE, STORE_KEY, open_data
from veilmatch.store.crypter import Crypter, load_crypter
from veilmatch.store.database import Database
from veilmatch.store.files import read_file
from veilmatch.transparency.entries.canonical import JsonObject

operator_app = typer.Typer(no_args_is_help=True, help="Platforms: accounts of people.")
platform_app = typer.Typer(no_args_is_help=True, help="Platforms: back ends and their tokens.")

Name = Annotated[str, typer.Argument(help="The account's or the platform's name.")]


class OpenStore:
    """The store, opened by someone at the machine itself.

    Args:
        database: Its database.
        crypter: Opens sealed columns.
    """

    def __init__(self, database: Database, crypter: Crypter) -> None:
        self.database, self.crypter = database, crypter
        self.operators = Operators(database, crypter, system_clock)
        self.sessions = Sessions(database, system_clock)
        self.platforms = Platforms(database, system_clock)
        self.endpoints = Endpoints(database, crypter, system_clock)
        self._log = PrivateLog(database, crypter, system_clock)

    def note(self, connection: Connection, kind: str, subject: bytes, **detail: str) -> None:
        """Append an entry; it has no actor, since the machine knows no person."""
        said: JsonObject = dict(detail)
        self._log.append(connection, LogEntry(kind, b"", subject, said))


@contextmanager
def open_store(data: Path, url: str | None) -> Iterator[OpenStore]:
    """Open a store, or make a new one. Raises ConfigError or StoreError."""
    if not url and not (data / DATABASE).is_file():
        # A new store: the first account may be made before the service first runs.
        data.mkdir(parents=True, exist_ok=True)
    elif not url:
        load_crypter(data / STORE_KEY, make=False)
    database, crypter = open_data(data, url)
    try:
        yield OpenStore(database, crypter)
    finally:
        database.close()


def _read_password(path: Path | None) -> str:
    """Read a password from a file or from standard input: never from an argument."""
    if path is not None:
        raw = read_file(path, "the password", max_len=4096)
    elif sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        raw = sys.stdin.buffer.readline(4097)
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as exc:
        raise ConfigError("the password is not UTF-8", setting="password") from exc


PasswordFile = Annotated[
    Path | None, typer.Option(help="File with the password; else it is asked for or read.")
]


@operator_app.command(name="add")
def add_operator(
    name: Name,
    data: Data,
    role: Annotated[
        list[str],
        typer.Option(help="reviewer, lead, reporter, admin, operator or auditor; repeatable."),
    ],
    password_file: PasswordFile = None,
    issuer: Annotated[str, typer.Option(help="OpenID Connect issuer instead.")] = "",
    subject: Annotated[str, typer.Option(help="The person's subject there.")] = "",
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make an account; prints the authenticator's address once."""
    roles = parse_roles(role)
    password = "" if issuer else _read_password(password_file)
    with open_store(data, database) as store, store.database.transaction() as connection:
        new = NewOperator(name, roles, password, issuer, subject)
        made = store.operators.add(connection, new)
        uri = store.operators.make_totp(connection, made) if password else ""
        words = " ".join(sorted(one.value for one in roles))
        store.note(connection, "operator.added", made, roles=words)
    say(f"operator {made.hex()} may log in")
    if uri:
        say(f"authenticator (shown once): {uri}")
    if as_json:
        print_json({"operator_id": made.hex(), "totp_uri": uri})


@operator_app.command(name="list")
def list_operators(data: Data, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List accounts and their roles."""
    with open_store(data, database) as store:
        found = store.operators.list_all()
    rows = [
        {
            "name": one.name,
            "state": one.state,
            "roles": sorted(role.value for role in one.roles),
            "login": "issuer" if one.has_issuer else "password",
        }
        for one in found
    ]
    for row in rows:
        say(f"{row['name']}  {row['state']}  {', '.join(row['roles'])}  by {row['login']}")
    if not rows:
        say("no operator")
    if as_json:
        print_json({"operators": rows})


def _set_state(name: str, data: Path, url: str | None, state: str) -> None:
    with open_store(data, url) as store:
        found = store.operators.find(name)
        with store.database.transaction() as connection:
            store.operators.set_state(connection, found, state)
            store.sessions.close_all_in(connection, found)
            store.note(connection, "operator.state", found, state=state)
    say(f"the account is {state}; its sessions are closed")


@operator_app.command()
def disable(name: Name, data: Data, database: DatabaseUrl = None) -> None:
    """Disable an account and end its sessions."""
    _set_state(name, data, database, "disabled")


@operator_app.command()
def enable(name: Name, data: Data, database: DatabaseUrl = None) -> None:
    """Take a disabled account back into use."""
    _set_state(name, data, database, "active")


@operator_app.command()
def roles(
    name: Name,
    data: Data,
    role: Annotated[list[str], typer.Option(help="All roles it shall have; repeatable.")],
    database: DatabaseUrl = None,
) -> None:
    """Give an account other roles."""
    chosen = parse_roles(role)
    with open_store(data, database) as store:
        found = store.operators.find(name)
        with store.database.transaction() as connection:
            store.operators.set_roles(connection, found, chosen)
            words = " ".join(sorted(one.value for one in chosen))
            store.note(connection, "operator.roles", found, roles=words)
    say("the account has other roles now")


@operator_app.command()
def reset(
    name: Name,
    data: Data,
    password_file: PasswordFile = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give an account another password and another authenticator; ends its sessions."""
    password = _read_password(password_file)
    with open_store(data, database) as store:
        found = store.operators.find(name)
        with store.database.transaction() as connection:
            store.operators.set_password(connection, found, password)
            uri = store.operators.make_totp(connection, found)
            store.sessions.close_all_in(connection, found)
            store.note(connection, "operator.reset", found)
    say(f"authenticator (shown once): {uri}")
    if as_json:
        print_json({"totp_uri": uri})


@platform_app.command(name="add")
def add_platform(
    name: Name, data: Data, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Add a platform; it needs a token or a certificate next."""
    with open_store(data, database) as store, store.database.transaction() as connection:
        made = store.platforms.add(connection, name)
        store.note(connection, "platform.added", made)
    say(f"platform {made.hex()}")
    if as_json:
        print_json({"platform_id": made.hex()})


_Days = Annotated[int, typer.Option(min=1, max=400, help="Days that it is valid.")]


@platform_app.command(name="add-token")
def add_token(
    name: Name,
    data: Data,
    days: _Days = 365,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a bearer token; prints it once."""
    with open_store(data, database) as store:
        found = store.platforms.find(name)
        with store.database.transaction() as connection:
            made = store.platforms.add_token(connection, found, days * DAY_S)
            store.note(connection, "platform.token", found)
    say(f"token (shown once): {made.token}")
    if as_json:
        print_json({"credential_id": made.credential_id.hex(), "token": made.token})


@platform_app.command(name="add-certificate")
def add_certificate(
    name: Name,
    certificate: Annotated[Path, typer.Argument(help="The client's certificate, PEM.")],
    data: Data,
    days: _Days = 365,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Accept a client certificate for a platform."""
    pem = read_file(certificate, "the certificate", max_len=1 << 16)
    with open_store(data, database) as store:
        found = store.platforms.find(name)
        with store.database.transaction() as connection:
            made = store.platforms.add_certificate(connection, found, pem, days * DAY_S)
            store.note(connection, "platform.certificate", found)
    say(f"credential {made.hex()}")
    if as_json:
        print_json({"credential_id": made.hex()})


@platform_app.command(name="list")
def list_platforms(data: Data, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List platforms and their credentials."""
    with open_store(data, database) as store:
        found: list[dict[str, Any]] = [
            {
                "name": one.name,
                "state": one.state,
                "credentials": [
                    {
                        "credential_id": each.credential_id.hex(),
                        "kind": each.kind,
                        "expires": time.strftime("%Y-%m-%d", time.gmtime(each.expires_at)),
                        "revoked": each.revoked_at is not None,
                    }
                    for each in store.platforms.list_credentials(one.platform_id)
                ],
            }
            for one in store.platforms.list_all()
        ]
    for row in found:
        say(f"{row['name']}  {row['state']}")
        for each in row["credentials"]:
            revoked = "  revoked" if each["revoked"] else ""
            say(f"  {each['credential_id']}  {each['kind']}  until {each['expires']}{revoked}")
    if as_json:
        print_json({"platforms": found})


@platform_app.command()
def revoke(
    credential: Annotated[str, typer.Argument(help="The credential's id, as the list shows it.")],
    data: Data,
    database: DatabaseUrl = None,
) -> None:
    """Revoke a token or a certificate; it holds within a second."""
    target = parse_id(credential)
    with open_store(data, database) as store, store.database.transaction() as connection:
        store.platforms.revoke(connection, target)
        store.note(connection, "platform.revoked", target)
    say("revoked")


def parse_id(text: str) -> bytes:
    """Parse an id as lists show it. Raises ConfigError."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != ID_LEN:
        raise ConfigError("an id is 32 hexadecimal digits")
    return value


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(operator_app, name="operator")
    app.add_typer(platform_app, name="platform")
