"""The platform's actions for a case, queued in the decision's transaction and named in the log.

Spec: ``spec/65-review.md`` section 7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from veilmatch.actions.outbox import ActionKind
from veilmatch.actions.outbox import enqueue as enqueue_action
from veilmatch.casework.history import NOBODY, Desk
from veilmatch.casework.tables import case_action
from veilmatch.privatelog.log import LogEntry
from veilmatch.transparency.entries.canonical import JsonObject
from veilmatch.wire import Json

ActionSink = Callable[[Connection, ActionKind, Json, int], bytes]
"""Queues an action inside the caller's transaction: ``actions.outbox.enqueue``."""


@dataclass(frozen=True)
class Actions:
    """Which actions a confirmed case sets off.

    Attributes:
        sink: Where they are queued.
        suspends: Whether the account is suspended as well.
    """

    sink: ActionSink = enqueue_action
    suspends: bool = True

    def confirm(
        self,
        connection: Connection,
        desk: Desk,
        case_id: bytes,
        account: bytes,
        asset_ids: Sequence[bytes],
    ) -> None:
        """Tell of a confirmed case: take the pictures down, suspend the account."""
        body = _body(case_id, account)
        self._queue(connection, desk, case_id, ActionKind.CASE_CONFIRMED, body)
        if asset_ids:
            listed = {"asset_ids": [one.hex() for one in asset_ids]}
            self._queue(connection, desk, case_id, ActionKind.TAKE_DOWN, body | listed)
        if self.suspends:
            self._queue(connection, desk, case_id, ActionKind.SUSPEND, body)

    def decide_appeal(
        self, connection: Connection, desk: Desk, case_id: bytes, account: bytes, outcome: str
    ) -> None:
        """Tell how an appeal ended, and undo what was done if it was wrong."""
        body = _body(case_id, account)
        if outcome == "reinstate":
            self._queue(connection, desk, case_id, ActionKind.REINSTATE, body)
        said = body | {"outcome": outcome}
        self._queue(connection, desk, case_id, ActionKind.APPEAL_DECIDED, said)

    def _queue(
        self, connection: Connection, desk: Desk, case_id: bytes, kind: ActionKind, body: Json
    ) -> None:
        message_id = self.sink(connection, kind, body, desk.clock())
        detail: JsonObject = {"action": kind.value, "message": message_id.hex()}
        place = desk.log.append(connection, LogEntry("action.queued", NOBODY, case_id, detail))
        connection.execute(
            case_action.insert().values(
                message_id=message_id, case_id=case_id, kind=kind.value, log_place=place
            )
        )


def _body(case_id: bytes, account: bytes) -> Json:
    return {"account": account.hex(), "case_id": case_id.hex()}
