"""Where reports go. The body's test host, unless two settings together say production."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from veilmatch.errors import ConfigError
from veilmatch.secret import SecretBytes
from veilmatch.store.files import read_file

TEST_HOST = "https://exttest.cybertip.org/ispws"
"""The body's test service: reports are discarded there. Its credentials are its own."""

PRODUCTION_HOST = "https://report.cybertip.org/ispws"
"""The body's real service: whatever is finished there is a report to the authorities."""


def choose_host(host: str = "test", *, is_production_confirmed: bool = False) -> str:
    """Return the base address for a setting.

    Args:
        host: ``test``, ``production``, or the address of a simulator on this machine.
        is_production_confirmed: The second setting, without which production is refused.

    Raises:
        ConfigError: Production without the second setting, or the second without the first;
            or an address that is not on this machine.
    """
    if is_production_confirmed != (host == "production"):
        raise ConfigError(
            "production needs two settings: the host and its confirmation",
            setting="host",
            hint="--host production --confirm-production, or neither",
        )
    if host == "test":
        return TEST_HOST
    if host == "production":
        return PRODUCTION_HOST
    parts = urlsplit(host)
    if parts.scheme != "http" or not _is_loopback(parts.hostname or "") or parts.username:
        raise ConfigError(
            "the host is neither test nor production nor a simulator on this machine",
            setting="host",
            hint="--host http://127.0.0.1:8470 for veilmatch report simulate",
        )
    return host.rstrip("/")


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, repr=False)
class Credentials:
    """User name and password for HTTP Basic."""

    user: str
    password: SecretBytes

    def __repr__(self) -> str:
        return "Credentials(<private>)"


def load_credentials(path: Path) -> Credentials:
    """Read a file of two lines, user and password, that only its owner can read.

    Raises:
        ConfigError: Not there, not two lines, or readable by others.
    """
    text = read_file(path, "the credentials file", max_len=4096).decode("utf-8", "replace")
    if path.stat().st_mode & 0o077:
        raise ConfigError(
            "others may read the credentials file", setting="credentials", hint="chmod 600 it"
        )
    lines = text.splitlines()
    if len(lines) != 2 or not all(lines):
        raise ConfigError(
            "the credentials file does not hold two lines, user and password",
            setting="credentials",
        )
    return Credentials(lines[0], SecretBytes(lines[1].encode()))
