"""What is served as it is: known files only, vendored ones as recorded, nothing from elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from importlib import resources

import pytest

from veilmatch.console.templating import environment, static_files

CONSOLE = resources.files("veilmatch.console")
VENDORED = json.loads((CONSOLE / "static" / "vendored.json").read_text())
TEMPLATES = sorted(
    one.name for one in (CONSOLE / "templates").iterdir() if one.name.endswith(".html")
)


@pytest.mark.parametrize("record", VENDORED, ids=lambda record: record["file"])
def test_a_vendored_file_is_the_recorded_one(record: dict[str, str]) -> None:
    data = (CONSOLE / "static" / record["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == record["sha256"]
    assert f'version:"{record["version"]}"'.encode() in data
    licence = (CONSOLE / "static" / record["licence_file"]).read_text()
    assert "Zero-Clause BSD" in licence
    assert record["licence"] == "0BSD"


def test_every_script_is_ours_or_recorded() -> None:
    scripts = {name for name in static_files() if name.endswith(".js")}
    recorded = {record["file"] for record in VENDORED}
    assert scripts - recorded == {"console.js", "passkey.js"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_has_no_inline_script_or_style(name: str) -> None:
    text = (CONSOLE / "templates" / name).read_text(encoding="utf-8")
    assert not re.search(r"\sstyle\s*=|<style|\son[a-z]+\s*=|hx-on|javascript:", text), name
    for tag in re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL):
        assert tag == ""
    assert "|safe" not in text.replace(" ", "")
    assert not re.search(r"(src|href|action)\s*=\s*[\"'](https?:)?//", text), name
    environment().get_template(name)  # parses


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_form_that_sends_carries_the_token(name: str) -> None:
    text = (CONSOLE / "templates" / name).read_text(encoding="utf-8")
    for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.DOTALL):
        assert "form_token()" in form, name


def test_the_style_sheet_asks_for_nothing_from_elsewhere() -> None:
    text = (CONSOLE / "static" / "console.css").read_text(encoding="utf-8")
    assert "url(" not in text
    assert "@import" not in text


def _luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *[(ink, ground) for ink in ("ink", "ink-soft") for ground in ("ground", "sheet", "sunk")],
        *[("accent", ground) for ground in ("ground", "sheet", "accent-soft", "sunk")],
        ("accent-ink", "accent"),
        ("note", "note-soft"),
        ("note", "sheet"),
        ("good", "good-soft"),
        ("ink", "accent-soft"),
        ("ink", "note-soft"),
        ("ink", "good-soft"),
    ],
)
def test_text_stands_out_from_its_ground(scheme: int, text: str, ground: str) -> None:
    css = (CONSOLE / "static" / "console.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
    assert _contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["ground", "sheet"])
def test_edges_of_controls_and_focus_stand_out(scheme: int, ground: str) -> None:
    css = (CONSOLE / "static" / "console.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
    for edge in ("line-strong", "focus"):
        assert _contrast(colours[edge], colours[ground]) >= 3


def test_the_console_loads_nothing_that_holds_the_table_secret() -> None:
    script = (
        "import sys, veilmatch.console.app\n"
        "bad = ('veilmatch.jobs', 'veilmatch.table.secret', 'veilmatch.table.blind',"
        " 'veilmatch.matching', 'veilmatch.service')\n"
        "print([one for one in sys.modules if one.startswith(bad)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]"
