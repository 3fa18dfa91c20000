"""Read the pages: their text, and the blocks that are marked to be run."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> dict[Path, str]:
    """Every page of the project's documentation."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    built = ROOT / "docs" / "_build"
    return {path: path.read_text(encoding="utf-8") for path in found if built not in path.parents}


def all_text() -> str:
    """All pages, one after the other."""
    return "\n".join(pages().values())


def marked_block(text: str, marker: str, kind: str) -> str:
    """The fenced block right after the line ``<!-- marker -->``. Raises LookupError."""
    comment = f"<!-- {marker} -->\n"
    if text.count(comment) != 1:
        raise LookupError(f"the marker {marker!r} must stand exactly once")
    rest = text.split(comment, 1)[1]
    found = _BLOCK.match(rest)
    if found is None or found.group(1) != kind:
        raise LookupError(f"a {kind} block must follow the marker {marker!r} at once")
    return found.group(2)
