"""First factor: a password. Second factor: a code of an authenticator (TOTP, RFC 6238).

Every attempt that is not turned away by a limit becomes an entry of the private log.
"""

from __future__ import annotations

import functools
import hmac
import secrets
from collections.abc import Callable

from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, and_, select, update

from veilmatch.access.login.attempts import (
    ADDRESS,
    NAME,
    NAME_AND_ADDRESS,
    SECOND_FACTOR,
    count_attempt,
    forget_attempts,
)
from veilmatch.access.login.steps import LoginSteps
from veilmatch.access.operators import (
    MAX_PASSWORD_LEN,
    Operators,
    clean_text,
    hasher,
    read_operator,
)
from veilmatch.access.sessions import Sessions
from veilmatch.access.tables import operator
from veilmatch.errors import PolicyError
from veilmatch.privatelog.log import LogEntry, PrivateLog
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.wire import length_prefixed

SECOND_FACTOR_STEP = "second factor"
_STEP_S = 30
_REFUSED = "the login was refused"


class Logins:
    """Logs operators in and out.

    Args:
        database: The store's database.
        crypter: Seals what is noted between two steps.
        clock: Gives seconds since 1970.
        log: The private log.
    """

    def __init__(
        self, database: Database, crypter: Crypter, clock: Callable[[], int], log: PrivateLog
    ) -> None:
        self._database, self._clock, self._log = database, clock, log
        self._operators = Operators(database, crypter, clock)
        self._sessions = Sessions(database, clock)
        self._steps = LoginSteps(crypter, clock)

    def login_password(self, name: str, password: str, address: str) -> str:
        """Check a name and a password.

        Args:
            name: The account's name.
            password: Its password.
            address: Where the person comes from; for limits only, kept as a digest for a day.

        Returns:
            A ticket for the second factor, good for five minutes. It opens nothing by itself.

        Raises:
            PolicyError: Refused; the same whether the name or the password is wrong.
            LimitError: Too many attempts.
        """
        name = clean_text(name)
        who, where = name.encode(), clean_text(address).encode()
        with self._database.transaction() as connection:
            now = self._clock()
            count_attempt(connection, ADDRESS, where, now)
            count_attempt(connection, NAME, who, now)
            count_attempt(connection, NAME_AND_ADDRESS, length_prefixed(who[:256], where), now)
            row = connection.execute(
                select(operator).where(and_(operator.c.name == name, _IS_ACTIVE))
            ).first()
        known = None if row is None else row.password_hash
        # Outside the transaction: it takes long on purpose.
        good = _verify(known or _nobody(), password) and known is not None
        with self._database.transaction() as connection:
            if good and row is not None:
                if hasher.check_needs_rehash(row.password_hash):
                    self._operators.set_password(connection, row.operator_id, password)
                forget_attempts(connection, NAME_AND_ADDRESS, length_prefixed(who[:256], where))
                return self._steps.begin(connection, SECOND_FACTOR_STEP, row.operator_id, {})
            actor = b"" if row is None else row.operator_id
            self._log.append(
                connection, LogEntry("login.refused", actor, actor, {"factor": "password"})
            )
        raise PolicyError(_REFUSED)

    def login_totp(self, ticket: str, code: str) -> str:
        """Check the second factor and open a session. Returns the session's token.

        A code is good once, also for somebody who watched it being typed.

        Raises:
            PolicyError: The code or the ticket is not good. LimitError: Too many attempts.
        """
        with self._database.transaction() as connection:
            step = self._steps.look(connection, SECOND_FACTOR_STEP, ticket)
            operator_id = step.operator_id or b""
            count_attempt(connection, SECOND_FACTOR, operator_id, self._clock())
        with self._database.transaction() as connection:
            if self._use_code(connection, operator_id, code):
                self._steps.take(connection, SECOND_FACTOR_STEP, ticket)
                forget_attempts(connection, SECOND_FACTOR, operator_id)
                token = self._sessions.open_in(connection, operator_id)
                self._log.append(
                    connection, LogEntry("login", operator_id, operator_id, {"factor": "totp"})
                )
                return token
            self._log.append(
                connection, LogEntry("login.refused", operator_id, operator_id, {"factor": "totp"})
            )
        raise PolicyError(_REFUSED)

    def _use_code(self, connection: Connection, operator_id: bytes, code: str) -> bool:
        row = read_operator(connection, operator_id)
        if row is None or row.sealed_totp is None:
            return False
        totp, step = self._operators.open_totp(row), self._clock() // _STEP_S
        given = clean_text(code).encode()
        good = [
            near
            for near in (step - 1, step, step + 1)
            if hmac.compare_digest(totp.generate_otp(near).encode(), given)
        ]
        if not good:
            return False
        used = connection.execute(
            update(operator)
            .where(and_(operator.c.operator_id == operator_id, operator.c.totp_step < max(good)))
            .values(totp_step=max(good))
        )
        return bool(used.rowcount)

    def logout(self, token: str) -> None:
        """Close a session and note it; an unknown one is closed already."""
        try:
            who = self._sessions.verify(token)
        except PolicyError:
            return
        with self._database.transaction() as connection:
            self._sessions.close_in(connection, token)
            self._log.append(connection, LogEntry("logout", who.operator_id, who.operator_id))


@functools.cache
def _nobody() -> str:
    # A name that is not there costs as much time as one that is.
    return hasher.hash(secrets.token_urlsafe(32))


_IS_ACTIVE = operator.c.state == "active"


def _verify(known: str, password: str) -> bool:
    try:
        return hasher.verify(known, clean_text(password[: MAX_PASSWORD_LEN + 1]))
    except (VerificationError, InvalidHashError):
        return False
