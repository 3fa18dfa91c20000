"""The state file: whole or not at all, one process, named errors for everything else."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from veilmatch.client.state import APPLICATION_ID, SCHEMA_VERSION, State
from veilmatch.errors import ConfigError, Error, InternalError, StoreError

SETTINGS = {"account secret": bytes(32), "server": b"http://127.0.0.1:1"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "device.db"


def test_settings_and_numbers_last(path: Path) -> None:
    with State.create(path, SETTINGS) as state, state.transaction():
        state.save_setting("server", b"other")
        state.save_number("uploads", 7)
    with State(path) as state:
        assert state.setting("server") == b"other"
        assert state.number("uploads") == 7
        assert state.number("never written") == 0
        assert state.setting("never written") is None
        with pytest.raises(StoreError, match="lacks"):
            state.require_setting("never written")


def _write_and_fail(state: State) -> None:
    with state.transaction():
        state.save_number("uploads", 7)
        raise RuntimeError


def test_transaction_is_whole_or_nothing(path: Path) -> None:
    with State.create(path, SETTINGS) as state:
        with pytest.raises(RuntimeError):
            _write_and_fail(state)
        assert state.number("uploads") == 0


def test_file_is_for_its_user_only(path: Path) -> None:
    before = os.umask(0)
    try:
        State.create(path, SETTINGS).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        State(path).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_nothing_is_overwritten(path: Path) -> None:
    path.write_bytes(b"mine")
    with pytest.raises(ConfigError, match="already stands"):
        State.create(path, SETTINGS)
    assert path.read_bytes() == b"mine"
    assert os.listdir(path.parent) == ["device.db"]


def test_failed_creation_leaves_nothing(path: Path) -> None:
    def fail(state: State) -> None:
        raise InternalError("on purpose")

    with pytest.raises(InternalError):
        State.create(path, SETTINGS, fail)
    assert os.listdir(path.parent) == []


def test_missing_state(path: Path) -> None:
    with pytest.raises(ConfigError, match="no client state"):
        State(path)
    assert not path.exists()


@pytest.mark.parametrize(
    "data",
    [b"garbage " * 1000, b"", b"SQLite format 3\0" + b"\xff" * 4080, b"\0" * 8192],
    ids=["text", "empty", "false header", "zeros"],
)
def test_garbage_state(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(Error) as caught:
        State(path)
    assert isinstance(caught.value, ConfigError | StoreError)
    assert caught.value.hint
    assert path.read_bytes() == data


def test_another_programs_database(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE mine (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="not a Veilmatch"):
        State(path)
    assert path.read_bytes() == before


def test_state_of_a_newer_version(path: Path) -> None:
    State.create(path, SETTINGS).close()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(ConfigError, match="version 2"):
        State(path)


def test_damaged_pages_are_a_named_error(path: Path) -> None:
    with State.create(path, SETTINGS) as state, state.transaction():
        for number in range(2000):
            state.save_number(f"number {number}", number)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xaa" * (len(data) - 4096)
    path.write_bytes(bytes(data))
    with State(path) as state, pytest.raises(StoreError):
        state.rows("SELECT name FROM setting")


def test_second_process_gets_a_clear_error(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from veilmatch.client.state import State\n"
        "from veilmatch.errors import StoreError\n"
        "try: State(Path(sys.argv[1]))\n"
        "except StoreError as exc: print(exc); sys.exit(3)\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    with State.create(path, SETTINGS):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (3, "another process is using this client state\n")
        with pytest.raises(StoreError):
            State(path)  # nor may the same process open it twice
    assert subprocess.run(command, check=False).returncode == 0
