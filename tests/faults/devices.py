"""Devices that send until they are answered, whatever happens, and what they remember of it."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx

from tests.integration.service.world import Device, Published, World
from veilmatch.voucher.asset import Kind

ACCOUNTS = [(4, 0), (5, 2), (9, 3), (3, 0), (3, 6), (0, 8), (6, 1)]
"""Matches and synthetics of an account each; at four matches it opens."""
BATCH_LEN = 3
_PAUSE_S = 0.02


@dataclass
class Plan:
    """What the devices send, and which of it was acknowledged."""

    batches: list[bytes] = field(default_factory=list)
    members: list[list[tuple[bytes, bytes]]] = field(default_factory=list)  # account, asset id
    acknowledged: set[int] = field(default_factory=set)
    answers: Counter[int] = field(default_factory=Counter)
    odd: list[tuple[int, str, str]] = field(default_factory=list)  # refusals: status, type, body
    cut: int = 0
    slowest_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, device: Device, release: Published, known: int, unknown: int, kind: Kind) -> None:
        """Add vouchers of a device, in batches of three."""
        sent = device.make(release, known=known, unknown=unknown, kind=kind)
        for start in range(0, len(sent), BATCH_LEN):
            part = sent[start : start + BATCH_LEN]
            self.batches.append(device.batch(release, part))
            self.members.append([(device.pseudonym, one.asset_id) for one in part])

    def ledger(self, batches: Sequence[int] | None = None) -> Counter[tuple[bytes, bytes]]:
        """The ids of these batches, of all of them where none is named."""
        chosen = range(len(self.batches)) if batches is None else batches
        return Counter(one for number in chosen for one in self.members[number])

    def note(self, number: int, answer: httpx.Response) -> bool:
        """Remember an answer. Returns whether the batch was acknowledged."""
        with self.lock:
            self.answers[answer.status_code] += 1
            self.slowest_s = max(self.slowest_s, answer.elapsed.total_seconds())
            if answer.status_code == 204:
                self.acknowledged.add(number)
            elif len(self.odd) < 1000:
                kind = answer.headers.get("content-type", "")
                self.odd.append((answer.status_code, kind, answer.text))
        return answer.status_code == 204


def make_plan(world: World, rounds: int, unknown: int = 14) -> Plan:
    """``rounds`` times the accounts above, each with that many vouchers that match nothing."""
    plan, release = Plan(), world.current
    for known, synthetic in ACCOUNTS * rounds:
        device = Device()
        plan.add(device, release, known, unknown, Kind.REAL)
        if synthetic:
            plan.add(Device(device.account), release, 0, synthetic, Kind.SYNTHETIC)
    return plan


class _Sender(threading.Thread):
    """Sends its part of the plan until each batch was acknowledged, and some of it again."""

    def __init__(self, plan: Plan, mine: list[int], ports: Sequence[int], seed: int) -> None:
        super().__init__()
        self._plan, self._mine, self._ports = plan, mine, ports
        self._chance = random.Random(seed)
        self.ended = threading.Event()

    def run(self) -> None:
        waiting = list(self._mine)
        with httpx.Client(trust_env=False, timeout=20) as http:
            while not self.ended.is_set():
                # What was acknowledged comes again now and then: a device that lost the reply.
                is_again = not waiting or self._chance.random() < 0.1
                number = self._chance.choice(self._mine if is_again else waiting)
                port = self._chance.choice(self._ports)
                if self._chance.random() < 0.05:
                    self._cut(port, self._plan.batches[number])
                elif self._send(http, port, number) and number in waiting:
                    waiting.remove(number)
                elif not waiting:
                    time.sleep(_PAUSE_S)

    def _send(self, http: httpx.Client, port: int, number: int) -> bool:
        url = f"http://127.0.0.1:{port}/v1/vouchers"
        try:
            answer = http.post(url, content=self._plan.batches[number])
        except httpx.TransportError:
            time.sleep(_PAUSE_S / 2)
            return False
        if self._plan.note(number, answer):
            return True
        time.sleep(_PAUSE_S)
        return False

    def _cut(self, port: int, body: bytes) -> None:
        """Begin a request and go away in the middle of its body."""
        head = f"POST /v1/vouchers HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as one:
            one.sendall(head.encode() + body[: self._chance.randrange(len(body))])
        self._plan.cut += 1


class Senders:
    """A few devices at once, for as long as the block lasts.

    Args:
        plan: What they send.
        ports: The intakes; each request goes to one of them.
        count: How many at once.
        numbers: Which batches; all of them where none is named.
    """

    def __init__(
        self,
        plan: Plan,
        ports: Sequence[int],
        count: int = 3,
        numbers: Sequence[int] | None = None,
    ) -> None:
        self._plan = plan
        numbers = list(range(len(plan.batches)) if numbers is None else numbers)
        self._numbers = set(numbers)
        self._threads = [_Sender(plan, numbers[k::count], ports, k) for k in range(count)]

    def wait(self, limit_s: float = 60, share: float = 1.0) -> None:
        """Wait until that share of the batches was acknowledged."""
        deadline = time.monotonic() + limit_s
        while len(self._plan.acknowledged & self._numbers) < share * len(self._numbers):
            assert time.monotonic() < deadline, (len(self._plan.acknowledged), self._plan.answers)
            time.sleep(0.02)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for thread in self._threads:
            thread.ended.set()
        for thread in self._threads:
            thread.join()
