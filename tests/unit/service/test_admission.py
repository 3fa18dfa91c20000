"""What a request passes before and after its body, and who may do what to which account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.integration.service.stores import open_store
from tests.integration.service.world import Device, World
from tests.unit.service.conftest import Player, Running
from veilmatch.access.gate.platforms import Platforms
from veilmatch.access.gate.snapshot import revoke_device, suspend_account
from veilmatch.access.gate.usage import Quotas
from veilmatch.clock import system_clock
from veilmatch.hazmat.signing import derive_key_id
from veilmatch.intakestore.limits import IntakeLimits
from veilmatch.privatelog.log import PrivateLog
from veilmatch.service import problems
from veilmatch.service.admission import HEAD_LEN, AdmissionLimits
from veilmatch.service.setup import health
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database


def _expect(answer: httpx.Response, problem: problems.Problem) -> None:
    assert (answer.status_code, answer.content) == (
        problem.status,
        bytes(problems.answer(problem).body),
    )
    assert answer.headers["Content-Type"] == problems.MEDIA_TYPE


def _batch(world: World, device: Device) -> bytes:
    return device.batch(world.current, device.make(world.current, unknown=1))


def _token(folder: Path, name: str = "forum") -> str:
    """Add a platform before the service starts. Returns its token."""
    with open_store(folder / "data") as store, store.database.transaction() as connection:
        platforms = Platforms(store.database, system_clock)
        made = platforms.add_token(connection, platforms.add(connection, name), 1000)
    return made.token


class _Slow:
    """A body that says how much of it was asked for."""

    def __init__(self, body: bytes, pause_s: float = 0.0) -> None:
        self.body, self.pause_s, self.sent = body, pause_s, 0

    def headers(self) -> dict[str, str]:
        return {"Content-Length": str(len(self.body))}

    async def parts(self) -> AsyncIterator[bytes]:
        while self.sent < len(self.body):
            await asyncio.sleep(self.pause_s)
            part = self.body[self.sent : self.sent + 100]
            self.sent += len(part)
            yield part


def test_an_address_that_asks_too_often_is_refused_before_its_body_is_read(
    play: Player, world: World
) -> None:
    body = _batch(world, Device())

    async def scenario(service: Running) -> None:
        for _ in range(2):
            assert (await service.http.post("/v1/vouchers", content=body)).status_code == 204
        slow = _Slow(body)
        answer = await service.http.post(
            "/v1/vouchers", content=slow.parts(), headers=slow.headers()
        )
        _expect(answer, problems.BUSY)
        assert int(answer.headers["Retry-After"]) == 100
        assert slow.sent == 0

    play(scenario, admission=AdmissionLimits(address_per_s=0.01, address_burst=2))


def test_an_account_that_asks_too_often_is_refused_by_the_bodys_head(
    play: Player, world: World
) -> None:
    device, other = Device(), Device()

    async def scenario(service: Running) -> None:
        body = _batch(world, device)
        assert (await service.http.post("/v1/vouchers", content=body)).status_code == 204
        slow = _Slow(body)
        answer = await service.http.post(
            "/v1/vouchers", content=slow.parts(), headers=slow.headers()
        )
        _expect(answer, problems.BUSY)
        assert HEAD_LEN <= slow.sent <= 200
        assert len(body) > 1000
        good = await service.http.post("/v1/vouchers", content=_batch(world, other))
        assert good.status_code == 204, "another account does not wait"

    play(scenario, admission=AdmissionLimits(account_per_s=0.01, account_burst=1))


def test_what_does_not_verify_uses_up_nothing_of_the_account(play: Player, world: World) -> None:
    device = Device()

    async def scenario(service: Running) -> None:
        body = _batch(world, device)
        forged = body[:-1] + bytes([body[-1] ^ 1])
        for _ in range(5):
            answer = await service.http.post("/v1/vouchers", content=forged)
            _expect(answer, problems.SIGNATURE)
        assert (await service.http.post("/v1/vouchers", content=body)).status_code == 204

    play(scenario, admission=AdmissionLimits(account_per_s=0.01, account_burst=1))


def test_a_slow_body_is_given_up(play: Player, world: World) -> None:
    async def scenario(service: Running) -> None:
        slow = _Slow(_batch(world, Device()), pause_s=0.2)
        answer = await service.http.post(
            "/v1/vouchers", content=slow.parts(), headers=slow.headers()
        )
        _expect(answer, problems.TIMEOUT)
        assert answer.headers["Connection"] == "close"
        good = await service.http.post("/v1/vouchers", content=_batch(world, Device()))
        assert good.status_code == 204, "its bytes in flight were given back"

    play(scenario, body_base_s=0.5, body_min_rate=1 << 20, max_in_flight_len=20_000)


def test_the_days_quota(play: Player, world: World) -> None:
    device = Device()
    body = _batch(world, device)

    async def scenario(service: Running) -> None:
        assert (await service.http.post("/v1/vouchers", content=body)).status_code == 204
        answer = await service.http.post("/v1/vouchers", content=body)
        _expect(answer, problems.BUSY)
        assert 0 < int(answer.headers["Retry-After"]) <= 86_400
        deletion = device.deletion([bytes(16)] * 3)
        for expected in (204, 429):
            answer = await service.http.request("DELETE", "/v1/vouchers", content=deletion)
            assert answer.status_code == expected

    play(scenario, quotas=Quotas(bytes_per_day=len(body) + 1, deletions_per_day=5))


def test_only_platforms_may_upload_where_it_is_so_set(
    play: Player, world: World, tmp_path: Path
) -> None:
    token, body = _token(tmp_path), _batch(world, Device())

    async def scenario(service: Running) -> None:
        for header in (None, "Bearer x", f"Basic {token}", f"Bearer {token}x", "Bearer", "\xff"):
            headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
            slow = _Slow(body)
            answer = await service.http.post(
                "/v1/vouchers",
                content=slow.parts(),
                headers=[*headers, (b"content-length", str(len(body)).encode())],
            )
            _expect(answer, problems.PLATFORM)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert slow.sent == 0
        answer = await service.http.post(
            "/v1/vouchers", content=body, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == 204
        assert (await service.http.get("/v1/releases/metadata/timestamp.json")).status_code == 200

    play(scenario, admission=AdmissionLimits(require_platform=True))


def test_suspended_accounts_and_revoked_devices(play: Player, world: World, tmp_path: Path) -> None:
    anna, ben = Device(), Device()
    second = Device(ben.account)
    with open_store(tmp_path / "data") as store, store.database.transaction() as connection:
        suspend_account(connection, anna.pseudonym, 1)
        revoke_device(connection, ben.pseudonym, derive_key_id(ben.key.public_key), 1)

    async def scenario(service: Running) -> None:
        post, delete = service.http.post, service.http.request
        _expect(await post("/v1/vouchers", content=_batch(world, anna)), problems.POLICY)
        _expect(await post("/v1/vouchers", content=_batch(world, ben)), problems.POLICY)
        good = await post("/v1/vouchers", content=_batch(world, second))
        assert good.status_code == 204
        gone = anna.deletion([bytes(16)])
        answer = await delete("DELETE", "/v1/vouchers", content=gone)
        assert answer.status_code == 204, "who is suspended may still delete"
        gone = ben.deletion([bytes(16)])
        _expect(await delete("DELETE", "/v1/vouchers", content=gone), problems.POLICY)

    play(scenario)


def test_a_platform_suspends_reinstates_and_revokes(
    play: Player, world: World, tmp_path: Path
) -> None:
    token, device = _token(tmp_path), Device()
    place = f"/v1/accounts/{device.pseudonym.hex()}"
    revocation = f"{place}/devices/{derive_key_id(device.key.public_key).hex()}/revocation"
    known = {"Authorization": f"Bearer {token}"}

    async def scenario(service: Running) -> None:
        async def upload() -> int:
            batch = _batch(world, device)
            return (await service.http.post("/v1/vouchers", content=batch)).status_code

        async def ask(method: str, path: str, headers: dict[str, str]) -> httpx.Response:
            return await service.http.request(method, path, headers=headers)

        for method, path in (
            ("PUT", f"{place}/suspension"),
            ("DELETE", f"{place}/suspension"),
            ("PUT", revocation),
        ):
            _expect(await ask(method, path, {}), problems.PLATFORM)
        assert await upload() == 204
        assert (await ask("PUT", f"{place}/suspension", known)).status_code == 204
        assert await upload() == 403
        assert (await ask("DELETE", f"{place}/suspension", known)).status_code == 204
        assert await upload() == 204
        assert (await ask("PUT", revocation, known)).status_code == 204
        assert await upload() == 403
        for path in ("/v1/accounts/zz/suspension", f"{place.upper()}/suspension"):
            _expect(await ask("PUT", path, known), problems.NOT_FOUND)
        wrong = f"{place}/devices/00/revocation"
        _expect(await ask("PUT", wrong, known), problems.NOT_FOUND)

    play(scenario)
    database = Database(tmp_path / "data" / "store.sqlite")
    crypter = load_crypter(tmp_path / "data" / "store.key", make=False)
    log = PrivateLog(database, crypter, system_clock)
    log.verify()
    kinds = [stored.record.kind for stored in log.read()]
    database.close()
    assert kinds == ["account.suspended", "account.reinstated", "device.revoked"]


def test_a_device_cannot_touch_another_account(play: Player, world: World) -> None:
    """Whatever a device signs, it names its own account; another one's stays as it was."""
    anna, ben = Device(), Device()
    release = world.current
    sent = anna.make(release, unknown=2)
    stolen = Device(ben.account)
    stolen.identity = anna.identity  # Anna's certificate in front of Ben's signature

    async def scenario(service: Running) -> None:
        post, request = service.http.post, service.http.request
        assert (await post("/v1/vouchers", content=anna.batch(release, sent))).status_code == 204
        # Anna's vouchers in Ben's batch, Ben's signature under Anna's name, Anna's ids.
        _expect(await post("/v1/vouchers", content=ben.batch(release, sent)), problems.POLICY)
        _expect(await post("/v1/vouchers", content=stolen.batch(release, sent)), problems.SIGNATURE)
        forged = stolen.deletion([one.asset_id for one in sent])
        _expect(await request("DELETE", "/v1/vouchers", content=forged), problems.SIGNATURE)
        own = ben.deletion([one.asset_id for one in sent])
        assert (await request("DELETE", "/v1/vouchers", content=own)).status_code == 204

    play(scenario)


@pytest.fixture
def left(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_another_accounts_vouchers_survive_a_deletion_of_their_ids(
    play: Player, world: World, left: Path
) -> None:
    anna, ben, release = Device(), Device(), world.current
    sent = anna.make(release, unknown=3)

    async def scenario(service: Running) -> None:
        await service.http.post("/v1/vouchers", content=anna.batch(release, sent))
        gone = ben.deletion([one.asset_id for one in sent])
        await service.http.request("DELETE", "/v1/vouchers", content=gone)

    play(scenario, limits=IntakeLimits(min_delay_s=0))
    with open_store(left) as store:
        assert sorted(store.waiting_bodies()) == sorted(one.body for one in sent)


@pytest.mark.parametrize(
    "value", ["bytes=99999999999-", "bytes=9-1", "bytes=x", "lines=1-2", "bytes=-0"]
)
def test_ranges_that_are_not_there(play: Player, value: str) -> None:
    path = "/v1/releases/metadata/timestamp.json"

    async def scenario(service: Running) -> None:
        answer = await service.http.get(path, headers={"Range": value})
        _expect(answer, problems.RANGE)
        part = await service.http.get(path, headers={"Range": "bytes=0-9"})
        assert (part.status_code, len(part.content)) == (206, 10)

    play(scenario)


def test_live_and_ready(play: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(service: Running) -> None:
        for path in ("/healthz", "/readyz"):
            assert (await service.http.get(path)).status_code == 200
        monkeypatch.setattr(health.Health, "_ask", lambda _self: False)
        monkeypatch.setattr(health, "_ASK_EVERY_S", 0.0)
        _expect(await service.http.get("/readyz"), problems.UNAVAILABLE)
        assert (await service.http.get("/healthz")).status_code == 200

    play(scenario)


# What each kind of caller gets of each of the service's own addresses.
_NOBODY, _PLATFORM = "nobody", "platform"
MATRIX = {
    ("GET", "/healthz"): {_NOBODY: 200, _PLATFORM: 200},
    ("GET", "/readyz"): {_NOBODY: 200, _PLATFORM: 200},
    ("GET", "/v1/releases/{path:path}"): {_NOBODY: 404, _PLATFORM: 404},
    ("POST", "/v1/vouchers"): {_NOBODY: 411, _PLATFORM: 411},
    ("DELETE", "/v1/vouchers"): {_NOBODY: 411, _PLATFORM: 411},
    ("PUT", "/v1/accounts/{account}/suspension"): {_NOBODY: 401, _PLATFORM: 204},
    ("DELETE", "/v1/accounts/{account}/suspension"): {_NOBODY: 401, _PLATFORM: 204},
    ("PUT", "/v1/accounts/{account}/devices/{device_key_id}/revocation"): {
        _NOBODY: 401,
        _PLATFORM: 204,
    },
}


def test_matrix_of_the_services_own_addresses(play: Player, tmp_path: Path) -> None:
    token = _token(tmp_path)
    headers = {_NOBODY: {}, _PLATFORM: {"Authorization": f"Bearer {token}"}}

    async def scenario(service: Running) -> None:
        served = {
            (method, route.path)  # type: ignore[attr-defined]
            for route in service.app.routes
            for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
        }
        assert served == set(MATRIX), "a new endpoint needs a row"
        for (method, path), expected in MATRIX.items():
            address = path.replace("{account}", "11" * 16).replace("{device_key_id}", "22" * 8)
            for caller, status in expected.items():
                request = httpx.Request(method, f"http://service{address}", headers=headers[caller])
                request.headers.pop("content-length", None)
                answer = await service.http.send(request)
                assert answer.status_code == status, (method, path, caller)

    play(scenario)
