"""A log and two witnesses as real programs on the loopback address."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from tests.integration.service.processes import free_port
from tests.nursery import Nursery
from veilmatch.cli.main import run
from veilmatch.transparency.policy import parse_policy

ORIGIN = "log.example/lists"
WITNESSES = ("eu", "us")
_START_S = 30.0


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
