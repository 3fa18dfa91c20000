"""Actions reach the platform: signed, at least once, in order for each account."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import func, select
from standardwebhooks import Webhook, WebhookVerificationError

from tests.unit.actions.conftest import Clock, Receiver
from veilmatch.actions.delivery import (
    FIRST_PAUSE_S,
    KEEP_S,
    LEASE_S,
    MAX_ATTEMPTS,
    Deliverer,
    list_dead,
    retry_dead,
)
from veilmatch.actions.endpoints import Endpoints, NewSecret, check_url
from veilmatch.actions.outbox import ActionKind, enqueue
from veilmatch.actions.sending import HttpSender, Outcome, Request
from veilmatch.actions.signing import Scheme
from veilmatch.actions.tables import action_delivery, action_endpoint, action_message
from veilmatch.errors import ConfigError, EncodingError
from veilmatch.store.database import Database

ANNA, BEN = "aa" * 16, "bb" * 16
CASE = "cc" * 16


def _add(
    database: Database, endpoints: Endpoints, url: str, scheme: Scheme = Scheme.HMAC
) -> NewSecret:
    with database.transaction() as connection:
        return endpoints.add(connection, url, scheme)


def _queue(
    database: Database, kind: ActionKind = ActionKind.SUSPEND, account: str = ANNA, **more: Any
) -> bytes:
    with database.transaction() as connection:
        return enqueue(
            connection, kind, {"account": account, "case_id": CASE, **more}, 1_800_000_000
        )


def _count(database: Database, state: str) -> int:
    query = select(func.count()).where(action_delivery.c.state == state)
    with database.transaction() as connection:
        return connection.execute(query).scalar_one()


def test_signature_verifies_with_the_reference_package(
    database: Database, endpoints: Endpoints, deliverer: Deliverer, receiver: Receiver, clock: Clock
) -> None:
    clock.now = int(time.time())
    secret = _add(database, endpoints, receiver.url).shown
    message_id = _queue(database, ActionKind.TAKE_DOWN, asset_ids=["11" * 16, "22" * 16])
    assert deliverer.run() == 1
    ((headers, body),) = receiver.got
    said = Webhook(secret).verify(body, headers)
    assert said["type"] == "asset.take_down"
    assert said["data"] == {
        "account": ANNA,
        "case_id": CASE,
        "asset_ids": ["11" * 16, "22" * 16],
    }
    assert said["timestamp"] == "2027-01-15T08:00:00Z"
    assert headers["webhook-id"] == f"msg_{message_id.hex()}"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(bytes(32)).decode()).verify(body, headers)


def test_asymmetric_signature_verifies(
    database: Database, endpoints: Endpoints, deliverer: Deliverer, receiver: Receiver
) -> None:
    shown = _add(database, endpoints, receiver.url, Scheme.ED25519).shown
    assert shown.startswith("whpk_")
    _queue(database)
    deliverer.run()
    ((headers, body),) = receiver.got
    version, signature = headers["webhook-signature"].split(",")
    assert version == "v1a"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(shown.removeprefix("whpk_")))
    key.verify(base64.b64decode(signature), signed)


def test_rotated_secret_signs_beside_the_old_one_for_a_day(
    database: Database, endpoints: Endpoints, deliverer: Deliverer, receiver: Receiver, clock: Clock
) -> None:
    clock.now = int(time.time())
    old = _add(database, endpoints, receiver.url)
    with database.transaction() as connection:
        new = endpoints.rotate(connection, old.endpoint_id)
    _queue(database)
    deliverer.run()
    headers, body = receiver.got[0]
    for secret in (old.shown, new.shown):
        Webhook(secret).verify(body, headers)
    with database.transaction() as connection:
        row = connection.execute(select(action_endpoint)).one()
    assert len(endpoints.open_secrets(row, clock.now + 24 * 3600)) == 1
    assert old.shown not in repr(old)


def test_nothing_is_queued_without_its_decision(database: Database) -> None:
    def decide_and_fail() -> None:
        with database.transaction() as connection:
            enqueue(connection, "account.suspend", {"account": ANNA, "case_id": CASE}, 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        decide_and_fail()
    with database.transaction() as connection:
        assert connection.execute(select(func.count()).select_from(action_message)).scalar() == 0


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("account.delete", {"account": ANNA, "case_id": CASE}),
        ("account.suspend", {"case_id": CASE}),
        ("account.suspend", {"account": "anna", "case_id": CASE}),
        ("account.suspend", {"account": ANNA, "case_id": CASE, "picture": "00"}),
        ("asset.take_down", {"account": ANNA, "case_id": CASE}),
        ("asset.take_down", {"account": ANNA, "case_id": CASE, "asset_ids": []}),
        ("asset.take_down", {"account": ANNA, "case_id": CASE, "asset_ids": [7]}),
        ("appeal.decided", {"account": ANNA, "case_id": CASE}),
    ],
)
def test_unfit_actions_are_refused(database: Database, kind: str, body: dict[str, Any]) -> None:
    with database.transaction() as connection, pytest.raises(EncodingError):
        enqueue(connection, kind, body, 1)


def test_failures_are_tried_again_under_the_same_id(
    database: Database, endpoints: Endpoints, deliverer: Deliverer, receiver: Receiver, clock: Clock
) -> None:
    _add(database, endpoints, receiver.url)
    _queue(database)
    receiver.answers = [503, 302]
    assert deliverer.run() == 0
    assert deliverer.run() == 0
    assert len(receiver.got) == 1, "not before its pause is over"
    clock.now += FIRST_PAUSE_S
    assert deliverer.run() == 0
    assert receiver.paths == ["/hook", "/hook"], "no redirect is followed"
    clock.now += 3 * FIRST_PAUSE_S
    assert deliverer.run() == 1
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert {body for _, body in receiver.got} == {receiver.got[0][1]}
    clock.now += KEEP_S
    assert deliverer.purge() == 0
    clock.now += 1
    assert deliverer.purge() == 1
    with database.transaction() as connection:
        assert connection.execute(select(func.count()).select_from(action_message)).scalar() == 0


def test_dead_letters_are_listed_and_tried_again(
    database: Database, endpoints: Endpoints, deliverer: Deliverer, receiver: Receiver, clock: Clock
) -> None:
    _add(database, endpoints, receiver.url)
    _queue(database)
    receiver.answers = [500] * MAX_ATTEMPTS
    for _ in range(MAX_ATTEMPTS + 3):
        deliverer.run()
        clock.now += 7 * 3600
    assert len(receiver.got) == MAX_ATTEMPTS
    with database.transaction() as connection:
        (letter,) = list_dead(connection)
        assert (letter.kind, letter.attempts) == ("account.suspend", MAX_ATTEMPTS)
        assert letter.reason == "status 500"
        retry_dead(connection, letter.number, letter.endpoint_id, clock.now)
        with pytest.raises(ConfigError):
            retry_dead(connection, letter.number, letter.endpoint_id, clock.now)
    assert deliverer.run() == 1
    with database.transaction() as connection:
        assert list_dead(connection) == []


def test_gone_and_unreachable(
    database: Database, endpoints: Endpoints, deliverer: Deliverer, receiver: Receiver, clock: Clock
) -> None:
    _add(database, endpoints, receiver.url)
    _add(database, endpoints, "http://127.0.0.1:9/closed")
    _queue(database)
    receiver.answers = [410]
    assert deliverer.run() == 0
    assert _count(database, "dead") == 1
    with database.transaction() as connection:
        rows = connection.execute(select(action_delivery.c.reason)).scalars()
        assert sorted(rows) == ["not reached", "status 410"]


def test_one_accounts_messages_keep_their_order(
    database: Database, endpoints: Endpoints, deliverer: Deliverer, receiver: Receiver, clock: Clock
) -> None:
    _add(database, endpoints, receiver.url)
    receiver.answers = [503]
    _queue(database)
    deliverer.run()
    _queue(database, ActionKind.REINSTATE)
    _queue(database, ActionKind.SUSPEND, BEN)
    assert deliverer.run() == 1, "another account does not wait"
    clock.now += FIRST_PAUSE_S
    assert deliverer.run() == 2
    said = [json.loads(body) for _, body in receiver.got]
    assert [(one["type"], one["data"]["account"]) for one in said[-2:]] == [
        ("account.suspend", ANNA),
        ("account.reinstate", ANNA),
    ]
    assert said[-1]["number"] > said[-2]["number"]


def test_messages_wait_for_an_endpoint(
    database: Database, endpoints: Endpoints, deliverer: Deliverer, receiver: Receiver
) -> None:
    _queue(database)
    assert deliverer.run() == 0
    one = _add(database, endpoints, receiver.url)
    with database.transaction() as connection:
        endpoints.set_state(connection, one.endpoint_id, "disabled")
    assert deliverer.run() == 0
    with database.transaction() as connection:
        endpoints.set_state(connection, one.endpoint_id, "active")
    assert deliverer.run() == 1
    assert [e.url for e in endpoints.list_all()] == [receiver.url]


def test_a_lost_lease_is_taken_up_and_its_late_end_counts_for_nothing(
    database: Database, endpoints: Endpoints, deliverer: Deliverer, receiver: Receiver, clock: Clock
) -> None:
    _add(database, endpoints, receiver.url)
    _queue(database)
    deliverer.spread()
    lost = deliverer.lease()
    assert lost is not None
    assert deliverer.lease() is None
    clock.now += LEASE_S
    again = deliverer.lease()
    assert again is not None
    assert again.request.headers["webhook-id"] == lost.request.headers["webhook-id"]
    deliverer.settle(lost, Outcome(False, is_final=True))
    assert _count(database, "waiting") == 1
    deliverer.settle(again, Outcome(True))
    assert _count(database, "delivered") == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://platform.example/hook",
        "http://10.0.0.1/hook",
        "ftp://127.0.0.1/",
        "https://",
        "https://user:pw@platform.example/",
        "https://platform.example/#x",
        "https://169.254.169.254/latest",
        "https://169.254.169.254./latest",
        "https://2852039166/",
        "https://0xa9fea9fe/",
        "https://0251.0376.0251.0376/",
        "https://[::ffff:169.254.169.254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:a9fe:a9fe::1]/",
        "https://255.255.255.255/",
        "https://0/",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://platform.example:99999/",
        "https://platform.example/\n",
        "https://platform.example/" + "a" * 3000,
        "file:///etc/passwd",
        "",
    ],
)
def test_addresses_that_must_not_be_called_are_refused(
    database: Database, endpoints: Endpoints, url: str
) -> None:
    with pytest.raises(ConfigError):
        _add(database, endpoints, url)


def test_addresses_that_may_be_called() -> None:
    for url in (
        "https://platform.example/hook?x=1",
        "https://10.0.0.1/hook",
        "https://[2001:db8::1]/",
        "http://localhost:80/",
        "http://[::1]:8/",
    ):
        check_url(url)


def test_an_address_is_there_once_and_unknown_ones_are_refused(
    database: Database, endpoints: Endpoints
) -> None:
    _add(database, endpoints, "https://platform.example/")
    with pytest.raises(ConfigError):
        _add(database, endpoints, "https://platform.example/")
    with database.transaction() as connection, pytest.raises(ConfigError):
        endpoints.rotate(connection, bytes(16))
    with database.transaction() as connection, pytest.raises(ConfigError):
        endpoints.set_state(connection, bytes(16), "disabled")


def test_a_redirect_is_a_failure(receiver: Receiver) -> None:
    receiver.answers = [302]
    sender = HttpSender()
    assert sender.send(Request(receiver.url, {}, b"{}")) == Outcome(False, reason="status 302")
    sender.close()


def test_a_clock_that_was_set_back_holds_no_action_up(
    database: Database, endpoints: Endpoints, deliverer: Deliverer, receiver: Receiver, clock: Clock
) -> None:
    """A lease and a pause that end later than any could are over."""
    _add(database, endpoints, receiver.url)
    _queue(database)
    deliverer.spread()
    assert deliverer.lease() is not None
    clock.now -= LEASE_S
    assert deliverer.run() == 0
    clock.now -= 7 * 86_400
    assert deliverer.run() == 1
    assert len(receiver.got) == 1
