"""Build the native core into the environment of this interpreter, where that is possible.

Run as ``python native/build.py``. Where there is no Rust toolchain, or the crates cannot be
had, it says so in one line and succeeds: everything works on the portable backend. With
``--required`` that is an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MATURIN_LOCK = HERE.parent / "requirements" / "native.lock"
OLDEST_RUST = (1, 89)
_PIP = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]


def missing_toolchain() -> str:
    """Say what is missing to build, or return an empty string."""
    cargo = shutil.which("cargo")
    if cargo is None:
        return "no Rust toolchain"
    try:
        told = subprocess.run(
            [cargo, "--version"], cwd=HERE, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "the Rust toolchain does not run"
    found = re.search(r"(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_RUST:
        return "Rust is older than {}.{}".format(*OLDEST_RUST)
    return ""


def build(log: Path) -> str:
    """Build and install; say what failed, or return an empty string."""
    tool = ["maturin>=1.9,<2"]
    if MATURIN_LOCK.exists():
        tool = ["--require-hashes", "-r", str(MATURIN_LOCK)]
    steps = [
        ("the build tool cannot be had", [*_PIP, *tool]),
        (
            "the native core does not build",
            [*_PIP, "--no-deps", "--no-build-isolation", "--force-reinstall", str(HERE)],
        ),
    ]
    # maturin must be found by its name.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with log.open("w") as out:
        for failure, step in steps:
            done = subprocess.run(step, stdout=out, stderr=out, env={**os.environ, "PATH": path})
            if done.returncode:
                return f"{failure}; see {log}"
    return ""


def main() -> int:
    """Build or say why not."""
    log = HERE / "target" / "build.log"
    log.parent.mkdir(exist_ok=True)
    why = missing_toolchain() or build(log)
    if why and "--required" in sys.argv:
        print(f"error: the native core was not built: {why}", file=sys.stderr)
        print(f"hint: install Rust {OLDEST_RUST[0]}.{OLDEST_RUST[1]} or later", file=sys.stderr)
        return 3
    if why:
        print(f"backend: portable ({why})")
        return 0
    check = "import veilmatch_native as n; print(f'backend: native ({n.paths()[0]})')"
    return subprocess.run([sys.executable, "-c", check]).returncode


if __name__ == "__main__":
    sys.exit(main())
