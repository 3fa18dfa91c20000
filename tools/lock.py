"""Write requirements/*.lock from pyproject.toml, with hashes (make lock)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = {
    "run": ["server"],
    "dev": ["server", "lists", "report", "hsm", "dask", "ray", "plots", "dev"],
    "docs": ["server", "docs"],
}
# pip builds the editable install without isolation, so the build backend is locked as well.
BUILD = "hatchling>=1.27\neditables>=0.5\n"


def main() -> int:
    """Compile each lock file with uv, for every platform, from Python 3.11 on."""
    for name, extras in EXTRAS.items():
        with tempfile.NamedTemporaryFile("w", suffix=".in", delete=False) as build:
            build.write(BUILD)
        command = ["uv", "pip", "compile", "-q", "--universal", "--generate-hashes"]
        command += ["--python-version", "3.11", "--no-annotate", "--no-header"]
        command += ["--no-emit-index-url"]
        for extra in extras:
            command += ["--extra", extra]
        command += ["-o", f"requirements/{name}.lock", "pyproject.toml", build.name]
        subprocess.run(command, cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
