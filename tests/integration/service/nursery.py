"""Start the program's commands quickly: everything is loaded once, each command is a fork.

Reads one JSON list of arguments per line; answers with the process's number, and, when it has
ended, with its exit status. Run as a program of its own, so that forking is safe.
"""

from __future__ import annotations

import json
import os
import sys

import veilmatch.cli.service_commands
import veilmatch.jobs.worker
from veilmatch.cli.main import run


def main() -> None:
    """Serve lines until standard input ends."""
    assert veilmatch.cli.service_commands.__doc__  # loaded before the first fork
    # A killed worker's lease would hold up the next one for a quarter of an hour.
    veilmatch.jobs.worker.LEASE_S = 0
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            with open(os.devnull) as nothing:
                os.dup2(nothing.fileno(), 0)
            os.dup2(2, 1)
            os._exit(run(json.loads(line)))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(status, flush=True)


if __name__ == "__main__":
    main()
