"""The real programs as separate processes; each is killed at the end, whatever happens."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

PROGRAM = (sys.executable, "-m", "veilmatch.cli.main")
_START_S = 120.0  # most of it is waiting for a core


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Program:
    """One running command; its two streams go to files."""

    def __init__(self, arguments: Sequence[str | Path], log: Path) -> None:
        self._log = log
        with open(log, "ab") as stream:
            self.process = subprocess.Popen(
                [*map(str, arguments)], stdout=stream, stderr=subprocess.STDOUT
            )

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def kill(self) -> None:
        """End it at once, wherever it stands."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end, and wait until it has."""
        self.process.terminate()
        return self.process.wait(20)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.kill()


class Service(Program):
    """``veilmatch serve`` on a port of the loopback address."""

    def __init__(
        self, data: Path, site: Path, log: Path, *options: str, port: int | None = None
    ) -> None:
        self.port = port or free_port()
        command: list[str | Path] = [*PROGRAM, "serve", "--data", data, "--site", site]
        super().__init__([*command, "--port", str(self.port), *options], log)
        self.address = f"http://127.0.0.1:{self.port}"

    def wait(self) -> Self:
        """Wait until it answers."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the service ended: {self.log}")
            try:
                if httpx.get(f"{self.address}/healthz", trust_env=False).status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError("the service did not start in time")
