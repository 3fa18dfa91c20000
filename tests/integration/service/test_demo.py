"""The demo as a newcomer runs it, once, with a low threshold."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from PIL import Image

from tests.integration.service.processes import PROGRAM


def test_demo_opens_a_alone(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = subprocess.run(
        [*PROGRAM, "demo", "--json", "--min-shares", "5", "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.strip().splitlines()[-1])
    a, b, c = (said["accounts"][name] for name in "ABC")
    assert a["opened"] == a["real_vouchers"] >= 5
    assert (a["known"], b["known"], c["known"]) == (40, 4, 0)
    assert b["opened"] == c["opened"] == 0
    assert {a["uploaded"], b["uploaded"], c["uploaded"]} == {400}
    assert said["table_rows"] >= 330
    assert len(bytes.fromhex(said["release_id"])) == 32
    (sheet,) = (out / "platform").glob("*.png")
    with Image.open(sheet) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert min(picture.size) > 100
    assert "account A" in done.stdout
    assert str(sheet) in done.stdout
    for log in (out / "logs").iterdir():
        assert "Traceback" not in log.read_text(encoding="utf-8")
