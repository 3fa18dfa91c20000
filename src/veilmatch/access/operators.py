"""Operators: accounts of people, their secrets and their roles."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyotp
from argon2 import PasswordHasher
from sqlalchemy import Connection, Row, and_, select, update
from sqlalchemy.exc import IntegrityError

from veilmatch.access.roles import Principal, Role, check_roles
from veilmatch.access.tables import operator
from veilmatch.errors import ConfigError, PolicyError
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database

OPERATOR_ID_LEN = 16
MIN_PASSWORD_LEN = 12
MAX_PASSWORD_LEN = 256
_MAX_NAME_LEN = 64
_ISSUER_NAME = "Veilmatch"

hasher = PasswordHasher()
"""argon2id with the second recommended set of RFC 9106 (64 MiB, three passes)."""


@dataclass(frozen=True)
class OperatorSummary:
    """What a list of operators shows."""

    operator_id: bytes
    name: str
    state: str
    roles: frozenset[Role]
    has_password: bool
    has_totp: bool
    has_issuer: bool

    def __repr__(self) -> str:
        return "OperatorSummary(<private>)"


@dataclass(frozen=True)
class NewOperator:
    """What is said when an account is made.

    Attributes:
        name: 1 to 64 printable characters.
        roles: At least one; reviewer or lead and admin exclude each other.
        password: At least 12 characters, or none for an account of an issuer.
        issuer: OpenID Connect issuer, or empty.
        subject: The person's subject there, or empty.
    """

    name: str
    roles: frozenset[Role]
    password: str = ""
    issuer: str = ""
    subject: str = ""

    def __repr__(self) -> str:
        return "NewOperator(<private>)"


class Operators:
    """Keeps the accounts. Every method that changes takes the caller's transaction.

    Args:
        database: The store's database.
        crypter: Seals TOTP secrets.
        clock: Gives seconds since 1970.
    """

    def __init__(self, database: Database, crypter: Crypter, clock: Callable[[], int]) -> None:
        self._database, self._crypter, self._clock = database, crypter, clock

    def add(self, connection: Connection, new: NewOperator) -> bytes:
        """Make an account. Returns its id.

        Raises:
            ConfigError: A name that is taken or unfit, a short password, unfit roles.
        """
        check_roles(new.roles)
        if not 0 < len(new.name) <= _MAX_NAME_LEN or not new.name.isprintable():
            raise ConfigError("a name has 1 to 64 printable characters", setting="name")
        if not new.password and not (new.issuer and new.subject):
            raise ConfigError("an account needs a password, or an issuer and a subject")
        operator_id = secrets.token_bytes(OPERATOR_ID_LEN)
        values: dict[str, Any] = {
            "operator_id": operator_id,
            "name": new.name,
            "state": "active",
            "created_at": self._clock(),
            "password_hash": hash_password(new.password) if new.password else None,
            "issuer": new.issuer or None,
            "subject": new.subject or None,
        } | _role_columns(new.roles)
        try:
            # A savepoint: on PostgreSQL a failed statement would end the caller's transaction.
            with connection.begin_nested():
                connection.execute(operator.insert().values(values))
        except IntegrityError as exc:
            raise ConfigError("there is an account of this name or subject already") from exc
        return operator_id

    def set_state(self, connection: Connection, operator_id: bytes, state: str) -> None:
        """Make an account active or disabled. Raises ConfigError if there is none."""
        _change(connection, operator_id, state=state)

    def set_roles(self, connection: Connection, operator_id: bytes, roles: frozenset[Role]) -> None:
        """Give an account other roles. Raises ConfigError."""
        check_roles(roles)
        _change(connection, operator_id, **_role_columns(roles))

    def set_password(self, connection: Connection, operator_id: bytes, password: str) -> None:
        """Give an account another password. Raises ConfigError if it is short."""
        _change(connection, operator_id, password_hash=hash_password(password))

    def make_totp(self, connection: Connection, operator_id: bytes) -> str:
        """Make a fresh TOTP secret. Returns the address for an authenticator, shown once.

        Raises:
            ConfigError: There is no such account.
        """
        secret = pyotp.random_base32()
        sealed = self._crypter.seal(secret.encode(), "operator", operator_id, "totp")
        _change(connection, operator_id, sealed_totp=sealed, totp_step=0)
        name = connection.execute(
            select(operator.c.name).where(operator.c.operator_id == operator_id)
        ).scalar_one()
        return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=_ISSUER_NAME)

    def open_totp(self, row: Row[Any]) -> pyotp.TOTP:
        """Open the TOTP secret of an operator's row. Raises PolicyError if it has none."""
        if row.sealed_totp is None:
            raise PolicyError("the login was refused")
        secret = self._crypter.open(row.sealed_totp, "operator", row.operator_id, "totp")
        return pyotp.TOTP(secret.decode())

    def find(self, name: str) -> bytes:
        """Return the id of the account of that name. Raises ConfigError."""
        with self._database.transaction() as connection:
            found: bytes | None = connection.execute(
                select(operator.c.operator_id).where(operator.c.name == clean_text(name))
            ).scalar()
        if found is None:
            raise ConfigError("there is no operator of that name", hint="veilmatch operator list")
        return found

    def list_all(self) -> list[OperatorSummary]:
        """List all accounts by name."""
        with self._database.transaction() as connection:
            rows = connection.execute(select(operator).order_by(operator.c.name)).all()
        return [
            OperatorSummary(
                row.operator_id,
                row.name,
                row.state,
                roles_of(row),
                row.password_hash is not None,
                row.sealed_totp is not None,
                row.issuer is not None,
            )
            for row in rows
        ]


def read_operator(connection: Connection, operator_id: bytes) -> Row[Any] | None:
    """Return the row of an active account, None if it is gone or disabled."""
    return connection.execute(
        select(operator).where(
            and_(operator.c.operator_id == operator_id, operator.c.state == "active")
        )
    ).first()


def roles_of(row: Row[Any]) -> frozenset[Role]:
    """Return the roles of an operator's row."""
    return frozenset(role for role in Role if getattr(row, f"is_{role.value}"))


def principal_of(row: Row[Any], stepped_up_at: int | None) -> Principal:
    """Make the principal of an operator's row."""
    return Principal(row.operator_id, row.name, roles_of(row), stepped_up_at)


def clean_text(text: str) -> str:
    """Return text that every database takes: no half of a pair, no NUL."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def hash_password(password: str) -> str:
    """Hash a password with argon2id. Raises ConfigError if it is short or too long."""
    if not MIN_PASSWORD_LEN <= len(password) <= MAX_PASSWORD_LEN:
        raise ConfigError("a password has 12 to 256 characters", setting="password")
    return hasher.hash(clean_text(password))


def _role_columns(roles: frozenset[Role]) -> dict[str, bool]:
    return {f"is_{role.value}": role in roles for role in Role}


def _change(connection: Connection, operator_id: bytes, **values: object) -> None:
    changed = connection.execute(
        update(operator).where(operator.c.operator_id == operator_id).values(**values)
    )
    if not changed.rowcount:
        raise ConfigError("there is no such operator", hint="veilmatch operator list")
