"""Tasks for the engines; workers import them by name."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

from veilmatch.errors import InputError


def hash_slowly(data: bytes) -> bytes:
    """SHA-256 of the payload; leaves a line in the trace, so that a test can count runs."""
    order = json.loads(data)
    trace = Path(order["trace"])
    trace.mkdir(exist_ok=True)
    started = trace / f"{order['number']}.{os.getpid()}.{time.monotonic_ns()}"
    started.write_text(str(os.getpid()))
    time.sleep(order["sleep_s"])
    if order.get("is_bad"):
        raise InputError("this shard is refused")
    return hashlib.sha256(data).digest()


def die_always(data: bytes) -> bytes:
    """End the process that runs it, as a kernel short of memory would."""
    os.kill(os.getpid(), 9)
    return data
