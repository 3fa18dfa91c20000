"""The wire says the same whatever matches, and nothing private, byte for byte."""

from __future__ import annotations

import os
import re
import socket

import httpx
import pytest

from tests.integration.service.processes import Service
from tests.integration.service.world import Device, Sent, World, make_world
from veilmatch.hazmat.signing import SigningKey
from veilmatch.secret import SecretBytes
from veilmatch.service import problems
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.batch import build_deletion_batch, build_voucher_batch


def _raw(service: Service, request: bytes, *, half: bool = False) -> bytes:
    """Send bytes as they are and return the whole answer as it is."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(request)
        if half:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        return answer


def _exchange(service: Service, method: str, body: bytes, path: str = "/v1/vouchers") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return _raw(service, head.encode() + body)


def _kinds(device: Device, world: World) -> dict[str, list[Sent]]:
    release = world.current
    return {
        "real, known": device.make(release, known=1),
        "real, unknown": device.make(release, unknown=1),
        "synthetic": device.make(release, unknown=1, kind=Kind.SYNTHETIC),
        "null": device.make(release, unknown=1, kind=Kind.NULL),
    }


@pytest.mark.parametrize(
    ("before", "piece"),
    [
        pytest.param(b"GET /", b"a" * 1024, id="address"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nX: ", b"a" * 1024, id="one-header"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n", b"X: a\r\n" * 128, id="many-headers"),
        pytest.param(
            b"POST /v1/vouchers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
            b"a" * 1024,
            id="trailer",
        ),
    ],
)
def test_a_head_that_does_not_end_is_cut_off(service: Service, before: bytes, piece: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        answer = b""
        try:
            connection.sendall(before)
            for _ in range(4096):  # 4 MiB
                connection.sendall(piece)
            while part := connection.recv(65_536):
                answer += part
        except (ConnectionResetError, BrokenPipeError):
            pass
        else:
            assert answer[9:12] in (b"400", b"411"), answer
    assert httpx.get(f"{service.address}/healthz", trust_env=False).status_code == 200


def test_a_long_body_behind_an_early_answer_is_no_endless_head(service: Service) -> None:
    length = 1 << 20
    head = f"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(head + bytes(length))
        assert connection.recv(65_536)[9:12] == b"404"
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        assert b" 200 " in answer


def test_replies_are_byte_equal_whatever_is_sent(service: Service, world: World) -> None:
    device, release = Device(), world.current
    kinds, answers = _kinds(device, world), {}
    for name, sent in kinds.items():
        batch = device.batch(release, sent)
        answers[f"{name}, first"] = _exchange(service, "POST", batch)
        answers[f"{name}, again"] = _exchange(service, "POST", batch)
        other = device.make(release, unknown=1, ids=[sent[0].asset_id])
        answers[f"{name}, conflict"] = _exchange(service, "POST", device.batch(release, other))
        deletion = device.deletion([sent[0].asset_id])
        answers[f"{name}, deletion"] = _exchange(service, "DELETE", deletion)
        answers[f"{name}, deletion again"] = _exchange(service, "DELETE", deletion)
        answers[f"{name}, late copy"] = _exchange(service, "POST", batch)
    unknown = device.deletion([os.urandom(16)])
    answers["deletion of an unknown id"] = _exchange(service, "DELETE", unknown)
    assert len(answers) == 25
    assert len(set(answers.values())) == 1
    (answer,) = set(answers.values())
    # One parser of HTTP writes the names of headers in capitals, the other does not.
    assert answer.lower() == b"http/1.1 204 no content\r\nconnection: close\r\n\r\n"


def test_vouchers_of_all_kinds_have_one_length(world: World) -> None:
    lengths = {len(sent[0].body) for sent in _kinds(Device(), world).values()}
    assert len(lengths) == 1


def test_old_release_is_still_accepted(http: httpx.Client, world: World) -> None:
    device, old = Device(), world.releases[0]
    answer = http.post("/v1/vouchers", content=device.batch(old, device.make(old, unknown=2)))
    assert answer.status_code == 204


def test_release_published_later_is_noticed(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("later")
    world, device = make_world(folder), Device()
    with Service(folder / "data", world.site, folder / "serve.log") as running:
        running.wait()
        with httpx.Client(base_url=running.address, trust_env=False) as http:
            first = world.current
            body = device.batch(first, device.make(first, unknown=1))
            assert http.post("/v1/vouchers", content=body).status_code == 204
            second = world.publish()
            body = device.batch(second, device.make(second, unknown=1))
            statuses = {409}
            while statuses == {409}:  # for less than two seconds
                statuses = {http.post("/v1/vouchers", content=body).status_code}
            assert statuses == {204}
            stamp = http.get("/v1/releases/metadata/timestamp.json")
            assert stamp.json()["signed"]["version"] == 2


# --- refusals ---------------------------------------------------------------------------------


def _expect(answer: httpx.Response, problem: problems.Problem) -> None:
    fixed = problems.answer(problem)
    assert answer.status_code == problem.status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.content == bytes(fixed.body)
    assert answer.json()["type"] == f"urn:veilmatch:problem:{problem.slug}"
    retried = problem.status in (429, 503)
    assert answer.headers.get("Retry-After") == (str(problems.RETRY_AFTER_S) if retried else None)


_GARBAGE = [
    b"",
    b"\x00",
    b"VMB1",
    b"VMD1",
    b"VMB1\x02" + bytes(500),
    b"{}",
    b"\xff" * 10_000,
    b"VMB1\x01" + bytes(300),
]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("body", _GARBAGE)
def test_garbage_is_malformed(http: httpx.Client, method: str, body: bytes) -> None:
    length = {"Content-Length": str(len(body))}
    answer = http.request(method, "/v1/vouchers", content=body, headers=length)
    _expect(answer, problems.MALFORMED)


def test_truncated_and_lengthened_batches(http: httpx.Client, world: World) -> None:
    device, release = Device(), world.current
    batch = device.batch(release, device.make(release, unknown=2))
    for cut in [1, 4, 5, 36, 133, 165, 170, 500, len(batch) // 2, len(batch) - 1]:
        _expect(http.post("/v1/vouchers", content=batch[:cut]), problems.MALFORMED)
    _expect(http.post("/v1/vouchers", content=batch + b"\x00"), problems.MALFORMED)
    deletion = device.deletion([os.urandom(16)])
    for cut in [1, 5, 100, 134, len(deletion) - 1]:
        answer = http.request("DELETE", "/v1/vouchers", content=deletion[:cut])
        _expect(answer, problems.MALFORMED)


def test_batch_of_another_version_or_with_count_zero(http: httpx.Client, world: World) -> None:
    device, release = Device(), world.current
    batch = device.batch(release, device.make(release, unknown=1))
    _expect(http.post("/v1/vouchers", content=batch[:4] + b"\x02" + batch[5:]), problems.MALFORMED)
    zero = batch[:165] + b"\x00\x00" + batch[167:]
    _expect(http.post("/v1/vouchers", content=zero), problems.MALFORMED)


def test_vouchers_of_a_wrong_length(http: httpx.Client, world: World) -> None:
    device, release = Device(), world.current
    (sent,) = device.make(release, unknown=1)
    short = device.batch(release, [Sent(sent.asset_id, sent.body[:-1])])
    _expect(http.post("/v1/vouchers", content=short), problems.MALFORMED)


@pytest.mark.parametrize("place", [5, 40, 100, 400, -100, -1])
def test_flipped_bit_is_refused(http: httpx.Client, world: World, place: int) -> None:
    device, release = Device(), world.current
    batch = bytearray(device.batch(release, device.make(release, unknown=1)))
    batch[place] ^= 1
    _expect(http.post("/v1/vouchers", content=bytes(batch)), problems.SIGNATURE)


def test_wrong_key(http: httpx.Client, world: World) -> None:
    device, release = Device(), world.current
    stranger = SigningKey(SecretBytes.generate())
    bodies = [one.body for one in device.make(release, unknown=1)]
    batch = build_voucher_batch(device.identity, stranger, release.release_id, bodies)
    _expect(http.post("/v1/vouchers", content=batch), problems.SIGNATURE)
    deletion = build_deletion_batch(device.identity, stranger, [os.urandom(16)])
    _expect(http.request("DELETE", "/v1/vouchers", content=deletion), problems.SIGNATURE)


def test_device_without_the_accounts_certificate(http: httpx.Client, world: World) -> None:
    victim, thief, release = Device(), Device(), world.current
    forged = type(victim.identity)(
        victim.identity.account_public_key,
        thief.identity.device_public_key,
        thief.identity.certificate,
    )
    bodies = [one.body for one in victim.make(release, unknown=1)]
    batch = build_voucher_batch(forged, thief.key, release.release_id, bodies)
    _expect(http.post("/v1/vouchers", content=batch), problems.SIGNATURE)


def test_other_accounts_voucher_in_a_batch(http: httpx.Client, world: World) -> None:
    device, other, release = Device(), Device(), world.current
    mixed = [*device.make(release, unknown=1), *other.make(release, unknown=1)]
    _expect(http.post("/v1/vouchers", content=device.batch(release, mixed)), problems.POLICY)


def test_other_devices_voucher_in_a_batch(http: httpx.Client, world: World) -> None:
    device, release = Device(), world.current
    second = Device(device.account)
    body = device.batch(release, second.make(release, unknown=1))
    _expect(http.post("/v1/vouchers", content=body), problems.POLICY)


def test_unknown_release(http: httpx.Client, world: World) -> None:
    device, release = Device(), world.current
    bodies = [one.body for one in device.make(release, unknown=1)]
    batch = build_voucher_batch(device.identity, device.key, os.urandom(32), bodies)
    _expect(http.post("/v1/vouchers", content=batch), problems.RELEASE)


def test_voucher_of_another_release_than_its_batch(http: httpx.Client, world: World) -> None:
    device, old, new = Device(), world.releases[0], world.current
    batch = device.batch(new, device.make(old, unknown=1))
    _expect(http.post("/v1/vouchers", content=batch), problems.RELEASE)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/vouchers/",
        "/v1/release",
        "/v1/releases",
        "/v1/releases/",
        "/v1/releases/metadata",
        "/v1/releases/metadata/0.root.json",
        "/v1/releases/metadata/99.root.json",
        "/v1/releases/targets/" + "0" * 64 + ".manifest.json",
        "/v1/releases/shards/" + "A" * 64,
        "/v1/releases/staged/targets.json",
        "/v1/releases/current.json",
        "/v1/releases/../../store.sqlite",
        "/v1/releases/%2e%2e/%2e%2e",
        "/v1/releases/.../..%2f..%2fstore.key",
    ],
)
def test_nothing_there(http: httpx.Client, path: str) -> None:
    _expect(http.get(path), problems.NOT_FOUND)


@pytest.mark.parametrize("name", ["store.key", "..", ".manifest.json.tmp", "manifest.json/", "x"])
def test_only_the_public_files_are_served(http: httpx.Client, world: World, name: str) -> None:
    for folder in ("metadata", "targets", "shards", f"log/{'0' * 16}/tile"):
        _expect(http.get(f"/v1/releases/{folder}/{name}"), problems.NOT_FOUND)
    answer = http.get(f"/v1/releases/{world.current.release_id.hex()}/{name}")
    _expect(answer, problems.NOT_FOUND)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/vouchers", "DELETE, POST"),
        ("PUT", "/v1/vouchers", "DELETE, POST"),
        ("PATCH", "/v1/vouchers", "DELETE, POST"),
        ("POST", "/v1/releases/metadata/timestamp.json", "GET, HEAD"),
        ("DELETE", "/healthz", "GET, HEAD"),
    ],
)
def test_wrong_method(http: httpx.Client, method: str, path: str, allow: str) -> None:
    answer = http.request(method, path)
    _expect(answer, problems.METHOD)
    assert answer.headers["Allow"] == allow


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_length_is_required(http: httpx.Client, method: str) -> None:
    def pieces() -> object:
        yield b"VMB1"

    answer = http.request(method, "/v1/vouchers", content=pieces())  # type: ignore[arg-type]
    _expect(answer, problems.LENGTH)


@pytest.mark.parametrize("length", [(8 << 20) + 1, 10**12, 10**19])
def test_oversized_body_is_refused_before_it_is_read(service: Service, length: int) -> None:
    head = f"POST /v1/vouchers HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(head.encode())  # and nothing of the body
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert bytes(problems.answer(problems.TOO_LARGE).body) in answer


def test_body_that_ends_early_is_not_stored_and_hurts_nobody(
    service: Service, world: World, http: httpx.Client
) -> None:
    device, release = Device(), world.current
    batch = device.batch(release, device.make(release, unknown=1))
    head = f"POST /v1/vouchers HTTP/1.1\r\nHost: x\r\nContent-Length: {len(batch)}\r\n\r\n"
    answer = _raw(service, head.encode() + batch[:100], half=True)
    assert b" 204 " not in answer
    assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/vouchers HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/vouchers HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_what_is_no_http_ends_and_hurts_nobody(
    service: Service, http: httpx.Client, request_bytes: bytes
) -> None:
    answer = _raw(service, request_bytes, half=True)
    assert b" 204 " not in answer
    assert b" 500 " not in answer
    assert http.get("/healthz").status_code == 200


# --- release files ----------------------------------------------------------------------------


def test_release_files_are_served_whole(http: httpx.Client, world: World) -> None:
    """Every public file, with the word for caches: only the timestamp ever changes."""
    public = world.site / "public"
    names = [path.relative_to(public).as_posix() for path in public.rglob("*") if path.is_file()]
    assert {name.split("/")[0] for name in names} == {"metadata", "targets", "shards", "log"}
    for name in names:
        answer = http.get(f"/v1/releases/{name}")
        assert answer.status_code == 200, name
        assert answer.content == (public / name).read_bytes()
        cached = answer.headers["Cache-Control"]
        assert cached == ("no-cache" if "timestamp" in name else _FOR_EVER)


def test_ranges_of_a_shard(http: httpx.Client, world: World) -> None:
    path = next(iter(sorted((world.site / "public" / "shards").iterdir())))
    whole = http.get(f"/v1/releases/shards/{path.name}").content
    for start, end in [(0, 9), (100, len(whole) - 1), (len(whole) - 1, len(whole) - 1)]:
        answer = http.get(
            f"/v1/releases/shards/{path.name}", headers={"Range": f"bytes={start}-{end}"}
        )
        assert answer.status_code == 206
        assert answer.content == whole[start : end + 1]
        assert answer.headers["Content-Range"] == f"bytes {start}-{end}/{len(whole)}"


_FOR_EVER = "public, max-age=31536000, immutable"

# --- nothing private --------------------------------------------------------------------------

_LONG_HEX = re.compile(r"[0-9a-fA-F]{16,}")


def test_nothing_private_in_answers_or_log(service: Service, world: World) -> None:
    """Send good and bad things, then look for names of any of it in all that came back."""
    device, release = Device(), world.current
    sent = [*device.make(release, known=2), *device.make(release, unknown=2)]
    batch = device.batch(release, sent)
    deletion = device.deletion([one.asset_id for one in sent])
    stranger = build_voucher_batch(
        device.identity, device.key, os.urandom(32), [one.body for one in sent]
    )
    answers = [
        _exchange(service, method, body)
        for method in ("POST", "DELETE")
        for body in (batch, batch[:-1], stranger, deletion, deletion[:-3], b"x" * 300)
    ]
    said = b"\n".join(answers) + service.log.encode()
    private = [device.pseudonym, device.identity.account_public_key, release.release_id]
    private += [one.asset_id for one in sent] + list(release.hashes[:4])
    for value in private:
        assert value not in said
        assert value.hex().encode() not in said.lower()
    assert not _LONG_HEX.search(said.decode("latin-1"))
    assert "Traceback" not in service.log
