"""The stub file says what the binary has: names, arguments, defaults."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("veilmatch_native", reason="the native core is not installed: make native")


def test_stubs_agree_with_the_binary() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "veilmatch_native._core"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
