"""Commands run in this process, and what they say to a machine."""

from __future__ import annotations

import json

import pytest

from veilmatch.cli.main import run

Captured = pytest.CaptureFixture[str]


def run_command(*arguments: object) -> int:
    """Run a command; gives its exit code."""
    return run([*map(str, arguments)])


def run_json(capfd: Captured, *arguments: object, code: int = 0) -> dict[str, object]:
    """Run a command with ``--json``; gives the object of its last line."""
    capfd.readouterr()
    found = run_command(*arguments, "--json")
    output = capfd.readouterr()
    assert found == code, output
    value: dict[str, object] = json.loads(output.out.strip().splitlines()[-1])
    return value
