"""The program's last doors: help, exit codes, faults of ours, real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from tests.integration.service.stores import open_store
from tests.unit.cli.conftest import Kit, Refused, check_refusal, snapshot
from veilmatch import errors
from veilmatch.cli import main as main_module
from veilmatch.cli.main import MODULES, build_app, exit_code_of, run
from veilmatch.hazmat.backends.selection import native_is_installed


def command_paths() -> list[list[str]]:
    """Every command of the program, groups included."""
    found: list[list[str]] = [[]]

    def walk(command: object, path: list[str]) -> None:
        for name, child in sorted(getattr(command, "commands", {}).items()):
            found.append([*path, name])
            walk(child, [*path, name])

    walk(typer.main.get_command(build_app()), [])
    return found


@pytest.mark.parametrize("path", command_paths(), ids=" ".join)
def test_help_of_every_command(path: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*path, "--help"]) == 0
    output, errors_ = capfd.readouterr()
    assert "Usage" in output
    assert "error:" not in errors_


def test_every_module_registers_what_it_says() -> None:
    names = {name for commands in MODULES.values() for name in commands}
    assert {path[0] for path in command_paths() if path} == names


def test_without_arguments_help_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Usage" in "".join(capfd.readouterr())


@pytest.mark.parametrize("group", ["provider", "cases", "client"])
def test_group_without_command_shows_help(group: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run([group]) == 2
    assert "Usage" in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.SignatureError, 1),
        (errors.TableError, 1),
        (errors.EpochError, 1),
        (errors.OverloadError, 1),
        (errors.ConfigError, 2),
        (errors.EncodingError, 2),
        (errors.PolicyError, 2),
        (errors.StoreError, 3),
        (errors.NetworkError, 3),
        (errors.InternalError, 4),
    ],
)
def test_exit_codes(kind: type[errors.Error], code: int) -> None:
    assert exit_code_of(kind("what went wrong")) == code


def _raise(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(_: str) -> typer.Typer:
        raise error

    monkeypatch.setattr(main_module, "build_app", fail)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.StoreError("of two\nlines", hint="also\nof two"), 3),
        (errors.InternalError("ours"), 4),
        (FileNotFoundError(2, "No such file", "x"), 2),
        (IsADirectoryError(21, "Is a directory", "x"), 2),
        (PermissionError(13, "Permission denied", "x"), 3),
        (OSError(28, "No space left on device"), 3),
        (OSError(), 3),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
    ],
)
def test_whatever_happens_two_lines_and_a_code(
    monkeypatch: pytest.MonkeyPatch, refused: Refused, error: BaseException, code: int
) -> None:
    _raise(monkeypatch, error)
    refused(["doctor"], code)


def test_fault_of_ours_is_named_without_its_message(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _raise(monkeypatch, ZeroDivisionError("private"))
    assert run(["doctor"]) == 4
    said = capfd.readouterr().err
    assert said.count("error:") == said.count("hint:") == 1
    assert "ZeroDivisionError" in said
    assert "private" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("part", ["sqlalchemy", "starlette", "uvicorn"])
def test_missing_server_parts_are_named(
    monkeypatch: pytest.MonkeyPatch, refused: Refused, part: str
) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError(name=part)

    monkeypatch.setattr("veilmatch.cli.main.importlib.import_module", fail)
    assert "veilmatch[server]" in refused(["serve"], 2)


# --- a handful as real processes ----------------------------------------------------------------


def _program(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "veilmatch.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )


_WRONG_BACKENDS = ["nonsense", ""] + ([] if native_is_installed() else ["native"])


@pytest.mark.parametrize("setting", _WRONG_BACKENDS)
def test_wrong_backend(setting: str) -> None:
    done = _program("doctor", VEILMATCH_BACKEND=setting)
    assert done.returncode == 2
    check_refusal(done.stderr, done.stdout)


def test_real_process_refuses(kit: Kit, tmp_path: Path) -> None:
    done = _program("cases", "list", "--data", str(tmp_path))
    assert done.returncode == 2
    check_refusal(done.stderr, done.stdout)


def test_state_from_the_environment(tmp_path: Path) -> None:
    done = _program("client", "status", VEILMATCH_STATE=str(tmp_path / "named-here"))
    assert done.returncode == 2
    check_refusal(done.stderr, done.stdout)
    assert list(tmp_path.iterdir()) == []


def test_port_in_use(kit: Kit, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        site, data = str(kit.path("site")), str(tmp_path / "data")
        done = _program("serve", "--data", data, "--site", site, "--port", port)
    assert done.returncode == 3
    check_refusal(done.stderr, done.stdout)
    assert snapshot(tmp_path) == {}, "a service that cannot listen makes nothing"


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.2])  # also while it is starting
def test_service_stops_when_asked(kit: Kit, tmp_path: Path, after_s: float) -> None:
    site, data = str(kit.path("site")), str(tmp_path / "data")
    command = ["serve", "--data", data, "--site", site, "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "veilmatch.cli.main", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving on http://127.0.0.1:")
        time.sleep(after_s)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert "Traceback" not in said
    assert '"service stopped"' in said
    assert process.returncode == 0


def test_interrupted_worker_ends_in_order(kit: Kit, tmp_path: Path) -> None:
    site, data = str(kit.path("site")), str(tmp_path / "data")
    with open_store(Path(data)):
        pass
    secrets = str(kit.path("secrets"))
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "veilmatch.cli.main", "work", "--data", data, "--site", site),
            *("--secrets", secrets, "--interval", "0.1"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (Path(data) / "store.sqlite-wal").exists():  # it has opened the store
            assert process.poll() is None, "it waits for work"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
        # An interrupt that arrives inside a callback of a library is lost; a person tries again.
        for _ in range(10):
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                output, said = process.communicate(timeout=3)
                break
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0, "its work is never all done: to be stopped is its end"
    assert "error" not in said
    assert "Traceback" not in said + output


def test_a_command_of_the_client_loads_no_room_of_hosts() -> None:
    script = (
        "import sys\n"
        "from veilmatch.cli.main import build_app\n"
        "build_app('client')\n"
        "print([m for m in sys.modules if m.startswith(('veilmatch.hosts', 'uvicorn'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_program_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "veilmatch", "log", "show", "/nowhere"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (2, 3), done.stderr
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]
