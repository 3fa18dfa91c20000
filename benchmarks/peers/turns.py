"""Take turns with a peer that lives in a process and an environment of its own.

The peer's packages pin other versions than ours, so each peer is a worker script run by the
interpreter of ``.venv-peers`` (``VEILMATCH_PEERS`` names another). One side works while the
other waits for its turn; each counts the CPU time of its own process, all threads together.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.harness import Operation

_ROOT = Path(__file__).resolve().parents[2]
_WORKERS = Path(__file__).with_name("workers")

Times = dict[str, float]
"""Microseconds of CPU time per item, by operation."""


def peers_python() -> Path | None:
    """Return the interpreter that has the peers, if there is one."""
    named = os.environ.get("VEILMATCH_PEERS")
    path = Path(named) if named else _ROOT / ".venv-peers" / "bin" / "python"
    return path if path.exists() else None


def _one_turn(operations: Mapping[str, Operation]) -> Times:
    times = {}
    for name, (function, count) in operations.items():
        start = time.process_time()
        function()
        times[name] = (time.process_time() - start) / count * 1e6
    return times


def _medians(turns: list[Times]) -> Times:
    return {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}


def take_turns(
    worker: str, operations: Mapping[str, Operation], *, rounds: int = 5
) -> tuple[Times, Times] | None:
    """Return the medians of our operations and of the peer's, or None without the peers."""
    python = peers_python()
    if python is None:
        print(f"{worker}: not installed (make peers)")
        return None
    command = [str(python), str(_WORKERS / f"{worker}.py")]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        ask = _asker(process)
        _one_turn(operations)
        ask()
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(_one_turn(operations))
            theirs.append(ask())
        assert process.stdin is not None
        process.stdin.close()
    return _medians(ours), _medians(theirs)


def _asker(process: subprocess.Popen[str]) -> Callable[[], Times]:
    def ask() -> Times:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the peer's worker stopped")
        times: Times = json.loads(line)
        return times

    return ask
