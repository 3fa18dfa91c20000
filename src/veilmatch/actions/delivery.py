"""Deliver what is queued: leases, tries with growing pauses, dead letters.

A message reaches every active endpoint at least once: a killed worker's lease runs out and
another one tries again, under the same message id. Of one account's messages an endpoint
gets the next one only when the one in front is delivered or dead.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, select, update

from veilmatch.actions.endpoints import Endpoints
from veilmatch.actions.sending import Outcome, Request, Sender
from veilmatch.actions.signing import Scheme, sign_webhook
from veilmatch.actions.tables import action_delivery, action_endpoint, action_message
from veilmatch.clock import DAY_S, HOUR_S
from veilmatch.errors import ConfigError
from veilmatch.store.database import Database
from veilmatch.store.statements import insert, is_past
from veilmatch.wire import to_canonical_json

LEASE_S = 60
MAX_ATTEMPTS = 14
FIRST_PAUSE_S, LAST_PAUSE_S = 5, 6 * HOUR_S
KEEP_S = 30 * DAY_S
_SPREAD_COUNT = 256
_SENDER_COUNT = 4


@dataclass(frozen=True)
class Lease:
    """A delivery that this worker alone tries now."""

    number: int
    endpoint_id: bytes
    attempts: int
    token: bytes = field(repr=False)
    request: Request = field(repr=False)


@dataclass(frozen=True)
class DeadLetter:
    """A delivery that was given up."""

    number: int
    endpoint_id: bytes
    kind: str
    attempts: int
    reason: str


class Deliverer:
    """Tries what is due.

    Args:
        database: The store's database.
        endpoints: Opens the signing secrets.
        sender: Sends one try.
        clock: Gives seconds since 1970.
        chance: Gives a number in [0, 1), so that tries of many messages spread.
        is_stopping: Says that no other try shall begin.
    """

    def __init__(
        self,
        database: Database,
        endpoints: Endpoints,
        sender: Sender,
        clock: Callable[[], int],
        chance: Callable[[], float] = random.random,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._database, self._endpoints, self._sender = database, endpoints, sender
        self._clock, self._chance, self._is_stopping = clock, chance, is_stopping

    def run(self) -> int:
        """Try everything that is due now, several at once. Returns how many were delivered."""
        self.spread()
        with ThreadPoolExecutor(_SENDER_COUNT) as pool:
            return sum(pool.map(lambda _: self._run_until_idle(), range(_SENDER_COUNT)))

    def _run_until_idle(self) -> int:
        count = 0
        while not self._is_stopping() and (lease := self.lease()) is not None:
            outcome = self._sender.send(lease.request)
            self.settle(lease, outcome)
            count += outcome.delivered
        return count

    def spread(self) -> int:
        """Make a delivery of each new message for each active endpoint. Returns how many.

        Without an active endpoint messages stay queued.
        """
        message, now = action_message.c, self._clock()
        with self._database.transaction() as connection:
            active = connection.execute(
                select(action_endpoint.c.endpoint_id).where(action_endpoint.c.state == "active")
            ).scalars()
            ids = list(active)
            if not ids:
                return 0
            rows = connection.execute(
                select(message.number, message.account)
                .where(message.is_spread.is_(False))
                .order_by(message.number)
                .limit(_SPREAD_COUNT)
                .with_for_update(skip_locked=True)
            ).all()
            fresh = [
                {
                    "number": row.number,
                    "account": row.account,
                    "endpoint_id": one,
                    "state": "waiting",
                    "next_attempt_at": now,
                }
                for row in rows
                for one in ids
            ]
            if fresh:
                connection.execute(
                    insert(connection, action_delivery).on_conflict_do_nothing(), fresh
                )
                connection.execute(
                    update(action_message)
                    .where(message.number.in_([row.number for row in rows]))
                    .values(is_spread=True)
                )
        return len(fresh)

    def lease(self) -> Lease | None:
        """Take one delivery that is due; None if there is none."""
        now, token = self._clock(), secrets.token_bytes(16)
        with self._database.transaction() as connection:
            row = connection.execute(_due(now)).first()
            if row is None:
                return None
            taken = connection.execute(
                update(action_delivery)
                .where(
                    and_(
                        _is(row.number, row.endpoint_id),
                        action_delivery.c.state == "waiting",
                        action_delivery.c.lease_expires_at == row.lease_expires_at,
                        action_delivery.c.attempts == row.attempts,
                    )
                )
                .values(
                    lease_token=token,
                    lease_expires_at=now + LEASE_S,
                    attempts=row.attempts + 1,
                )
            )
            if not taken.rowcount:
                return None
        request = self._build_request(row, now)
        return Lease(row.number, row.endpoint_id, row.attempts + 1, token, request)

    def _build_request(self, row: Row[Any], now: int) -> Request:
        body = to_canonical_json(
            {
                "type": row.kind,
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.queued_at)),
                "number": row.number,
                "data": json.loads(row.body),
            }
        )
        message_id, scheme = f"msg_{row.message_id.hex()}", Scheme(row.scheme)
        signatures = [
            sign_webhook(scheme, secret, message_id, now, body)
            for secret in self._endpoints.open_secrets(row, now)
        ]
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": " ".join(signatures),
        }
        return Request(row.url, headers, body)

    def settle(self, lease: Lease, outcome: Outcome) -> None:
        """Note what came of a try, unless the lease has gone to another worker."""
        now = self._clock()
        values: dict[str, Any] = {"lease_token": None, "lease_expires_at": 0}
        if outcome.delivered:
            values |= {"state": "delivered", "delivered_at": now, "reason": ""}
        elif outcome.is_final or lease.attempts >= MAX_ATTEMPTS:
            values |= {"state": "dead", "reason": outcome.reason}
        else:
            pause = min(FIRST_PAUSE_S * 3 ** (lease.attempts - 1), LAST_PAUSE_S)
            pause += int(pause * 0.2 * self._chance())
            values |= {"next_attempt_at": now + pause, "reason": outcome.reason}
        with self._database.transaction() as connection:
            connection.execute(
                update(action_delivery)
                .where(
                    and_(
                        _is(lease.number, lease.endpoint_id),
                        action_delivery.c.lease_token == lease.token,
                    )
                )
                .values(values)
            )

    def purge(self) -> int:
        """Delete what was delivered more than 30 days ago. Returns how many deliveries."""
        done = action_delivery.c
        with self._database.transaction() as connection:
            gone = connection.execute(
                delete(action_delivery).where(
                    and_(done.state == "delivered", done.delivered_at < self._clock() - KEEP_S)
                )
            )
            left = select(done.number).where(done.number == action_message.c.number)
            connection.execute(
                delete(action_message).where(
                    and_(
                        action_message.c.is_spread,
                        action_message.c.queued_at < self._clock() - KEEP_S,
                        ~exists(left),
                    )
                )
            )
        return gone.rowcount


def list_dead(connection: Connection) -> list[DeadLetter]:
    """List the dead letters, oldest first."""
    done = action_delivery.c
    rows = connection.execute(
        select(done.number, done.endpoint_id, action_message.c.kind, done.attempts, done.reason)
        .join_from(action_delivery, action_message)
        .where(done.state == "dead")
        .order_by(done.number, done.endpoint_id)
    )
    return [DeadLetter(*row) for row in rows]


def retry_dead(connection: Connection, number: int, endpoint_id: bytes, now: int) -> None:
    """Try a dead letter again, from the first pause on. Raises ConfigError if it is not dead."""
    changed = connection.execute(
        update(action_delivery)
        .where(and_(_is(number, endpoint_id), action_delivery.c.state == "dead"))
        .values(state="waiting", attempts=0, next_attempt_at=now, reason="")
    )
    if not changed.rowcount:
        raise ConfigError("there is no such dead letter", hint="veilmatch actions dead")


def _is(number: int, endpoint_id: bytes) -> ColumnElement[bool]:
    done = action_delivery.c
    return and_(done.number == number, done.endpoint_id == endpoint_id)


def _due(now: int) -> Any:
    """Build the query for one delivery that is due and stands in front for its account."""
    done, front = action_delivery.c, action_delivery.alias("front")
    blocked = select(front.c.number).where(
        and_(
            front.c.endpoint_id == done.endpoint_id,
            front.c.account == done.account,
            front.c.state == "waiting",
            front.c.number < done.number,
        )
    )
    return (
        select(
            done.number,
            done.endpoint_id,
            done.attempts,
            done.lease_expires_at,
            action_message.c.message_id,
            action_message.c.kind,
            action_message.c.body,
            action_message.c.queued_at,
            action_endpoint.c.url,
            action_endpoint.c.scheme,
            action_endpoint.c.sealed_secret,
            action_endpoint.c.sealed_previous,
            action_endpoint.c.previous_until,
        )
        .join_from(action_delivery, action_message)
        .join(action_endpoint, action_endpoint.c.endpoint_id == done.endpoint_id)
        .where(
            and_(
                done.state == "waiting",
                is_past(done.next_attempt_at, now, LAST_PAUSE_S),
                is_past(done.lease_expires_at, now, LEASE_S),
                action_endpoint.c.state == "active",
                ~exists(blocked),
            )
        )
        .order_by(done.next_attempt_at, done.number)
        .limit(1)
        .with_for_update(of=action_delivery, skip_locked=True)
    )
