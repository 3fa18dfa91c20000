"""``veilmatch audit-trust`` and ``pages``."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.integration.service.processes import free_port
from tests.unit.cli.conftest import Kit, Refused
from tests.unit.logstore.small_house import House
from veilmatch.cli.main import run
from veilmatch.transparency.audits.bundle import parse_trust


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy"
    path.write_bytes(House(tmp_path / "house").policy.to_bytes())
    return path


def test_a_trust_file_of_one_s_own(kit: Kit, policy: Path, tmp_path: Path) -> None:
    out = tmp_path / "trust.json"
    words = ["audit-trust", "--policy", policy, "--out", out]
    words += ["--provider", kit.path("one.json"), "--provider", kit.path("two.json")]
    words += ["--least", "min_shares=31", "--most", "ad_len=10240", "--most", "probes=16"]
    assert run([*map(str, words), "--json"]) == 0
    trust = parse_trust(out.read_bytes())
    assert [(one.party, one.jurisdiction) for one in trust.parties] == [
        ("one", "NL"),
        ("two", "CA"),
    ]
    assert (trust.min_parties, trust.min_jurisdictions) == (2, 2)
    assert dict(trust.least) == {"min_shares": 31}
    assert dict(trust.most) == {"ad_len": 10240, "probes": 16}


@pytest.mark.parametrize(
    "change",
    [
        "--provider one.json",
        "--provider one.json --provider one.json",
        "--provider one.json --provider three.json",
        "--provider one.json --provider two.json --min-parties 3",
        "--provider one.json --provider two.json --least min_shares",
        "--provider one.json --provider two.json --least =3",
        "--provider one.json --provider two.json --least a=-1",
        "--provider one.json --provider two.json --most a=1 --most a=2",
        "--provider one.json --provider two.json --most a=" + 20 * "9",
        "--provider garbage --provider two.json",
    ],
)
def test_a_trust_file_that_could_never_serve(
    kit: Kit, policy: Path, tmp_path: Path, refused: Refused, change: str
) -> None:
    words = [str(kit.path(w)) if "json" in w or w == "garbage" else w for w in change.split()]
    out = tmp_path / "trust.json"
    refused(["audit-trust", "--policy", str(policy), "--out", str(out), *words], 2)
    assert not out.exists()


def test_the_pages_are_served(kit: Kit) -> None:
    port = free_port()
    program = [sys.executable, "-m", "veilmatch.cli.main"]
    words = ["pages", "--site", str(kit.path("site")), "--port", str(port)]
    with subprocess.Popen([*program, *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert f"127.0.0.1:{port}/transparency/" in process.stdout.readline()
            address = f"http://127.0.0.1:{port}/transparency"
            for _ in range(100):
                try:
                    answer = httpx.get(address, trust_env=False, follow_redirects=True)
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            assert answer.status_code == 200
            assert "The release in use" in answer.text
            assert "script-src" not in answer.headers["content-security-policy"]
        finally:
            process.terminate()
            process.wait(20)


def test_the_pages_are_a_part_of_the_service(kit: Kit, tmp_path: Path) -> None:
    """With ``pages = true``; the rest of the service answers as before."""
    port, config = free_port(), tmp_path / "serve.toml"
    lines = [f'data = "{tmp_path / "data"}"', f'site = "{kit.path("site")}"', f"port = {port}"]
    config.write_text("\n".join([*lines, "pages = true", ""]))
    program = [sys.executable, "-m", "veilmatch.cli.main", "serve", "--config", str(config)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert f":{port}" in process.stdout.readline()
            address = f"http://127.0.0.1:{port}"
            for _ in range(200):
                try:
                    answer = httpx.get(f"{address}/transparency/", trust_env=False)
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            assert answer.status_code == 200
            assert "The release in use" in answer.text
            assert "script-src" not in answer.headers["content-security-policy"]
            assert httpx.get(f"{address}/healthz", trust_env=False).status_code == 200
            missing = httpx.get(f"{address}/nothing", trust_env=False)
            assert missing.status_code == 404
            assert "html" not in missing.headers["content-type"]
        finally:
            process.terminate()
            process.wait(30)


def test_pages_without_a_policy_or_a_release(kit: Kit, tmp_path: Path, refused: Refused) -> None:
    site, port = ["--site", str(kit.path("site"))], ["--port", "0"]
    refused(["pages", *site, *port, "--log", str(tmp_path)], 2)
    refused(["pages", "--site", str(tmp_path), *port], 2)
