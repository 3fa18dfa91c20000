"""``veilmatch serve`` shows the public numbers, with the console and without it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.console.test_numbers import PERIOD, SIGNER, publish
from tests.console.test_reports import confirm
from tests.console.world import World as ConsoleWorld
from tests.integration.service.processes import PROGRAM, Program, Service, free_port
from tests.integration.service.world import World


@pytest.mark.parametrize("has_console", [False, True])
def test_numbers_are_served(world: World, tmp_path: Path, has_console: bool) -> None:
    numbers = tmp_path / "numbers"
    casework = ConsoleWorld(tmp_path)
    confirm(casework)
    publish(casework, numbers)
    casework.close()
    port = free_port()
    values = {
        "data": str(tmp_path / "data"),
        "site": str(world.site),
        "port": port,
        "numbers": str(numbers),
        "numbers_log_keys": [SIGNER.key.to_bytes().decode()],
        "console": has_console,
    }
    config = tmp_path / "serve.toml"
    config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    service = Service.__new__(Service)
    Program.__init__(service, [*PROGRAM, "serve", "--config", config], tmp_path / "log")
    service.port, service.address = port, f"http://127.0.0.1:{port}"
    with service, httpx.Client(base_url=service.address, trust_env=False) as http:
        service.wait()
        page = http.get("/numbers")
        assert page.status_code == 200
        assert "Recomputed." in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "strict-transport-security" not in page.headers
        report = http.get(f"/numbers/{PERIOD}/report.json")
        assert report.content == (numbers / PERIOD / "report.json").read_bytes()
        for style in {part.split('"')[0] for part in page.text.split('href="/review/static/')[1:]}:
            assert http.get(f"/review/static/{style}").status_code == 200
        assert "/review/static/" in page.text
        for place in ("/review", "/review/login", "/appeal"):
            assert (http.get(place).status_code == 404) == (not has_console), place
        assert http.get("/numbersx").status_code == 404
