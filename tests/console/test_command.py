"""``veilmatch console`` as a process, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.console.test_numbers import SIGNER
from veilmatch.cli.main import run
from veilmatch.cli.operator.console_commands import passkey_site, read_console_settings
from veilmatch.console.security import CONTENT_SECURITY_POLICY
from veilmatch.errors import ConfigError
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database

PROFILE = {
    "platform": "Example Photos",
    "url": "https://photos.example",
    "first_name": "Trust",
    "last_name": "Desk",
    "email": "desk@photos.example",
    "phone": "",
    "legal_url": "",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    load_crypter(tmp_path / "store.key")
    Database(tmp_path / "store.sqlite").close()
    return tmp_path


def test_the_command_serves_the_console_until_stopped(data: Path) -> None:
    (data / "profile.json").write_text(json.dumps(PROFILE))
    (data / "numbers").mkdir()
    arguments = ["console", "--data", str(data), "--port", "0", "--golden", "1"]
    arguments += ["--profile", str(data / "profile.json"), "--numbers", str(data / "numbers")]
    arguments += ["--log-key", SIGNER.key.to_bytes().decode()]
    command = [sys.executable, "-m", "veilmatch.cli.main", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            (address,) = re.findall(r"http://\S+/review", line)
            for _ in range(100):
                try:
                    answer = httpx.get(address, timeout=5)
                    break
                except httpx.ConnectError:
                    time.sleep(0.05)
            assert answer.status_code == 303
            page = httpx.get(f"{address}/login", timeout=5)
            assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
            assert "server" not in page.headers
            numbers = httpx.get(address.replace("/review", "/numbers"), timeout=5)
            assert "Nothing is published yet" in numbers.text
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "over TLS, or from this machine alone"),
        (["--origin", "ftp://x"], "origin is like"),
        (["--origin", "https://a.example/x"], "origin is like"),
        (["--step-up"], "passkeys need --origin"),
        (["--numbers", "numbers"], "under the log's key"),
        (["--profile", "missing.json"], "profile is not there"),
        (["--golden", "6"], "--golden"),
    ],
)
def test_what_is_not_safe_is_refused(
    data: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["console", "--data", str(data), "--port", "0", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_folder_without_a_store_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["console", "--data", str(tmp_path)]) == 2
    assert "there is no store" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_behind_tls_everything_is_marked_secure() -> None:
    assert read_console_settings("0.0.0.0", "https://review.example", None).is_secure
    assert read_console_settings("0.0.0.0", "", None, has_tls=True).is_secure
    assert not read_console_settings("127.0.0.1", "", None).is_secure
    site = passkey_site("https://review.example:8443")
    assert site is not None
    assert (site.rp_id, site.origins) == ("review.example", ("https://review.example:8443",))
    with pytest.raises(ConfigError):
        read_console_settings("10.0.0.1", "http://review.example", None)
