"""Running the program's own commands: what they say, and what their failure says."""

from __future__ import annotations

from pathlib import Path

import pytest

from veilmatch.demo.processes import run_command, run_together, running_service
from veilmatch.errors import InternalError, UnavailableError


def test_last_line_is_returned(tmp_path: Path) -> None:
    assert run_command(["doctor"], tmp_path / "log")["server_installed"] is True


def test_failure_says_what_the_command_said(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="there is no store in"):
        run_command(["cases", "list", "--data", tmp_path / "none"], tmp_path / "log")


def test_one_failure_of_several_is_named(tmp_path: Path) -> None:
    commands: list[list[str | Path]] = [["doctor"], ["cases", "list", "--data", tmp_path]]
    with pytest.raises(InternalError):
        run_together(commands, tmp_path / "log")


def test_service_that_does_not_start_is_named(tmp_path: Path) -> None:
    service: list[str | Path] = ["serve", "--data", tmp_path / "d", "--site", tmp_path / "s"]
    with pytest.raises(UnavailableError), running_service(service, tmp_path / "log"):
        pass
