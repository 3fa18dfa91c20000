"""OpenMined PSI, one turn a line: set-up of the server, a request, a response.

Runs in the peers' environment; prints one JSON object of microseconds per item for each line.
"""

from __future__ import annotations

import json
import secrets
import sys
import time

import private_set_intersection.python as psi  # type: ignore[import-not-found]

SERVER_ITEMS, CLIENT_ITEMS = 4000, 500


def main() -> None:
    """Answer every line with one turn."""
    items = [secrets.token_hex(32) for _ in range(SERVER_ITEMS)]
    wanted = [secrets.token_hex(32) for _ in range(CLIENT_ITEMS)]
    server = psi.server.CreateWithNewKey(True)
    client = psi.client.CreateWithNewKey(True)
    for _ in sys.stdin:
        start = time.process_time()
        server.CreateSetupMessage(1e-9, CLIENT_ITEMS, items)
        ready = time.process_time()
        request = client.CreateRequest(wanted)
        asked = time.process_time()
        server.ProcessRequest(request)
        done = time.process_time()
        times = {
            "setup": (ready - start) / SERVER_ITEMS * 1e6,
            "request": (asked - ready) / CLIENT_ITEMS * 1e6,
            "response": (done - asked) / CLIENT_ITEMS * 1e6,
        }
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
