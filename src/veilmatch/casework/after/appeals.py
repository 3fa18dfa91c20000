"""Appeals: a user's objection, decided by a person who has not decided on the case before.

It comes by the platform, or by the user with a token that the platform handed out. The token
is sealed by the store's key: it cannot be made by others and tells nothing to who holds it.
Spec: ``spec/65-review.md`` section 8.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from sqlalchemy import Connection, and_, select, update

from veilmatch.access.roles import Principal, Role, require_role
from veilmatch.casework.after.actions import Actions
from veilmatch.casework.history import NOBODY, Desk, Loaded, hold_case, move
from veilmatch.casework.openings import open_item
from veilmatch.casework.queue import drop_claim, require_holder
from veilmatch.casework.tables import case_appeal, case_decision, case_feedback, review_case
from veilmatch.errors import ConfigError, DuplicateError, InputError, PolicyError, StoreError
from veilmatch.privatelog.log import LogEntry
from veilmatch.review.case import Acted, Appealed, Confirmed, Reported, Upheld
from veilmatch.review.decision import AppealOutcome, require_distinct
from veilmatch.review.states import CaseState
from veilmatch.store import schema
from veilmatch.transparency.entries.canonical import JsonObject, build_json
from veilmatch.transparency.records.record import hash_record

TEXT_LEN_MAX = 10_000
_TABLE, _COLUMN = "case_appeal", "text"
_SEALED_AS = "appeal_token"
_CASE_ID_LEN, _TIME_LEN = 16, 6
_TOKEN_TEXT_MAX = 200


@dataclass(frozen=True)
class AppealState:
    """What the user who holds a token is shown: where the appeal stands, and nothing else.

    Attributes:
        is_possible: An objection can still be made.
        state: ``none``, ``waiting``, ``open``, ``upheld`` or ``reinstated``.
    """

    is_possible: bool
    state: str


class Appeals:
    """Takes and decides appeals.

    Args:
        desk: Where the cases are.
        actions: What the platform is told.
    """

    def __init__(self, desk: Desk, actions: Actions | None = None) -> None:
        self._desk, self._actions = desk, actions or Actions()

    # -- tokens -------------------------------------------------------------------------

    def make_token(self, case_id: bytes, account: bytes, valid_s: int) -> str:
        """Make the token that the platform hands to its user.

        Raises:
            ConfigError: There is no such case of this account, or it was not confirmed.
        """
        with self._desk.database.transaction() as connection:
            self._require_account(connection, case_id, account)
        ends_at = self._desk.clock() + valid_s
        plain = case_id + ends_at.to_bytes(_TIME_LEN, "big")
        sealed = self._desk.crypter.seal(plain, _SEALED_AS, b"", "token")
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def read_token(self, token: str) -> bytes:
        """Read a token. Returns the case's id.

        Raises:
            PolicyError: It was not made here, or its time is over.
        """
        refused = PolicyError("this link is not valid", hint="ask the service for a new one")
        if len(token) > _TOKEN_TEXT_MAX or not token.isascii():
            raise refused
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
            plain = self._desk.crypter.open(sealed, _SEALED_AS, b"", "token")
        except (binascii.Error, ValueError, StoreError):
            raise refused from None
        if len(plain) != _CASE_ID_LEN + _TIME_LEN:
            raise refused
        if int.from_bytes(plain[_CASE_ID_LEN:], "big") <= self._desk.clock():
            raise refused
        return plain[:_CASE_ID_LEN]

    # -- receiving ----------------------------------------------------------------------

    def receive_from_platform(self, case_id: bytes, account: bytes, text: str) -> None:
        """Take an objection that the platform passes on.

        Args:
            case_id: As the platform was told it.
            account: Whose case it is; another account's case is as unknown as none.
            text: The user's words.

        Raises:
            ConfigError: There is no such confirmed case of this account.
            DuplicateError: There is an objection already.
            PolicyError: The time for it is over.
            InputError: The text is empty or too long.
        """
        with self._desk.database.transaction() as connection:
            self._require_account(connection, case_id, account)
            self._receive(connection, case_id, text, "platform")

    def receive_by_token(self, token: str, text: str) -> None:
        """Take an objection from who holds a token; errors as above."""
        case_id = self.read_token(token)
        with self._desk.database.transaction() as connection:
            self._receive(connection, case_id, text, "token")

    def _require_account(self, connection: Connection, case_id: bytes, account: bytes) -> None:
        file, case = schema.case_file.c, review_case.c
        once_confirmed = case.state.not_in(
            [
                one.value
                for one in (
                    CaseState.OPENED,
                    CaseState.HASH_CONFIRMED,
                    CaseState.CLAIMED,
                    CaseState.FIRST_DECIDED,
                    CaseState.SECOND_DECIDED,
                    CaseState.ESCALATED,
                    CaseState.REJECTED,
                )
            ]
        )
        found = connection.execute(
            select(file.case_id)
            .join_from(schema.case_file, review_case, file.case_id == case.case_id)
            .where(and_(file.case_id == case_id, file.account == account, once_confirmed))
        ).first()
        if found is None:
            raise ConfigError("this account has no such case")

    def _receive(self, connection: Connection, case_id: bytes, text: str, channel: str) -> None:
        if not text.strip() or len(text) > TEXT_LEN_MAX:
            raise InputError(f"an objection has 1 to {TEXT_LEN_MAX} characters")
        desk = self._desk
        loaded = hold_case(connection, desk, case_id)
        row = case_appeal.c
        if connection.execute(select(row.case_id).where(row.case_id == case_id)).first():
            raise DuplicateError("there is an objection to this case already")
        if not isinstance(loaded.case, Confirmed | Reported | Acted):
            raise PolicyError("the time for an objection is over")
        body = loaded.key(desk).seal(text.encode(), _TABLE, case_id, _COLUMN)
        now = desk.clock()
        detail: JsonObject = {"channel": channel, "text": hash_record(body).hex(), "at": now}
        is_open = not isinstance(loaded.case, Confirmed)  # else it waits for the receipt
        place = desk.log.append(connection, LogEntry("appeal.received", NOBODY, case_id, detail))
        connection.execute(
            case_appeal.insert().values(
                case_id=case_id,
                state="open" if is_open else "waiting",
                channel=channel,
                received_at=now,
                text_body=body,
                log_place=place,
            )
        )
        if not isinstance(loaded.case, Confirmed):
            move(connection, desk, loaded, loaded.case.appeal(), NOBODY)

    def state_by_token(self, token: str) -> AppealState:
        """Tell who holds a token where the appeal stands. Raises PolicyError."""
        case_id = self.read_token(token)
        appeal, decision = case_appeal.c, case_decision.c
        with self._desk.database.transaction() as connection:
            loaded = hold_case(connection, self._desk, case_id)
            state = connection.execute(
                select(appeal.state).where(appeal.case_id == case_id)
            ).scalar()
            outcome = connection.execute(
                select(decision.outcome).where(
                    and_(decision.case_id == case_id, decision.round == 4)
                )
            ).scalar()
        if state is None:
            possible = isinstance(loaded.case, Confirmed | Reported | Acted)
            return AppealState(possible, "none")
        ended = {"uphold": "upheld", "reinstate": "reinstated"}
        return AppealState(False, str(state) if outcome is None else ended[outcome])

    # -- deciding -----------------------------------------------------------------------

    def read_text(self, person: Principal, case_id: bytes) -> str:
        """Read the user's words. Raises PolicyError if this person does not hold the case."""
        require_role(person, Role.LEAD)
        desk = self._desk
        with desk.database.transaction() as connection:
            loaded = hold_case(connection, desk, case_id)
            require_holder(loaded, person, desk.clock())
            body = connection.execute(
                select(case_appeal.c.text_body).where(case_appeal.c.case_id == case_id)
            ).scalar()
            if body is None:
                raise ConfigError("there is no objection to this case")
            desk.log.append(connection, LogEntry("appeal.read", person.operator_id, case_id))
        return loaded.key(desk).open(body, _TABLE, case_id, _COLUMN).decode()

    def decide(
        self, person: Principal, case_id: bytes, outcome: AppealOutcome, note: str = ""
    ) -> CaseState:
        """Decide an appeal that this person holds.

        Reinstating tells the platform, and queues what hash providers and the negative list
        are told, all in this transaction.

        Raises:
            PolicyError: Not a lead, does not hold it, has decided on the case before, or the
                case is not under appeal.

        Source: spec/65-review.md rules A-1 to A-4.
        """
        require_role(person, Role.LEAD)
        desk = self._desk
        with desk.database.transaction() as connection:
            loaded = hold_case(connection, desk, case_id)
            require_holder(loaded, person, desk.clock())
            require_distinct(person.operator_id, loaded.decisions)
            if not isinstance(loaded.case, Appealed):
                raise PolicyError("this case is not under appeal")
            upheld = outcome is AppealOutcome.UPHOLD
            after = loaded.case.uphold() if upheld else loaded.case.reinstate()
            self._record(connection, loaded, person, outcome, note, after.state)
            if not isinstance(after, Upheld):
                self._queue_feedback(connection, loaded)
            account = connection.execute(
                select(schema.case_file.c.account).where(schema.case_file.c.case_id == case_id)
            ).scalar_one()
            self._actions.decide_appeal(connection, desk, case_id, account, outcome.value)
            drop_claim(connection, case_id)
            return after.state

    def _record(
        self,
        connection: Connection,
        loaded: Loaded,
        person: Principal,
        outcome: AppealOutcome,
        note: str,
        reached: CaseState,
    ) -> None:
        desk, case_id, now = self._desk, loaded.case_id, self._desk.clock()
        assert isinstance(loaded.case, Appealed)
        after = loaded.case.uphold() if reached is CaseState.UPHELD else loaded.case.reinstate()
        packed = build_json({"note": note})
        body = loaded.key(desk).seal(packed, "case_decision", case_id + b"\x04", "judgement")
        detail: JsonObject = {
            "round": 4,
            "outcome": outcome.value,
            "reason": "appeal",
            "judgement": hash_record(body).hex(),
            "claimed_at": loaded.row.claimed_at,
            "decided_at": now,
        }
        place = move(connection, desk, loaded, after, person.operator_id, detail)
        connection.execute(
            case_decision.insert().values(
                case_id=case_id,
                round=4,
                reviewer=person.operator_id,
                outcome=outcome.value,
                reason="appeal",
                claimed_at=loaded.row.claimed_at,
                decided_at=now,
                judgement_body=body,
                log_place=place,
            )
        )
        connection.execute(
            update(case_appeal).where(case_appeal.c.case_id == case_id).values(state="decided")
        )

    def _queue_feedback(self, connection: Connection, loaded: Loaded) -> None:
        """Keep the image hashes that matched wrongly until the lists' owners are told."""
        desk, case_id, key = self._desk, loaded.case_id, loaded.key(self._desk)
        items = schema.case_item
        rows = connection.execute(select(items).where(items.c.case_id == case_id)).all()
        hashes = sorted({open_item(key, case_id, row).image_hash for row in rows})
        packed = build_json({"hashes": [one.hex() for one in hashes]})
        connection.execute(
            case_feedback.insert().values(
                case_id=case_id,
                state="queued",
                queued_at=desk.clock(),
                hashes_body=key.seal(packed, "case_feedback", case_id, "hashes"),
            )
        )
        entry = LogEntry("feedback.queued", NOBODY, case_id, {"count": len(hashes)})
        desk.log.append(connection, entry)
