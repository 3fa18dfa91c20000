"""The room keeps to itself: what it imports, and that it does nothing but compute."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "src" / "veilmatch" / "transparency"
MODULES = sorted(FOLDER.rglob("*.py"))
ALLOWED = ("veilmatch.errors", "veilmatch.transparency", "cryptography")
# What a pure room has no business with: files, network, clock, randomness, processes.
BARRED = {"os", "io", "pathlib", "socket", "time", "datetime", "random", "secrets", "subprocess"}


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_are_the_standard_library_and_cryptography(path: Path) -> None:
    for name in imports_of(path):
        top = name.partition(".")[0]
        assert top not in BARRED
        assert top in sys.stdlib_module_names or name.startswith(ALLOWED)
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "print", "input", "eval", "exec"}


@pytest.mark.parametrize("folder", [FOLDER, FOLDER / "entries"], ids=lambda path: path.name)
def test_the_room_stays_small(folder: Path) -> None:
    modules = [path for path in folder.glob("*.py") if path.stem != "__init__"]
    assert len(modules) <= 8
    for path in modules:
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 400
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno:
                assert node.end_lineno - node.lineno < 60


def test_the_log_does_not_know_what_its_entries_say() -> None:
    for path in FOLDER.glob("*.py"):
        assert not any("entries" in name for name in imports_of(path))


def test_an_audit_needs_cryptography_alone() -> None:
    program = (
        "import sys, veilmatch.transparency.audits.audit, veilmatch.transparency.entries.monitor;"
        "tops = {name.partition('.')[0] for name in sys.modules};"
        "print(sorted(tops & {'numpy', 'rfc8785', 'rbcl', 'flint', 'httpx', 'PIL', 'typer'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
