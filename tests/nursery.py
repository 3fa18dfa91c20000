"""Commands as processes that start in milliseconds, to be killed at any moment."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

LOG = ("uvicorn", "veilmatch.cli.auditor.log_commands", "veilmatch.logstore.witness_app")
# A killed worker's lease would hold up the next one for a quarter of an hour. One of no length
# would let two workers take a segment from each other until it is held for an operator.
SERVICE = (
    "veilmatch.cli.operator.serve_commands",
    "veilmatch.cli.operator.service_commands",
    "veilmatch.cli.operator.action_commands",
    "veilmatch.jobs.worker:LEASE_S=2",
)
# For one worker at a time, whose every try shall follow the last one at once.
ONE_WORKER = (*SERVICE, "veilmatch.jobs.worker:LEASE_S=0")


class Nursery:
    """Forks commands out of a process that has everything loaded; any number at a time.

    Args:
        log: Where the commands' two streams go.
        loaded: Modules to load first, ``module:NAME=number`` to set a number in one.
        environment: Variables of theirs, besides our own.
    """

    def __init__(
        self, log: Path, loaded: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = log
        program = Path(__file__).with_name("nursery_program.py")
        with open(log, "ab") as stream:
            self._parent = subprocess.Popen(
                [sys.executable, str(program), *loaded],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                env={**os.environ, **(environment or {})},
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

    def own_tracebacks(self) -> list[str]:
        """Tracebacks in the log that run through this program.

        A worker of an engine that outlives its killed driver logs its own about the lost line.
        """
        told = re.findall(r"^ *Traceback .*\n(?: .*\n)*.*", self.log, re.MULTILINE)
        return [one for one in told if "/src/veilmatch/" in one]

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
