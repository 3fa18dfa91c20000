"""The rules of the house: sizes, names, docstrings, corridor."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.meta.source import FILES, PACKAGE, ROOT, folders, short, tree_of

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_MODULES = 8
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
TOO_LONG: dict[tuple[str, str], str] = {}


_FunctionDef = (ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.mark.parametrize("path", FILES, ids=short)
def test_modules_and_functions_stay_small(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_MODULE_LINES
    for node in ast.walk(tree_of(path)):
        if isinstance(node, _FunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if (short(path), node.name) in TOO_LONG:
                assert length > MAX_FUNCTION_LINES, "it fits again: take it out of TOO_LONG"
            else:
                assert length <= MAX_FUNCTION_LINES, node.name


@pytest.mark.parametrize(
    "folder", folders(), ids=lambda f: f.relative_to(PACKAGE.parent).as_posix()
)
def test_rooms_stay_small(folder: Path) -> None:
    modules = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    assert len(modules) <= MAX_MODULES, sorted(modules)


@pytest.mark.parametrize("path", FILES, ids=short)
def test_no_module_is_named_for_nothing(path: Path) -> None:
    words = {
        part for name in path.relative_to(PACKAGE).with_suffix("").parts for part in name.split("_")
    }
    assert not words & FORBIDDEN_NAMES


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py"], ids=short)
def test_the_front_of_a_room_holds_only_its_docstring(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree), "a room says what it is"
    rest = tree.body[1:]
    if path.parent == PACKAGE:  # the package says its version besides
        rest = [node for node in rest if not _is_version(node)]
    assert not rest


def _is_version(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "__version__"
    )


def _undocumented(body: list[ast.stmt], where: str) -> list[str]:
    found = []
    for node in body:
        if isinstance(node, (*_FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                found.append(f"{where}{node.name}")
            if isinstance(node, ast.ClassDef):
                found += _undocumented(node.body, f"{where}{node.name}.")
    return found


@pytest.mark.parametrize("path", FILES, ids=short)
def test_every_public_thing_has_a_docstring(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree)
    assert not _undocumented(tree.body, "")


def test_the_check_of_docstrings_sees_methods() -> None:
    tree = ast.parse('class A:\n    """A."""\n    def b(self): ...\n    def _c(self): ...\n')
    assert _undocumented(tree.body, "") == ["A.b"]


def test_the_import_contracts_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlinter.cli import lint_imports

    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None) == 0
