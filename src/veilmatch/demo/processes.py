"""Run the program's own commands as separate processes, as their users would."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from veilmatch.errors import InternalError, UnavailableError

PROGRAM = (sys.executable, "-m", "veilmatch.cli.main")
_START_S = 60.0
_STOP_S = 20.0


def start_command(arguments: Sequence[str | Path], log: Path) -> subprocess.Popen[str]:
    """Start one command; what it says on stderr goes to a file."""
    with open(log, "a", encoding="utf-8") as errors:
        return subprocess.Popen(  # noqa: S603  our own program with our own arguments
            [*PROGRAM, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )


def finish_command(process: subprocess.Popen[str], log: Path) -> dict[str, Any]:
    """Wait for a command started with --json and return what its last line says.

    Raises:
        InternalError: It failed; the message says where its own error stands.
    """
    output, _ = process.communicate()
    if process.returncode != 0:
        said = log.read_text(encoding="utf-8").strip().splitlines()[-2:]
        raise InternalError(f"a command of the demo failed: {' / '.join(said)}", hint=f"see {log}")
    value: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return value


def run_command(arguments: Sequence[str | Path], log: Path) -> dict[str, Any]:
    """Run one command with --json to its end."""
    return finish_command(start_command([*arguments, "--json"], log), log)


def run_together(commands: Sequence[Sequence[str | Path]], log: Path) -> list[dict[str, Any]]:
    """Run commands side by side; all of them end before this returns."""
    running = [
        start_command([*command, "--json"], log.with_suffix(f".{number}.log"))
        for number, command in enumerate(commands)
    ]
    try:
        return [
            finish_command(process, log.with_suffix(f".{number}.log"))
            for number, process in enumerate(running)
        ]
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()


@contextmanager
def running_service(
    arguments: Sequence[str | Path], log: Path, *, says: str = "serving on "
) -> Iterator[str]:
    """Run a service for a while. Gives the address it ``says``; stops it gracefully.

    Raises:
        UnavailableError: It did not start.
    """
    process = start_command(arguments, log)
    try:
        yield _read_address(process, log, says)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _read_address(process: subprocess.Popen[str], log: Path, says: str) -> str:
    deadline = time.monotonic() + _START_S
    stream = process.stdout
    while stream is not None and time.monotonic() < deadline:
        line = stream.readline()
        if not line:
            break
        if line.startswith(says):
            return line.removeprefix(says).split()[0]
    raise UnavailableError("the demo's service did not start", hint=f"see {log}")
