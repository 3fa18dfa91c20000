"""Mutual TLS: real certificates, the real program, a platform known by its certificate."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.service.processes import PROGRAM, Program, free_port
from tests.integration.service.world import Device, World
from tests.simulators.certificates import Certificate, make_certificate
from veilmatch.cli.main import run


@pytest.fixture(scope="module")
def forum() -> Certificate:
    """A platform's certificate, signed by itself."""
    return make_certificate("forum")


@pytest.fixture(scope="module")
def stranger() -> Certificate:
    """Another one, by the same kind of signer, that no platform has."""
    return make_certificate("stranger")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def port(world: World, folder: Path, forum: Certificate, stranger: Certificate) -> Iterator[int]:
    """The service with TLS; uploads need a platform."""
    own, chosen = make_certificate("service"), free_port()
    for name, held in {
        "own.pem": own.pem,
        "own.key": own.key,
        "clients.pem": forum.pem + stranger.pem,
        "forum.pem": forum.pem,
        "forum.key": forum.key,
        "stranger.pem": stranger.pem,
        "stranger.key": stranger.key,
    }.items():
        (folder / name).write_bytes(held)
    data = str(folder / "data")
    assert run(["platform", "add", "forum", "--data", data]) == 0
    added = ["platform", "add-certificate", "forum", str(folder / "forum.pem"), "--data", data]
    assert run(added) == 0
    (folder / "veilmatch.toml").write_text(
        f'data = "{data}"\nsite = "{world.site}"\nport = {chosen}\nrequire_platform = true\n'
        f'tls_certificate = "{folder}/own.pem"\ntls_key = "{folder}/own.key"\n'
        f'tls_client_ca = "{folder}/clients.pem"\nmetrics_port = 0\naccess_log = true\n'
    )
    command: list[str | Path] = [*PROGRAM, "serve", "--config", folder / "veilmatch.toml"]
    with Program(command, folder / "serve.log") as program:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert program.process.poll() is None, program.log
            try:
                with _client(folder, chosen, "") as http:
                    if http.get("/healthz").status_code == 200:
                        break
            except httpx.TransportError:
                time.sleep(0.05)
        yield chosen
        assert program.stop() == 0, "it stops by itself, having finished"
    log = program.log
    assert '"event": "service stopped"' in log
    assert "Traceback" not in log
    assert "127.0.0.1" not in "".join(x for x in log.splitlines() if x.startswith("{"))


def _client(folder: Path, port: int, name: str) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(folder / "own.pem"))
    if name:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return httpx.Client(
        base_url=f"https://127.0.0.1:{port}", verify=context, trust_env=False, timeout=20
    )


@pytest.mark.parametrize(("name", "status"), [("forum", 204), ("stranger", 401), ("", 401)])
def test_a_certificate_makes_a_platform(
    port: int, folder: Path, world: World, name: str, status: int
) -> None:
    device = Device()
    body = device.batch(world.current, device.make(world.current, unknown=1))
    place = f"/v1/accounts/{device.pseudonym.hex()}/suspension"
    with _client(folder, port, name) as http:
        assert http.post("/v1/vouchers", content=body).status_code == status
        assert http.put(place).status_code == status
        assert http.get("/v1/releases/metadata/timestamp.json").status_code == 200


def test_a_certificate_of_another_signer_is_refused_by_tls(port: int, folder: Path) -> None:
    other = make_certificate("other")
    (folder / "other.pem").write_bytes(other.pem)
    (folder / "other.key").write_bytes(other.key)
    with _client(folder, port, "other") as http, pytest.raises(httpx.TransportError):
        http.get("/v1/releases/metadata/timestamp.json")


def test_without_tls_nothing_is_answered(port: int) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
