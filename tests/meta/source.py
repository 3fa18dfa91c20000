"""The source as the meta tests see it: files, syntax trees, rooms."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "veilmatch"
FILES = sorted(PACKAGE.rglob("*.py"))

PROTOCOL_ROOMS = (
    "hazmat",
    "hashlist",
    "table",
    "release",
    "voucher",
    "ingest",
    "matching",
    "opening",
)


def short(path: Path) -> str:
    """The path below the package, for test ids and messages."""
    return path.relative_to(PACKAGE).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def folders() -> list[Path]:
    """Every folder of the package that holds modules; a subfolder counts by itself."""
    return sorted({path.parent for path in FILES})
