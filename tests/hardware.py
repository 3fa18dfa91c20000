"""A software token for tests: SoftHSM, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import pytest

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
PIN, SO_PIN = "4711-0815", "so-4711-0815"


def give_up(reason: str) -> NoReturn:
    """Skip; with ``VEILMATCH_REQUIRE_HSM=1`` fail."""
    if os.environ.get("VEILMATCH_REQUIRE_HSM"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Token:
    """An initialised token, and the file with its PIN."""

    module: str
    label: str
    pin_file: Path

    def uri(self, key: str = "signing", **query: str | Path) -> str:
        """A PKCS#11 URI of one of its keys; ``pin_source=""`` leaves out the PIN."""
        options: dict[str, str | Path] = {"pin_source": self.pin_file, **query}
        parts = [f"module-path={self.module}"]
        parts += [f"{name.replace('_', '-')}={quote(str(v))}" for name, v in options.items() if v]
        return f"pkcs11:token={quote(self.label)};object={quote(key)}?{'&'.join(parts)}"


class SoftHsm:
    """Makes tokens. One per process: the library reads its configuration once."""

    def __init__(self, folder: Path) -> None:
        found = [path for path in MODULES if Path(path).is_file()]
        if not found or shutil.which("softhsm2-util") is None:
            give_up("SoftHSM is not installed here, so no hardware module can be asked")
        try:
            import pkcs11  # noqa: F401
        except ModuleNotFoundError:
            give_up("python-pkcs11 is not installed here, so no hardware module can be asked")
        self.module, self.folder = found[0], folder
        tokens = folder / "tokens"
        tokens.mkdir(parents=True)
        self.configuration = folder / "softhsm2.conf"
        self.configuration.write_text(
            f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        self._count = 0

    def make_token(self) -> Token:
        """A fresh, empty token."""
        import pkcs11

        self._count += 1
        label = f"test {self._count}"
        subprocess.run(
            [
                *("softhsm2-util", "--init-token", "--free", "--label", label),
                *("--pin", PIN, "--so-pin", SO_PIN),
            ],
            check=True,
            capture_output=True,
            env={**os.environ, "SOFTHSM2_CONF": str(self.configuration)},
        )
        pin_file = self.folder / f"pin-{self._count}"
        pin_file.touch(mode=0o600)
        pin_file.write_text(f"{PIN}\n")
        pkcs11.lib(self.module).reinitialize()  # it lists tokens only once
        return Token(self.module, label, pin_file)
