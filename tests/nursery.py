"""Start the program's commands quickly: everything is loaded once, each command is a fork.

``Nursery`` is the test's side. The other side is this file run as a program of its own, so that
forking is safe. It reads lines of JSON: a list of arguments starts a command and is answered with
its process's number; a number is waited for and answered with its exit status.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class Nursery:
    """Forks commands out of a process that has everything loaded; any number at a time.

    Args:
        log: Where the commands' output goes.
        loaded: Modules that every command has from the start.
        changed: Values of modules to change before the first command, as ``module.NAME``.
    """

    def __init__(
        self, log: Path, *, loaded: Sequence[str], changed: Mapping[str, int] | None = None
    ) -> None:
        self._log = log
        with open(log, "ab") as stream:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", "tests.nursery", json.dumps([loaded, dict(changed or {})])],
                cwd=Path(__file__).parents[1],
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
        self._parent.wait(timeout=20)


def main() -> None:
    """Serve lines until standard input ends."""
    loaded, changed = json.loads(sys.argv[1])
    for name in (*loaded, "veilmatch.cli.main"):
        importlib.import_module(name)
    for place, value in changed.items():
        module, name = place.rsplit(".", 1)
        assert hasattr(sys.modules[module], name), place
        setattr(sys.modules[module], name, value)
    run = sys.modules["veilmatch.cli.main"].run
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            print(os.waitpid(asked, 0)[1], flush=True)
            continue
        child = os.fork()
        if child == 0:
            with open(os.devnull) as nothing:
                os.dup2(nothing.fileno(), 0)
            os.dup2(2, 1)
            os._exit(run(asked))
        print(child, flush=True)


if __name__ == "__main__":
    main()
