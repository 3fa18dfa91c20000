"""Every command and option that a page shows exists, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.docs.markdown import ROOT, pages
from veilmatch.cli.main import build_app

_BLOCK = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
_SPAN = re.compile(r"`(veilmatch [^`]+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_OPTION = re.compile(r"--[a-z][a-z-]+")
_EVERY: Any = typer.main.get_command(build_app())

PAGES = [
    *pages(),
    *sorted((ROOT / "spec").glob("*.md")),
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
]


def _lines(text: str) -> list[str]:
    """What a page shows as a command, in blocks and in the text."""
    found = [span.replace("\n", " ") for span in _SPAN.findall(text)]
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"[;|&(]| do ", line.split(" #")[0]):
                plain = part.strip().lstrip("$ ")
                if plain.startswith("veilmatch "):
                    found.append(plain)
    return found


def _wrong(line: str) -> str:
    """What of a command line does not exist; empty if all does."""
    words = [word.strip("`,.:()\"'") for word in line.split()]
    command, at = _EVERY, 1
    while at < len(words) and words[at] in getattr(command, "commands", {}):
        command, at = command.commands[words[at]], at + 1
    if at < len(words) and hasattr(command, "commands") and re.fullmatch("[a-z-]+", words[at]):
        return " ".join(words[: at + 1])
    known = {"--help"}
    for parameter in command.params:
        known.update(parameter.opts, parameter.secondary_opts)
    for word in words[at:]:
        option = word.partition("=")[0]
        if _OPTION.fullmatch(option) and option not in known:
            return f"{' '.join(words[:at])} {option}"
    return ""


def _id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_what_a_page_shows_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [found for found in map(_wrong, _lines(text)) if found] == []
    links = [link for link in _LINK.findall(text) if ":" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("veilmatch cases list --data data", ""),
        ("veilmatch cases burn", "veilmatch cases burn"),
        ("veilmatch nothing", "veilmatch nothing"),
        ("veilmatch serve --data=x --no-such y", "veilmatch serve --no-such"),
        ("veilmatch release …", ""),
    ],
)
def test_the_check_sees_what_is_wrong(line: str, wrong: str) -> None:
    assert _wrong(line) == wrong


def test_the_check_finds_commands() -> None:
    assert len([line for path in PAGES for line in _lines(path.read_text(encoding="utf-8"))]) > 300
