"""Files that are whole or not there."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from veilmatch.errors import StoreError
from veilmatch.store.files import PRIVATE_MODE, write_atomic


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / f".key.{os.getpid()}.tmp").symlink_to(victim)
    write_atomic(tmp_path / "key", b"secret", mode=PRIVATE_MODE)
    assert victim.read_bytes() == b"mine"
    assert (tmp_path / "key").read_bytes() == b"secret"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == PRIVATE_MODE


def test_many_threads_write_one_file(tmp_path: Path) -> None:
    texts = [bytes([number]) * 200_000 for number in range(8)]
    threads = [
        threading.Thread(target=write_atomic, args=(tmp_path / "out", text)) for text in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "out").read_bytes() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreError):
        write_atomic(tmp_path / "out", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
