"""Two devices of one account doing anything in any order: what the service holds is right."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.client.house import (
    FakeService,
    PublishedRelease,
    make_policy,
    options,
    picture,
    publish,
    resaved,
)
from veilmatch.client.sdk import Client
from veilmatch.client.session import ClientOptions
from veilmatch.errors import NetworkError

# Three pictures, and another file of each with the same pixels.
POOL = [data for index in range(3) for data in (picture(index), resaved(picture(index)))]
RELEASES: dict[int, PublishedRelease] = {}
DEVICES = st.integers(0, 1)
PICTURES = st.integers(0, len(POOL) - 1)


def release(epoch: int) -> PublishedRelease:
    if epoch not in RELEASES:
        RELEASES[epoch] = publish(epoch)
    return RELEASES[epoch]


class TwoDevices(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.service = FakeService(release(1))
        self.present: set[int] = set()  # numbers of pictures that the account holds
        self.kinds: dict[str, str] = {}  # every decision ever seen, by id
        self.album: dict[bytes, int] = {}  # numbers by asset id
        self.devices = [self._create("0.db", None)]
        self.devices.append(self._create("1.db", self.devices[0].export_account()))

    def _options(self) -> ClientOptions:
        return options(self.service.url, pictures=self._picture)

    def _create(self, name: str, account: bytes | None) -> Client:
        path, url = self.folder / name, self.service.url
        return Client.create(path, url, make_policy(), account=account, options=self._options())

    def _picture(self, asset_id: bytes) -> bytes | None:
        number = self.album.get(asset_id)
        return POOL[number] if number in self.present and number is not None else None

    def teardown(self) -> None:
        try:
            self._settle()
        finally:
            for client in self.devices:
                client.close()
            self.service.close()
            shutil.rmtree(self.folder)

    def _sync(self) -> None:
        for here, there in ((0, 1), (1, 0)):
            self.devices[there].import_account(self.devices[here].export_account())

    def _assets(self, device: int) -> list[dict[str, Any]]:
        value: list[dict[str, Any]] = json.loads(self.devices[device].export_account())["assets"]
        return value

    def _settle(self) -> None:
        """Everything sent and synced: each picture held counts once, and nothing else does."""
        self.service.faults.statuses.clear()
        for device, client in enumerate(self.devices):
            client.update_release()
            assert client.send().waiting == 0, device
        self._sync()
        for client in self.devices:
            client.send()
        held = {self._id(number) for number in self.present}
        assert set(self.service.vouchers) == held
        assert self._assets(0) == self._assets(1)
        real: list[str] = []
        for one in self._assets(0):
            if bytes.fromhex(one["id"]) in held and one["kind"] == "real":
                real += one["seen_tags"]
        assert len(real) == len(set(real))  # no image hash counts twice

    def _id(self, number: int) -> bytes:
        content = hashlib.sha256(POOL[number]).digest()
        return self.devices[0]._adder.resolve(content)[0]

    @rule(device=DEVICES, number=PICTURES)
    def add(self, device: int, number: int) -> None:
        self._sync()
        self.devices[device].update_release()
        self.album[self._id(number)] = number
        self.devices[device].add_picture(POOL[number])
        self.present.add(number)

    @rule(device=DEVICES)
    def send(self, device: int) -> None:
        self.devices[device].send()

    @rule(device=DEVICES, drop=st.booleans())
    def send_in_an_outage(self, device: int, drop: bool) -> None:
        if drop:
            self.service.faults.drop_replies = 1  # everything arrives, no reply ever does
        else:
            self.service.faults.statuses = [503] * 50
        with contextlib.suppress(NetworkError):
            self.devices[device].send()
        self.service.faults.drop_replies = 0
        self.service.faults.statuses = []

    @rule(device=DEVICES)
    def restart(self, device: int) -> None:
        self.devices[device].close()
        path = self.folder / f"{device}.db"
        self.devices[device] = Client.open(path, options=self._options())

    @rule(device=DEVICES, number=PICTURES, online=st.booleans())
    def delete(self, device: int, number: int, online: bool) -> None:
        self._sync()
        content = hashlib.sha256(POOL[number]).digest()
        asset_id, known = self.devices[device]._adder.resolve(content)
        if not known:
            return
        self.service.faults.statuses = [] if online else [503] * 50
        try:
            assert self.devices[device].delete([asset_id]) == 1
        except NetworkError:
            assert not online
        self.service.faults.statuses = []
        self.present.discard(number)
        self._sync()

    @rule(keep_old=st.booleans())
    def move_on(self, keep_old: bool) -> None:
        self.service.move_to(release(self.service.current.epoch + 1), keep_old=keep_old)

    @invariant()
    def decisions_never_change(self) -> None:
        for device in range(2):
            for one in self._assets(device):
                assert self.kinds.setdefault(one["id"], one["kind"]) == one["kind"]


TwoDevices.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestTwoDevices = TwoDevices.TestCase
