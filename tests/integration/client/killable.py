"""A process that runs a client in children of its own, so that a test can kill them cheaply.

Reads ``add``, ``send``, ``delete`` or ``run`` from standard input, forks, and prints the
child's number, then its exit status. Everything heavy is imported before the first fork.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from tests.unit.client.house import NOW
from veilmatch.client.sdk import Client
from veilmatch.client.session import ClientOptions


def work(command: str, state: Path, folder: Path) -> None:
    with Client.open(state, options=ClientOptions(clock=lambda: NOW)) as client:
        client.update_release()
        if command in ("add", "run"):
            client.add_folder(folder)
        if command == "delete":
            client.delete(client.find_assets(folder / "gone"))
        if command in ("send", "run"):
            client.send()


def main() -> None:
    state, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                work(line.strip(), state, folder)
            except BaseException:  # noqa: BLE001 - told to the test by the exit status
                traceback.print_exc()
                os._exit(9)
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
