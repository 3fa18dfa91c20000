"""Sessions of operators, kept on the server; the browser holds a random token.

A stolen database opens no session: only SHA-256 of a token is kept. Roles and state are read
afresh at each look, so that disabling an account ends its sessions at once.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from veilmatch.access.operators import principal_of
from veilmatch.access.roles import Principal
from veilmatch.access.tables import operator, operator_session
from veilmatch.clock import HOUR_S
from veilmatch.errors import SessionError
from veilmatch.store.database import Database

TOKEN_LEN = 32
MAX_AGE_S = 12 * HOUR_S
MAX_IDLE_S = 30 * 60
_SEEN_EVERY_S = 60
_MAX_TOKEN_TEXT = 64


def digest_of(token: str) -> bytes:
    """Return SHA-256 of a token, as the database keeps it."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def new_token() -> str:
    """Draw a token: 32 random bytes in URL-safe text."""
    return secrets.token_urlsafe(TOKEN_LEN)


class Sessions:
    """Opens, checks and closes sessions.

    Args:
        database: The store's database.
        clock: Gives seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def open(self, operator_id: bytes, *, stepped_up: bool = False) -> str:
        """Open a session for someone who has proven who they are. Returns its token.

        Args:
            operator_id: Whose.
            stepped_up: A passkey was part of the proof.
        """
        with self._database.transaction() as connection:
            return self.open_in(connection, operator_id, stepped_up=stepped_up)

    def open_in(
        self, connection: Connection, operator_id: bytes, *, stepped_up: bool = False
    ) -> str:
        """Open a session inside the caller's transaction. Returns its token."""
        token, now = new_token(), self._clock()
        connection.execute(
            operator_session.insert().values(
                token_digest=digest_of(token),
                operator_id=operator_id,
                opened_at=now,
                seen_at=now,
                stepped_up_at=now if stepped_up else None,
            )
        )
        connection.execute(delete(operator_session).where(_is_over(now)))
        return token

    def verify(self, token: str) -> Principal:
        """Return whose session it is.

        Raises:
            SessionError: Unknown, closed, too old, idle too long, or the account is disabled.
        """
        if not 0 < len(token) <= _MAX_TOKEN_TEXT:
            raise SessionError("there is no such session")
        digest, now = digest_of(token), self._clock()
        session = operator_session.c
        with self._database.transaction() as connection:
            row = connection.execute(
                select(operator, session.stepped_up_at, session.seen_at)
                .join_from(operator, operator_session)
                .where(
                    and_(
                        session.token_digest == digest,
                        operator.c.state == "active",
                        ~_is_over(now),
                    )
                )
            ).first()
            if row is None:
                raise SessionError("there is no such session")
            if now - row.seen_at >= _SEEN_EVERY_S:
                _change(connection, digest, seen_at=now)
        return principal_of(row, row.stepped_up_at)

    def step_up_in(self, connection: Connection, token: str) -> None:
        """Note that the session's person has just used a passkey."""
        _change(connection, digest_of(token), stepped_up_at=self._clock())

    def close(self, token: str) -> None:
        """Close a session; an unknown one is closed already."""
        with self._database.transaction() as connection:
            self.close_in(connection, token)

    def close_in(self, connection: Connection, token: str) -> None:
        """Close a session inside the caller's transaction."""
        connection.execute(
            delete(operator_session).where(operator_session.c.token_digest == digest_of(token))
        )

    def close_all_in(self, connection: Connection, operator_id: bytes) -> None:
        """Close all sessions of an account inside the caller's transaction."""
        connection.execute(
            delete(operator_session).where(operator_session.c.operator_id == operator_id)
        )


def _is_over(now: int) -> ColumnElement[bool]:
    session = operator_session.c
    # One of the future was opened before the clock was set back: whoever holds it signs in again.
    return (
        (session.opened_at <= now - MAX_AGE_S)
        | (session.seen_at <= now - MAX_IDLE_S)
        | (session.opened_at > now + MAX_IDLE_S)
        | (session.seen_at > now + MAX_IDLE_S)
    )


def _change(connection: Connection, digest: bytes, **values: int) -> None:
    connection.execute(
        update(operator_session).where(operator_session.c.token_digest == digest).values(**values)
    )
