"""Requests twice at the same time, in any order, cut anywhere, deletions before and after."""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.devices import make_plan
from tests.faults.house import House, Outcome, outcome_of, read_ledger, run_undisturbed
from tests.integration.service.stores import open_store
from tests.integration.service.world import Device, Sent, World
from tests.nursery import Nursery
from tests.tally import Tally
from veilmatch.ingest.accept import accept_deletion, accept_vouchers
from veilmatch.voucher.voucher import layout_of

pytestmark = pytest.mark.faults

CUTS = 150
_TIMES = 4  # each batch so often at once, over two intakes
_WAIT_S = 20


@pytest.fixture
def house(url: str | None, world: World, nursery: Nursery, tmp_path: Path) -> Iterator[House]:
    """Two intakes on one store; nothing is sealed before the end, so that no worker is early."""
    made = House(nursery, world, tmp_path / "data", url)
    made.prepare()
    for _ in range(2):
        made.serve(age_s=3600)
    yield made
    made.kill_all()


def _request(body: bytes, method: str = "POST") -> bytes:
    head = f"{method} /v1/vouchers HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), _WAIT_S)


def _read_reply(connection: socket.socket) -> bytes:
    reply = b""
    while not reply.endswith(b"\r\n\r\n"):
        part = connection.recv(4096)
        assert part, reply
        reply += part
    return reply


def _send_at_once(requests: list[tuple[int, bytes]]) -> list[bytes]:
    """Send all but the last byte of each, then all last bytes, then read the replies."""
    connections = [_connect(port) for port, _ in requests]
    replies: list[bytes] = []
    try:
        for connection, (_, data) in zip(connections, requests, strict=True):
            connection.sendall(data[:-1])
        barrier = threading.Barrier(len(requests))

        def end(connection: socket.socket, data: bytes) -> None:
            barrier.wait(_WAIT_S)
            connection.sendall(data[-1:])
            replies.append(_read_reply(connection))

        threads = [
            threading.Thread(target=end, args=(connection, data))
            for connection, (_, data) in zip(connections, requests, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_WAIT_S)
    finally:
        for connection in connections:
            connection.close()
    assert len(replies) == len(requests)
    return replies


def _cut(port: int, data: bytes, length: int, *, is_reset: bool) -> None:
    """Send so many bytes and go away, politely or not."""
    with _connect(port) as connection:
        if is_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(data[:length])


def test_the_same_batch_many_times_at_once(house: House, tmp_path: Path, tally: Tally) -> None:
    """On several connections and two intakes; each batch's order among the others is random."""
    plan, chance = make_plan(house.world, 2), random.Random(os.urandom(8))
    expected = run_undisturbed(house.world, plan, tmp_path / "calm")
    numbers = list(range(len(plan.batches)))
    chance.shuffle(numbers)
    replies: set[bytes] = set()
    while numbers:
        chosen, numbers = numbers[:2], numbers[2:]
        replies.update(
            _send_at_once(
                [
                    (port, _request(plan.batches[number]))
                    for number in chosen
                    for port in (house.ports * _TIMES)[:_TIMES]
                ]
            )
        )
        plan.acknowledged.update(chosen)
        tally.add("requests sent again", len(chosen) * (_TIMES - 1))
    assert len(replies) == 1, "first and later copies are answered alike, byte for byte"
    assert replies.pop().startswith(b"HTTP/1.1 204 ")
    house.stop_all()
    house.drain()
    house.check_accounts(plan, expected)
    tally.add("vouchers accounted for", plan.ledger().total())


def test_a_connection_cut_after_any_byte(house: House, tmp_path: Path, tally: Tally) -> None:
    plan, chance = make_plan(house.world, 1), random.Random(os.urandom(8))
    expected = run_undisturbed(house.world, plan, tmp_path / "calm")
    head_len = len(_request(plan.batches[0])) - len(plan.batches[0])
    for turn in range(CUTS):
        data = _request(chance.choice(plan.batches))
        # The head's bytes one after the other, then anywhere in the body, never all of it.
        length = turn if turn < head_len + 8 else chance.randrange(len(data))
        _cut(chance.choice(house.ports), data, length, is_reset=chance.random() < 0.5)
    tally.add("requests cut", CUTS)
    with open_store(house.data, house.url) as store:
        assert read_ledger(store) == {}, "nothing of a request that was cut is kept"
    # All of it, but nobody waits for the reply: it may be kept, and is then there once.
    for data in map(_request, plan.batches):
        _cut(chance.choice(house.ports), data, len(data), is_reset=chance.random() < 0.5)
    tally.add("requests whose reply was lost", len(plan.batches))
    with open_store(house.data, house.url) as store:
        assert set(read_ledger(store)) <= {"waiting"}
    for number, body in enumerate(plan.batches):
        (reply,) = _send_at_once([(house.ports[number % 2], _request(body))])
        assert reply.startswith(b"HTTP/1.1 204 ")
        plan.acknowledged.add(number)
    house.stop_all()
    house.drain()
    house.check_accounts(plan, expected)
    tally.add("vouchers accounted for", plan.ledger().total())


def _delete_undisturbed(
    world: World, device: Device, sent: list[Sent], gone: list[bytes], folder: Path
) -> Outcome:
    release = world.current
    layouts = {release.release_id: layout_of(release.built.manifest.parameters)}
    with open_store(folder) as store:
        store.intake.store_batches([accept_vouchers(device.batch(release, sent), layouts)])
        deletion = accept_deletion(device.deletion(gone))
        store.intake.delete_vouchers(deletion.identity.account, deletion.asset_ids)
        store.intake.seal_all()
        store.worker(world).run()
        return outcome_of(store)


def test_a_deletion_before_after_and_beside_its_vouchers(
    house: House, tmp_path: Path, tally: Tally
) -> None:
    """Eight matches; three, four or five of them deleted: at five, the account does not open."""
    world, devices, sent, gone = house.world, [], [], []
    expected: list[Outcome] = []
    orders = ["deletion first", "deletion last", "at once"] * 3
    for number, count in enumerate([3, 3, 3, 4, 4, 4, 5, 5, 5]):
        device = Device()
        made = device.make(world.current, known=8, unknown=3)
        away = [one.asset_id for one in made[:count]] + [made[-1].asset_id]
        expected.append(_delete_undisturbed(world, device, made, away, tmp_path / f"calm-{number}"))
        devices.append(device)
        sent.append(made)
        gone.append(away)
    for device, made, away, order in zip(devices, sent, gone, orders, strict=True):
        post = _request(device.batch(world.current, made))
        delete = _request(device.deletion(away), "DELETE")
        requests = [(house.ports[0], post), (house.ports[1], delete)]
        if order == "deletion first":
            requests.reverse()
        steps = [requests] if order == "at once" else [[one] for one in requests]
        # And once more: a late copy of what was deleted changes nothing.
        replies = {reply for step in [*steps, [requests[0]]] for reply in _send_at_once(step)}
        assert len(replies) == 1
        assert replies.pop().startswith(b"HTTP/1.1 204 ")
        tally.add("deletions beside their vouchers")
    house.stop_all()
    house.drain()
    with open_store(house.data, house.url) as store:
        ledger, found = read_ledger(store), outcome_of(store)
    assert found.opened == {a: items for one in expected for a, items in one.opened.items()}
    assert found.shares == {share for one in expected for share in one.shares}
    assert sorted(map(len, found.opened.values())) == [4, 4, 4, 5, 5, 5]
    wanted = {
        (device.pseudonym, asset_id)
        for device, away in zip(devices, gone, strict=True)
        for asset_id in away
    }
    assert set(ledger["deleted"]) == wanted
    assert (
        set(ledger["processed"])
        == {
            (device.pseudonym, one.asset_id)
            for device, made in zip(devices, sent, strict=True)
            for one in made
        }
        - wanted
    )
    assert set(ledger["deleted"].values()) | set(ledger["processed"].values()) == {1}
