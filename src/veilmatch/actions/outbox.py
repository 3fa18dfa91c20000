"""Queue an action in the transaction of its decision."""

from __future__ import annotations

import enum
import secrets

from sqlalchemy import Connection

from veilmatch.actions.tables import action_message
from veilmatch.errors import EncodingError
from veilmatch.wire import Fields, Json, to_canonical_json

MESSAGE_ID_LEN, ACCOUNT_LEN = 16, 16
_MAX_BODY_LEN = 1 << 20
_MAX_IDS = 16_384


class ActionKind(enum.Enum):
    """What the platform is told."""

    CASE_CONFIRMED = "case.confirmed"
    TAKE_DOWN = "asset.take_down"
    SUSPEND = "account.suspend"
    REINSTATE = "account.reinstate"
    APPEAL_DECIDED = "appeal.decided"


def enqueue(connection: Connection, kind: ActionKind | str, body: Json, now: int) -> bytes:
    """Queue an action inside the caller's transaction: kept with the decision, or not at all.

    Args:
        connection: The decision's transaction.
        kind: What happened.
        body: ``account`` and ``case_id`` in hexadecimal; ``asset_ids`` (a list) with
            ``asset.take_down``; ``outcome`` (a word) with ``appeal.decided``. No picture,
            no hash, no name.
        now: Seconds since 1970.

    Returns:
        The message's id, 16 bytes; the receiver sees it with every try.

    Raises:
        EncodingError: An unknown kind, or a body that is not as said above.
    """
    try:
        known = ActionKind(kind)
    except ValueError as exc:
        raise EncodingError("there is no such action", field="kind") from exc
    account = _check_body(known, body)
    packed = to_canonical_json(body)
    if len(packed) > _MAX_BODY_LEN:
        raise EncodingError("an action is longer than a mebibyte", field="body")
    message_id = secrets.token_bytes(MESSAGE_ID_LEN)
    connection.execute(
        action_message.insert().values(
            message_id=message_id,
            kind=known.value,
            account=account,
            body=packed,
            queued_at=now,
        )
    )
    return message_id


def _check_body(kind: ActionKind, body: Json) -> bytes:
    """Check the fields of a body. Returns the account it is about."""
    fields = Fields(body, "an action")
    account = fields.hex("account", ACCOUNT_LEN)
    fields.hex("case_id", None)
    if kind is ActionKind.TAKE_DOWN:
        ids = fields.array("asset_ids", max_count=_MAX_IDS)
        if not ids:
            raise EncodingError("an action takes down at least one picture", field="asset_ids")
        for one in ids:
            entry = Fields({"asset_id": one}, "an action")
            entry.hex("asset_id", None)
    if kind is ActionKind.APPEAL_DECIDED:
        fields.text("outcome", max_len=64)
    fields.finish()
    return account
