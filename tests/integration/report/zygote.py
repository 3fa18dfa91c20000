"""Starts report workers quickly: loads everything once, then forks one per line on stdin.

Usage: ``python -m tests.integration.report.zygote FOLDER ADDRESS``. Each child is a whole
worker process with its own database connection and sockets; the parent prints its id. Who
reads the id kills it.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from tests.integration.report.harness import CREDENTIALS, open_outbox
from veilmatch.reporting.transport import NAME, CyberTipline
from veilmatch.reporting.worker import ReportWorker, WorkerSettings

SETTINGS = WorkerSettings(lease_s=1, base_s=0, max_opens=100_000, max_attempts=100_000)


def work(folder: Path, body: CyberTipline) -> None:
    """Send reports until killed."""
    outbox = open_outbox(folder)
    while True:
        worker = ReportWorker(
            outbox, {NAME: body}, lambda: int(time.time()), random.random, SETTINGS
        )
        worker.run_due()
        time.sleep(0.02)


def main() -> None:
    """Fork a worker for each line read; reap it when the next line says that it is dead."""
    folder = Path(sys.argv[1])
    # Made once, for it loads certificates; it has no connection yet that children could share.
    body = CyberTipline(sys.argv[2], CREDENTIALS, timeout_s=2.0)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            work(folder, body)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        sys.stdin.readline()
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
