"""Starts the program's commands quickly: all is loaded once, each command is a fork of its own.

``nursery_program.py MODULE… [MODULE:NAME=NUMBER…]`` loads the modules and sets the numbers.
Reads lines of JSON: a list of arguments starts a command and is answered with its process's
number; a number is waited for and answered with its status. Run as a program of its own, so
that forking is safe.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

from veilmatch.cli.main import run


def main() -> None:
    """Serve lines until standard input ends."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # modules of the tests, too
    for asked in sys.argv[1:]:
        name, _, setting = asked.partition(":")
        module = importlib.import_module(name)
        if setting:
            variable, _, value = setting.partition("=")
            assert hasattr(module, variable)
            setattr(module, variable, int(value))
    for line in sys.stdin:
        order = json.loads(line)
        if isinstance(order, int):
            print(os.waitpid(order, 0)[1], flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            with open(os.devnull) as nothing:
                os.dup2(nothing.fileno(), 0)
            os.dup2(2, 1)
            os._exit(run(order))
        print(pid, flush=True)


if __name__ == "__main__":
    main()
