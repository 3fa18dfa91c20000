"""Platforms: the back ends that speak for a host, by bearer token or client certificate."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, and_, select, update
from sqlalchemy.exc import IntegrityError

from veilmatch.access.gate.snapshot import move_gate
from veilmatch.access.operators import clean_text
from veilmatch.access.sessions import digest_of, new_token
from veilmatch.access.tables import platform, platform_credential
from veilmatch.clock import DAY_S
from veilmatch.errors import ConfigError
from veilmatch.store.database import Database

ID_LEN = 16
TOKEN_PREFIX = "vmp_"  # noqa: S105  a mark that leaked tokens are found by
MAX_VALID_S = 400 * DAY_S
_MAX_NAME_LEN = 64


@dataclass(frozen=True)
class PlatformSummary:
    """What a list of platforms shows."""

    platform_id: bytes
    name: str
    state: str


@dataclass(frozen=True)
class CredentialSummary:
    """What a list of credentials shows: nothing that opens anything."""

    credential_id: bytes
    kind: str
    created_at: int
    expires_at: int
    revoked_at: int | None


@dataclass(frozen=True)
class NewToken:
    """A bearer token, shown once."""

    credential_id: bytes
    token: str = field(repr=False)


class Platforms:
    """Keeps platforms and what they prove themselves with.

    Args:
        database: The store's database.
        clock: Gives seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def add(self, connection: Connection, name: str) -> bytes:
        """Add a platform. Returns its id. Raises ConfigError if the name is unfit or taken."""
        if not 0 < len(name) <= _MAX_NAME_LEN or not name.isprintable():
            raise ConfigError("a name has 1 to 64 printable characters", setting="name")
        platform_id = secrets.token_bytes(ID_LEN)
        try:
            with connection.begin_nested():
                connection.execute(
                    platform.insert().values(
                        platform_id=platform_id,
                        name=clean_text(name),
                        state="active",
                        created_at=self._clock(),
                    )
                )
        except IntegrityError as exc:
            raise ConfigError("there is a platform of this name already") from exc
        return platform_id

    def set_state(self, connection: Connection, platform_id: bytes, state: str) -> None:
        """Make a platform active or disabled. Raises ConfigError if there is none."""
        changed = connection.execute(
            update(platform).where(platform.c.platform_id == platform_id).values(state=state)
        )
        if not changed.rowcount:
            raise _missing()
        move_gate(connection)

    def add_token(self, connection: Connection, platform_id: bytes, valid_s: int) -> NewToken:
        """Make a bearer token. Raises ConfigError."""
        token = TOKEN_PREFIX + new_token()
        credential_id = self._add(connection, platform_id, "token", digest_of(token), valid_s)
        return NewToken(credential_id, token)

    def add_certificate(
        self, connection: Connection, platform_id: bytes, pem: bytes, valid_s: int
    ) -> bytes:
        """Accept a client certificate for a platform. Returns the credential's id.

        Raises:
            ConfigError: Not a certificate in PEM, or one that is known already.
        """
        try:
            certificate = x509.load_pem_x509_certificate(pem)
        except ValueError as exc:
            raise ConfigError("this is no certificate in PEM", setting="certificate") from exc
        digest = fingerprint_of(certificate.public_bytes(Encoding.DER))
        return self._add(connection, platform_id, "certificate", digest, valid_s)

    def revoke(self, connection: Connection, credential_id: bytes) -> None:
        """Revoke a token or a certificate. Raises ConfigError if there is none."""
        table = platform_credential.c
        changed = connection.execute(
            update(platform_credential)
            .where(and_(table.credential_id == credential_id, table.revoked_at.is_(None)))
            .values(revoked_at=self._clock())
        )
        if not changed.rowcount:
            raise ConfigError("there is no such credential", hint="veilmatch platform list")
        move_gate(connection)

    def find(self, name: str) -> bytes:
        """Return the id of the platform of that name. Raises ConfigError."""
        with self._database.transaction() as connection:
            found: bytes | None = connection.execute(
                select(platform.c.platform_id).where(platform.c.name == clean_text(name))
            ).scalar()
        if found is None:
            raise _missing()
        return found

    def list_all(self) -> list[PlatformSummary]:
        """List all platforms by name."""
        with self._database.transaction() as connection:
            rows = connection.execute(select(platform).order_by(platform.c.name)).all()
        return [PlatformSummary(row.platform_id, row.name, row.state) for row in rows]

    def list_credentials(self, platform_id: bytes) -> list[CredentialSummary]:
        """List a platform's tokens and certificates, oldest first."""
        table = platform_credential.c
        with self._database.transaction() as connection:
            rows = connection.execute(
                select(
                    table.credential_id,
                    table.kind,
                    table.created_at,
                    table.expires_at,
                    table.revoked_at,
                )
                .where(table.platform_id == platform_id)
                .order_by(table.created_at, table.credential_id)
            ).all()
        return [CredentialSummary(*row) for row in rows]

    def _add(
        self, connection: Connection, platform_id: bytes, kind: str, digest: bytes, valid_s: int
    ) -> bytes:
        if not 0 < valid_s <= MAX_VALID_S:
            raise ConfigError("a credential is valid for 1 second to 400 days", setting="valid")
        known = select(platform.c.platform_id).where(platform.c.platform_id == platform_id)
        if connection.execute(known).first() is None:
            raise _missing()
        credential_id, now = secrets.token_bytes(ID_LEN), self._clock()
        try:
            with connection.begin_nested():
                connection.execute(
                    platform_credential.insert().values(
                        credential_id=credential_id,
                        platform_id=platform_id,
                        kind=kind,
                        digest=digest,
                        created_at=now,
                        expires_at=now + valid_s,
                    )
                )
        except IntegrityError as exc:
            raise ConfigError("this certificate is known already") from exc
        move_gate(connection)
        return credential_id


def fingerprint_of(der: bytes) -> bytes:
    """Return SHA-256 of a certificate's DER form."""
    return hashlib.sha256(der).digest()


def _missing() -> ConfigError:
    return ConfigError("there is no such platform", hint="veilmatch platform list")
