"""Builds the Go programs of this folder and asks them questions.

Runs where Go is present and the modules can be had. With ``VEILMATCH_REQUIRE_GO=1`` it is a
failure instead of a skip if Go, or Debian's golang-golang-x-mod-dev, is missing; that needs no
network. With ``VEILMATCH_REQUIRE_GO=all`` the modules from the network must be there too.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

HERE = Path(__file__).parent
GO_PATH = "/usr/local/go/bin:/usr/lib/go/bin"


class Oracle:
    """A Go program, asked one question a line."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, operation: str, **values: object) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        question = {"Op": operation} | {name: encode(value) for name, value in values.items()}
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the oracle stopped"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def accepts(self, operation: str, **values: object) -> bool:
        return "error" not in self.ask(operation, **values)

    def stop(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        status = self.process.wait(10)
        self.process.stdout.close()
        assert status == 0


def encode(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(values: list[str] | None) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(value) for value in values or [])


def give_up(reason: str, *, offline: bool = True) -> NoReturn:
    """Skip; fail where it is required. ``offline``: whether it would do without a network."""
    required = os.environ.get("VEILMATCH_REQUIRE_GO", "")
    if required == "all" or (required and offline):
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def start_oracle(name: str, folder: Path, *fallbacks: dict[str, str]) -> Iterator[Oracle]:
    """Build the program in the folder of that name; try the fallbacks' settings after modules."""
    go = shutil.which("go") or shutil.which("go", path=GO_PATH)
    if go is None:
        give_up("Go is not installed here, so its implementation cannot be asked")
    reasons = []
    for settings in ({"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}, *fallbacks):
        built = subprocess.run(
            [go, "build", "-o", folder / name, "."],
            cwd=HERE / name,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if built.returncode == 0:
            break
        reasons.append(built.stderr.strip().rpartition("\n")[2])
    else:
        reason = f"the Go program {name} cannot be built here: {reasons}"
        give_up(reason, offline=bool(fallbacks))
    oracle = Oracle(folder / name)
    try:
        yield oracle
    finally:
        oracle.stop()
