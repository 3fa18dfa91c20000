"""A log and two witnesses as real programs on the loopback address."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.integration.service.processes import free_port
from veilmatch.cli.main import run
from veilmatch.transparency.policy import parse_policy

ORIGIN = "log.example/lists"
WITNESSES = ("eu", "us")
_START_S = 30.0


class Nursery:
    """Forks commands out of a process that has everything loaded; any number at a time."""

    def __init__(self, log: Path) -> None:
        self._log = log
        with open(log, "ab") as stream:
            self._parent = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("nursery.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
            )
        self._running: set[int] = set()

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def start(self, *arguments: object) -> int:
        """Start a command and give its number."""
        child = self._ask([str(one) for one in arguments])
        self._running.add(child)
        return child

    def join(self, child: int) -> int:
        """Wait until it has ended. Gives its exit code, or minus the signal that ended it."""
        self._running.discard(child)
        return os.waitstatus_to_exitcode(self._ask(child))

    def kill(self, child: int) -> int:
        """End it at once, wherever it stands."""
        os.kill(child, signal.SIGKILL)  # not yet waited for: the number is still its own
        return self.join(child)

    def run(self, *arguments: object) -> int:
        """Run a command to its end."""
        return self.join(self.start(*arguments))

    def _ask(self, what: list[str] | int) -> int:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(what) + "\n")
        self._parent.stdin.flush()
        line = self._parent.stdout.readline()
        assert line, self.log
        return int(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in list(self._running):
            self.kill(child)
        for stream in (self._parent.stdin, self._parent.stdout):
            if stream is not None:
                stream.close()
        self._parent.wait(20)


class House:
    """The folders of a log and its witnesses, and the running witnesses."""

    def __init__(self, top: Path, nursery: Nursery) -> None:
        self.top = top
        self.nursery = nursery
        self.log, self.state, self.policy = top / "log", top / "state", top / "policy"
        self.ports = {name: free_port() for name in WITNESSES}
        self.running: dict[str, int] = {}
        begin = ["log", "init", "--origin", ORIGIN, "--log", self.log, "--state", self.state]
        assert run([*map(str, begin)]) == 0
        lines = [f"log {self._key(self.state)}"]
        for name in WITNESSES:
            arguments = ["witness", "init", "--name", f"{name}.example", "--data", top / name]
            assert run([*map(str, arguments)]) == 0
            address = f"http://127.0.0.1:{self.ports[name]}"
            lines.append(f"witness {name} {self._key(top / name)} {address}")
        lines += ["group both all eu us", "quorum both"]
        self.policy.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self.log_key = parse_policy(self.policy.read_bytes()).logs[0].to_bytes().decode()

    @staticmethod
    def _key(folder: Path) -> str:
        from veilmatch.logstore.state import load_note_signer

        return load_note_signer(folder / "note.key").key.to_bytes().decode()

    def start(self, name: str, *, wait: bool = True) -> None:
        """Start a witness on its port."""
        port = self.ports[name]
        self.running[name] = self.nursery.start(
            *("witness", "serve", "--data", self.top / name, "--log", self.log_key),
            *("--port", str(port)),
        )
        deadline = time.monotonic() + _START_S
        while wait:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
                return
            except httpx.TransportError:
                assert time.monotonic() < deadline, self.nursery.log
                time.sleep(0.02)

    def kill(self, name: str) -> None:
        """End a witness at once."""
        self.nursery.kill(self.running.pop(name))

    def append(self, *envelopes: Path) -> list[object]:
        """The command that appends."""
        options = ["--log", self.log, "--state", self.state, "--policy", self.policy]
        return ["log", "append", *options, *envelopes]
