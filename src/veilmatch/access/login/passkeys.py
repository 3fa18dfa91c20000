"""Passkeys (WebAuthn level 2): a second factor, and the step-up before what matters.

User verification is always required; a counter that does not grow is refused, since it
means a copied key.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import webauthn
from cryptography.exceptions import UnsupportedAlgorithm
from sqlalchemy import Connection, and_, func, select, update
from sqlalchemy.exc import IntegrityError
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from veilmatch.access.login.password import SECOND_FACTOR_STEP
from veilmatch.access.login.sites import PasskeySite as PasskeySite
from veilmatch.access.login.steps import LoginSteps, Step
from veilmatch.access.operators import read_operator
from veilmatch.access.roles import Principal, require_step_up
from veilmatch.access.sessions import Sessions, digest_of
from veilmatch.access.tables import operator_passkey, operator_session
from veilmatch.errors import InputError, PolicyError
from veilmatch.privatelog.log import LogEntry, PrivateLog
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.transparency.entries.canonical import JsonObject

FRESH_S = 600
"""A first passkey is added within ten minutes of logging in."""
_MAX_CREDENTIAL_LEN = 16_384
_MAX_PASSKEYS = 16
_REGISTER, _STEP_UP, _SECOND = "add passkey", "step up", "second factor passkey"
_REFUSED = "the passkey was refused"
# What the library raises for bytes of any kind; it does not promise one class.
_BAD = (WebAuthnException, UnsupportedAlgorithm, ValueError, KeyError, TypeError, IndexError)


@dataclass(frozen=True)
class Challenge:
    """What a page hands to the browser.

    Attributes:
        token: Finishes this challenge; for a cookie or a hidden field.
        options: JSON for ``navigator.credentials``.
    """

    token: str = field(repr=False)
    options: str = field(repr=False)


class Passkeys:
    """Adds and checks passkeys.

    Args:
        database: The store's database.
        crypter: Seals challenges.
        clock: Gives seconds since 1970.
        log: The private log.
        site: Which site they are bound to.
    """

    def __init__(
        self,
        database: Database,
        crypter: Crypter,
        clock: Callable[[], int],
        log: PrivateLog,
        site: PasskeySite,
    ) -> None:
        self._database, self._clock, self._log, self._site = database, clock, log, site
        self._sessions = Sessions(database, clock)
        self._steps = LoginSteps(crypter, clock)

    def begin_registration(self, session: str) -> Challenge:
        """Begin to add a passkey.

        The first one needs a session that was opened lately; another one needs a passkey.

        Raises:
            PolicyError: No session, not fresh, or not stepped up.
        """
        who = self._sessions.verify(session)
        with self._database.transaction() as connection:
            self._check_may_add(connection, who, session)
            challenge = os.urandom(32)
            options = webauthn.generate_registration_options(
                rp_id=self._site.rp_id,
                rp_name=self._site.name,
                user_id=who.operator_id,
                user_name=who.name,
                challenge=challenge,
                authenticator_selection=AuthenticatorSelectionCriteria(
                    resident_key=ResidentKeyRequirement.DISCOURAGED,
                    user_verification=UserVerificationRequirement.REQUIRED,
                ),
                exclude_credentials=_descriptors(connection, who.operator_id),
            )
            token = self._begin(connection, _REGISTER, who.operator_id, challenge)
        return Challenge(token, webauthn.options_to_json(options))

    def finish_registration(self, session: str, token: str, credential: str) -> None:
        """Add the passkey that the browser made; the session counts as stepped up.

        Raises:
            PolicyError: It does not verify, or the challenge is another person's.
        """
        who = self._sessions.verify(session)
        with self._database.transaction() as connection:
            challenge = _challenge_of(self._steps.take(connection, _REGISTER, token), who)
            self._check_may_add(connection, who, session)
            try:
                made = webauthn.verify_registration_response(
                    credential=_bounded(credential),
                    expected_challenge=challenge,
                    expected_rp_id=self._site.rp_id,
                    expected_origin=list(self._site.origins),
                    require_user_verification=True,
                )
            except _BAD as exc:
                raise PolicyError(_REFUSED) from exc
            try:
                with connection.begin_nested():
                    connection.execute(
                        operator_passkey.insert().values(
                            credential_id=made.credential_id,
                            operator_id=who.operator_id,
                            public_key=made.credential_public_key,
                            sign_count=made.sign_count,
                            added_at=self._clock(),
                        )
                    )
            except IntegrityError as exc:
                raise PolicyError("this passkey is there already") from exc
            self._sessions.step_up_in(connection, session)
            self._log.append(
                connection, LogEntry("passkey.added", who.operator_id, who.operator_id)
            )

    def begin_webauthn(self, session: str) -> Challenge:
        """Begin a step-up in an open session. Raises PolicyError if there is no passkey."""
        who = self._sessions.verify(session)
        with self._database.transaction() as connection:
            return self._begin_check(connection, _STEP_UP, who.operator_id)

    def finish_webauthn(self, session: str, token: str, credential: str) -> Principal:
        """Finish a step-up. Returns the principal, now stepped up.

        Raises:
            PolicyError: It does not verify, or the challenge is another person's.
        """
        who = self._sessions.verify(session)
        if self._finish_check(_STEP_UP, token, credential, who.operator_id, session) is None:
            raise PolicyError(_REFUSED)
        return self._sessions.verify(session)

    def begin_second_factor(self, ticket: str) -> Challenge:
        """Begin the second factor after a password with a passkey. Raises PolicyError."""
        with self._database.transaction() as connection:
            step = self._steps.look(connection, SECOND_FACTOR_STEP, ticket)
            return self._begin_check(connection, _SECOND, step.operator_id or b"")

    def finish_second_factor(self, ticket: str, token: str, credential: str) -> str:
        """Finish the second factor. Returns the token of a session that is stepped up.

        Raises:
            PolicyError: It does not verify, or the challenge is another person's.
        """
        with self._database.transaction() as connection:
            step = self._steps.look(connection, SECOND_FACTOR_STEP, ticket)
        owner = step.operator_id or b""
        session = self._finish_check(_SECOND, token, credential, owner, None, ticket)
        if session is None:
            raise PolicyError(_REFUSED)
        return session

    def _finish_check(
        self,
        kind: str,
        token: str,
        credential: str,
        owner: bytes,
        session: str | None,
        ticket: str = "",
    ) -> str | None:
        """Check an assertion; note success and refusal alike. Returns the session, or None."""
        factor: JsonObject = {"factor": "passkey"}
        with self._database.transaction() as connection:
            step = self._steps.take(connection, kind, token)
            good = (
                step.operator_id == owner
                and read_operator(connection, owner) is not None
                and self._verify(connection, owner, step, credential)
            )
            if not good:
                self._log.append(connection, LogEntry("login.refused", owner, owner, factor))
                return None
            if session is not None:
                self._sessions.step_up_in(connection, session)
                self._log.append(connection, LogEntry("step_up", owner, owner, factor))
                return session
            self._steps.take(connection, SECOND_FACTOR_STEP, ticket)
            opened = self._sessions.open_in(connection, owner, stepped_up=True)
            self._log.append(connection, LogEntry("login", owner, owner, factor))
            return opened

    def _verify(self, connection: Connection, owner: bytes, step: Step, credential: str) -> bool:
        table = operator_passkey.c
        try:
            raw_id = webauthn.base64url_to_bytes(str(json.loads(_bounded(credential))["id"]))
            row = connection.execute(
                select(operator_passkey).where(
                    and_(table.credential_id == raw_id, table.operator_id == owner)
                )
            ).first()
            if row is None:
                return False
            seen = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=bytes.fromhex(step.state["challenge"]),
                expected_rp_id=self._site.rp_id,
                expected_origin=list(self._site.origins),
                credential_public_key=row.public_key,
                credential_current_sign_count=row.sign_count,
                require_user_verification=True,
            )
        except _BAD:
            return False
        moved = connection.execute(
            update(operator_passkey)
            .where(and_(table.credential_id == raw_id, table.sign_count == row.sign_count))
            .values(sign_count=seen.new_sign_count)
        )
        return bool(moved.rowcount)

    def _begin_check(self, connection: Connection, kind: str, owner: bytes) -> Challenge:
        known = _descriptors(connection, owner)
        if not known:
            raise PolicyError("this account has no passkey", hint="add one after logging in")
        challenge = os.urandom(32)
        options = webauthn.generate_authentication_options(
            rp_id=self._site.rp_id,
            challenge=challenge,
            allow_credentials=known,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        token = self._begin(connection, kind, owner, challenge)
        return Challenge(token, webauthn.options_to_json(options))

    def _begin(self, connection: Connection, kind: str, owner: bytes, challenge: bytes) -> str:
        return self._steps.begin(connection, kind, owner, {"challenge": challenge.hex()})

    def _check_may_add(self, connection: Connection, who: Principal, session: str) -> None:
        now = self._clock()
        count = connection.execute(
            select(func.count()).where(operator_passkey.c.operator_id == who.operator_id)
        ).scalar_one()
        if count >= _MAX_PASSKEYS:
            raise PolicyError("this account has as many passkeys as it may have")
        if count:
            require_step_up(who, now)
            return
        opened_at = connection.execute(
            select(operator_session.c.opened_at).where(
                operator_session.c.token_digest == digest_of(session)
            )
        ).scalar()
        if opened_at is None or now - opened_at > FRESH_S:
            raise PolicyError("log in again before adding a passkey")


def _descriptors(connection: Connection, owner: bytes) -> list[PublicKeyCredentialDescriptor]:
    table = operator_passkey.c
    ids = connection.execute(select(table.credential_id).where(table.operator_id == owner))
    return [PublicKeyCredentialDescriptor(id=one) for one in ids.scalars()]


def _challenge_of(step: Step, who: Principal) -> bytes:
    if step.operator_id != who.operator_id:
        raise PolicyError(_REFUSED)
    return bytes.fromhex(step.state["challenge"])


def _bounded(credential: str) -> str:
    if len(credential) > _MAX_CREDENTIAL_LEN:
        raise InputError("a credential is too long")
    return credential
