"""The mirror's process, and one scene for each test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.scene import Scene


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A static web server on this machine: its folder and its address."""
    folder = tmp_path_factory.mktemp("mirror")
    program = [sys.executable, str(Path(__file__).with_name("mirror.py")), str(folder)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield folder, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.fixture
def scene(mirror: tuple[Path, str], tmp_path: Path) -> Iterator[Scene]:
    """A client that uses release 1."""
    folder, address = mirror
    public = folder / tmp_path.name
    public.mkdir()
    made = Scene(public, f"{address}/{tmp_path.name}", tmp_path)
    yield made
    made.close()
