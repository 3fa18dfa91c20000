"""Starts the log's commands quickly: all is loaded once, each command is a fork of its own.

Reads lines of JSON: a list of arguments starts a command and is answered with its process's
number; a number is waited for and answered with its exit status.
"""

from __future__ import annotations

import json
import os
import sys

import uvicorn

import veilmatch.cli.log_commands
import veilmatch.logstore.witness_app
from veilmatch.cli.main import run

LOADED = (uvicorn, veilmatch.cli.log_commands, veilmatch.logstore.witness_app)


def main() -> None:
    """Serve lines until standard input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            print(os.waitpid(asked, 0)[1], flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            with open(os.devnull) as nothing:
                os.dup2(nothing.fileno(), 0)
            os.dup2(2, 1)
            os._exit(run(asked))
        print(pid, flush=True)


if __name__ == "__main__":
    main()
