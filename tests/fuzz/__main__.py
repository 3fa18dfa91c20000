"""Fuzz every parser, or some, and print what was done.

python -m tests.fuzz --seconds 60
python -m tests.fuzz --target note --engine atheris --seconds 60
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.fuzz.engine import HEADER, INPUT_LEN_MAX, Result, Target, call, run
from tests.fuzz.targets import all_targets


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _run_atheris(target: Target, seconds: float, corpus: Path) -> Result:
    """In a program of its own: libFuzzer ends the process when its time is up."""
    folder = corpus / "".join(c if c.isalnum() else "-" for c in target.name)
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(data)
    command = [sys.executable, "-m", "tests.fuzz", "--atheris-child", target.name]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, str(folder), f"-max_total_time={max(1, int(seconds))}", "-print_final_stats=1"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    if done.returncode:
        raise SystemExit(f"{target.name}: {done.stderr[-4000:]}")
    files = list(folder.iterdir())
    result = Result(target, [path.read_bytes() for path in files])
    result.seconds = time.perf_counter() - started
    said = done.stderr + done.stdout
    result.runs = sum(map(int, re.findall(r"stat::number_of_executed_units:\s*(\d+)", said)))
    return result


def _atheris_child(name: str, arguments: list[str]) -> None:
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["veilmatch"]):
        for module in [one for one in sys.modules if one.startswith(("veilmatch", "tests."))]:
            del sys.modules[module]
        from tests.fuzz.targets import all_targets as instrumented

        (target,) = [one for one in instrumented() if one.name == name]
    from tests.fuzz.engine import call as instrumented_call

    def once(data: bytes) -> None:
        instrumented_call(target, data[:INPUT_LEN_MAX])

    atheris.Setup([name, *arguments], once)
    atheris.Fuzz()


def main() -> None:
    """Run the targets and print the table."""
    if sys.argv[1:2] == ["--atheris-child"]:
        _atheris_child(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each target")
    parser.add_argument("--target", action="append", help="only this one; may be repeated")
    parser.add_argument("--engine", choices=("hypothesis", "atheris"), default="hypothesis")
    parser.add_argument("--corpus", type=Path, default=Path("/tmp/veilmatch-fuzz"))
    parser.add_argument("--seed", type=int, default=0, help="where the drawing begins")
    parser.add_argument("--repeat", type=Path, help="hand this one file to the target")
    chosen = parser.parse_args()
    targets = all_targets()
    if chosen.target:
        targets = [one for one in targets if one.name in chosen.target]
    if chosen.repeat is not None:
        for target in targets:
            _print(f"{target.name}: {call(target, chosen.repeat.read_bytes()) or 'accepted'}")
        return
    _print(HEADER)
    runs, seconds, corpus = 0, 0.0, 0
    for target in targets:
        if chosen.engine == "atheris":
            result = _run_atheris(target, chosen.seconds, chosen.corpus)
        else:
            result = run(target, chosen.seconds, chosen.seed)
        runs, seconds = runs + result.runs, seconds + result.seconds
        corpus += len(result.corpus)
        _print(result.line)
    _print(f"{len(targets)} targets, {corpus} files of corpus, {runs} runs in {seconds:.0f} s")


if __name__ == "__main__":
    main()
