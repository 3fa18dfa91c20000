"""Messages that were given up: who sees them, trying again, and what the page never shows."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from tests.console.world import ACCOUNT, World
from veilmatch.actions.delivery import Deliverer, list_dead
from veilmatch.actions.endpoints import Endpoints
from veilmatch.actions.outbox import ActionKind, enqueue
from veilmatch.actions.sending import Outcome, Request
from veilmatch.actions.signing import Scheme
from veilmatch.actions.tables import action_delivery
from veilmatch.privatelog.tables import private_entry


class Refusing:
    """A receiver that is there and takes nothing."""

    def send(self, request: Request) -> Outcome:
        """Answer as such a receiver does."""
        assert request.url.startswith("http://127.0.0.1")
        return Outcome(delivered=False, reason="status 500")


def give_up(world: World, count: int = 1) -> bytes:
    """Queue messages and let a receiver that is not there refuse them. Returns the address's id."""
    endpoints = Endpoints(world.database, world.crypter, world.clock)
    with world.database.transaction() as connection:
        made = endpoints.add(connection, "http://127.0.0.1:9/hook", Scheme.HMAC)
        for _ in range(count):
            body = {"account": ACCOUNT.hex(), "case_id": bytes(16).hex()}
            enqueue(connection, ActionKind.CASE_CONFIRMED, body, world.clock())
    deliverer = Deliverer(world.database, endpoints, Refusing(), world.clock)
    for _ in range(40):
        deliverer.run()
        with world.database.transaction() as connection:
            if len(list_dead(connection)) == count:
                return made.endpoint_id
        world.clock.ahead += 3 * 86_400
    pytest.fail("the message was never given up")


def test_an_operator_sees_what_was_given_up_and_tries_it_again(world: World) -> None:
    endpoint_id = give_up(world)
    olga = world.person("olga")
    assert olga.client.get("/review").headers["location"] == "/review/deliveries"
    status, page = olga.get("/review/deliveries")
    assert status == 200
    assert endpoint_id.hex() in page
    assert "a case was confirmed" in page
    for private in (ACCOUNT.hex(), bytes(16).hex(), "127.0.0.1"):
        assert private not in page
    with world.database.transaction() as connection:
        (letter,) = list_dead(connection)
    address = f"/review/deliveries/{letter.number}/{endpoint_id.hex()}/again"
    assert olga.where(address) == "/review/deliveries?done=again"
    assert "tried again" in olga.get("/review/deliveries?done=again")[1]
    with world.database.transaction() as connection:
        row = connection.execute(select(action_delivery)).one()
        entry = private_entry.c
        query = select(entry.actor, entry.subject, entry.record).where(
            entry.kind == "webhook.retried"
        )
        logged = connection.execute(query).one()
    assert (row.state, row.attempts) == ("waiting", 0)
    assert (logged.actor, logged.subject) == (world.ids["olga"], endpoint_id)
    assert json.loads(logged.record)["detail"] == {}
    assert olga.send(address)[0] == 404  # it is not dead any more


def test_an_auditor_reads_and_mends_nothing(world: World) -> None:
    endpoint_id = give_up(world)
    abel = world.person("abel")
    status, page = abel.get("/review/deliveries")
    assert status == 200
    assert endpoint_id.hex() in page
    assert "Try again" not in page
    assert abel.send(f"/review/deliveries/1/{endpoint_id.hex()}/again")[0] == 403
    with world.database.transaction() as connection:
        assert len(list_dead(connection)) == 1


@pytest.mark.parametrize(
    "place",
    ["1/zz", "1/00", "x/" + "00" * 16, "-1/" + "00" * 16, "9" * 40 + "/" + "00" * 16],
)
def test_addresses_that_name_no_message(world: World, place: str) -> None:
    assert world.person("olga").send(f"/review/deliveries/{place}/again")[0] == 404


def test_nothing_given_up_is_said(world: World) -> None:
    assert "Nothing was given up." in world.person("adam").get("/review/deliveries")[1]
