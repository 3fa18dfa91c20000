"""The test host by default; production by two settings; nothing else but this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from veilmatch.errors import ConfigError
from veilmatch.reporting.settings import (
    PRODUCTION_HOST,
    TEST_HOST,
    choose_host,
    load_credentials,
)


def test_the_test_host_is_the_default() -> None:
    assert choose_host() == TEST_HOST
    assert TEST_HOST != PRODUCTION_HOST


def test_production_needs_two_settings() -> None:
    assert choose_host("production", is_production_confirmed=True) == PRODUCTION_HOST
    with pytest.raises(ConfigError, match="two settings"):
        choose_host("production")
    for host in ("test", "http://127.0.0.1:8470"):
        with pytest.raises(ConfigError, match="two settings"):
            choose_host(host, is_production_confirmed=True)


def test_a_simulator_is_on_this_machine() -> None:
    assert choose_host("http://127.0.0.1:8470/") == "http://127.0.0.1:8470"
    assert choose_host("http://[::1]:8470") == "http://[::1]:8470"


@pytest.mark.parametrize(
    "host",
    [
        PRODUCTION_HOST,
        TEST_HOST,
        "https://127.0.0.1",
        "http://192.0.2.1",
        "http://localhost.example",
        "http://user@127.0.0.1",
        "http://",
        "",
        "prod",
    ],
)
def test_no_other_address_is_accepted(host: str) -> None:
    with pytest.raises(ConfigError):
        choose_host(host)


def test_credentials_are_two_lines_for_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_text("user\nsecret-word\n")
    path.chmod(0o600)
    known = load_credentials(path)
    assert (known.user, known.password.reveal()) == ("user", b"secret-word")
    assert "secret-word" not in repr(known)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="others"):
        load_credentials(path)


@pytest.mark.parametrize("text", ["", "user", "user\n\n", "a\nb\nc"])
def test_malformed_credentials_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "credentials"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError):
        load_credentials(path)
