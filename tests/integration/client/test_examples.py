"""The examples run, as they stand."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.client.house import (
    make_policy,
    picture,
    publish,
    running_service,
    write_pictures,
)
from veilmatch.client.policy_file import policy_to_bytes

EXAMPLE = Path(__file__).parents[3] / "examples" / "photo_app.py"


def start(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLE), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    path = tmp_path / "trust.json"
    path.write_bytes(policy_to_bytes(make_policy()))
    return path


def test_photo_app(tmp_path: Path, trust: Path) -> None:
    album, state = tmp_path / "album", tmp_path / "state.db"
    write_pictures(album, 3)
    (album / "cut.jpg").write_bytes(picture(5)[:-300])
    with running_service(publish(created_at=int(time.time()))) as service:
        first = start(state, service.url, trust, album)
        assert (first.returncode, first.stdout) == (
            0,
            "4 pictures, 3 sent now, 1 not checkable\n",
        ), first.stderr
        write_pictures(album, 1, start=3)
        second = start(state, service.url, trust, album)
        assert second.stdout == "5 pictures, 1 sent now, 1 not checkable\n"
        assert len(service.vouchers) == 4
        service.faults.statuses = [401]
        refused = start(state, service.url, trust, album)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
