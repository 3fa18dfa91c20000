"""What was begun and must be finished soon, once, by the same browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, select

from veilmatch.access.sessions import digest_of, new_token
from veilmatch.access.tables import login_step
from veilmatch.errors import PolicyError
from veilmatch.store.crypter import Crypter
from veilmatch.wire import Json, to_canonical_json

MAX_AGE_S = 300


@dataclass(frozen=True)
class Step:
    """What was begun.

    Attributes:
        operator_id: Whose, or None if nobody is known yet.
        state: What was noted at the beginning.
    """

    operator_id: bytes | None = field(repr=False)
    state: Json = field(repr=False)


class LoginSteps:
    """Keeps beginnings; a token opens each, once.

    Args:
        crypter: Seals what is noted.
        clock: Gives seconds since 1970.
    """

    def __init__(self, crypter: Crypter, clock: Callable[[], int]) -> None:
        self._crypter, self._clock = crypter, clock

    def begin(
        self, connection: Connection, kind: str, operator_id: bytes | None, state: Json
    ) -> str:
        """Note a beginning. Returns the token that finishes it within five minutes."""
        token, now = new_token(), self._clock()
        digest = digest_of(token)
        connection.execute(delete(login_step).where(login_step.c.expires_at <= now))
        connection.execute(
            login_step.insert().values(
                token_digest=digest,
                kind=kind,
                operator_id=operator_id,
                sealed_state=self._crypter.seal(
                    to_canonical_json(state), "login_step", digest, "state"
                ),
                expires_at=now + MAX_AGE_S,
            )
        )
        return token

    def look(self, connection: Connection, kind: str, token: str) -> Step:
        """Return a beginning and leave it. Raises PolicyError if there is none."""
        row = connection.execute(select(login_step).where(self._is(kind, token))).first()
        return self._open(row)

    def take(self, connection: Connection, kind: str, token: str) -> Step:
        """Return a beginning and end it; of two who try, one gets it. Raises PolicyError."""
        which = self._is(kind, token)
        row = connection.execute(select(login_step).where(which)).first()
        if not connection.execute(delete(login_step).where(which)).rowcount:
            row = None
        return self._open(row)

    def _is(self, kind: str, token: str) -> ColumnElement[bool]:
        table = login_step.c
        return and_(
            table.token_digest == digest_of(token),
            table.kind == kind,
            table.expires_at > self._clock(),
        )

    def _open(self, row: Row[Any] | None) -> Step:
        if row is None:
            raise PolicyError("this login was not begun or took too long", hint="begin again")
        opened = self._crypter.open(row.sealed_state, "login_step", row.token_digest, "state")
        return Step(row.operator_id, json.loads(opened))
