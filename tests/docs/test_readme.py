"""The README's commands by hand, run as they stand there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from PIL import Image

from tests.docs.markdown import ROOT, marked_block
from tests.integration.service.processes import free_port
from veilmatch.hashing.picture import decode_picture

_PORT = "8462"


def _run(script: Path, folder: Path, limit_s: float = 240) -> tuple[int, str]:
    """Run a script in a session of its own; whatever it left in the background is killed."""
    programs = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": programs + os.pathsep + os.environ["PATH"]}
    log = folder.with_suffix(".log")
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            ["sh", "-eu", str(script)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(limit_s)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return code, log.read_text(encoding="utf-8", errors="replace")


def test_twenty_commands_by_hand(tmp_path: Path) -> None:
    block = marked_block((ROOT / "README.md").read_text(encoding="utf-8"), "by hand", "sh")
    commands = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
    assert len(commands) == 20
    # The port may be taken on this machine; the only thing that differs from the page.
    port = str(free_port())
    changed = block.replace(f"127.0.0.1:{_PORT}", f"127.0.0.1:{port}")
    changed = changed.replace("veilmatch serve ", f"veilmatch serve --port {port} ")
    assert port in changed
    script, folder = tmp_path / "by-hand.sh", tmp_path / "folder"
    script.write_text(changed, encoding="utf-8")
    folder.mkdir()
    code, said = _run(script, folder)
    assert code == 0, said
    assert "Traceback" not in said
    assert "error:" not in said
    cases = re.findall(r"^([0-9a-f]{32})  opened  (\d+) pictures", said, re.MULTILINE)
    assert len(cases) == 1, said
    case_id, count = cases[0]
    pictures = list((folder / "pictures").iterdir())
    for path in pictures:
        decode_picture(path.read_bytes())
    assert 31 <= int(count) <= len(pictures)
    _write_sheet(folder, case_id)


def _write_sheet(folder: Path, case_id: str) -> None:
    """The command that the README names after the block."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "veilmatch cases sheet CASE --data data --out sheet.png" in text
    program = [sys.executable, "-m", "veilmatch.cli.main"]
    subprocess.run(
        [*program, "cases", "sheet", case_id, "--data", "data", "--out", "sheet.png"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=60,
    )
    with Image.open(folder / "sheet.png") as picture:
        assert picture.format == "PNG"
