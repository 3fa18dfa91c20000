"""One tree of errors: printed as it is, and nothing else is raised."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from tests.meta.source import FILES, short, tree_of
from veilmatch import errors

# Where a builtin may be raised, and why.
ALLOWED = {
    ("secret.py", "TypeError"): "pickle's own protocol asks for TypeError",
    ("client/fetching/metadata.py", "DownloadHTTPError"): "how the updater learns of no newer root",
}
# What the libraries of the command line and of the service end with: no refusal of ours.
# AssertionError marks a place that cannot be reached; its message says so (tested below).
ALLOWED_EVERYWHERE = {"Exit", "SystemExit", "HTTPException", "AssertionError"}


def _printed_tree() -> dict[str, str]:
    """Class name to parent name, from the drawing on top of the module."""
    parents: dict[str, str] = {}
    stack = [(-1, "")]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([\s│├└─]*)([A-Z][A-Za-z]*Error|Error)\b", line)
        if match is None:
            continue
        depth, name = len(match[1]), match[2]
        while stack[-1][0] >= depth:
            stack.pop()
        parents[name] = stack[-1][1]
        stack.append((depth, name))
    return parents


def test_the_drawing_on_top_is_the_tree() -> None:
    classes = [v for v in vars(errors).values() if inspect.isclass(v)]
    real = {
        c.__name__: next((b.__name__ for b in c.__bases__ if b in classes), "") for c in classes
    }
    assert _printed_tree() == real


def _raised_names(tree: ast.Module) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            target = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "?")
            found.append((name, node.lineno))
    return found


@pytest.mark.parametrize("path", FILES, ids=short)
def test_only_errors_of_the_tree_are_raised(path: Path) -> None:
    private = _private_kinds(tree_of(path))
    for name, line in _raised_names(tree_of(path)):
        known = inspect.isclass(getattr(errors, name, None)) or name in private
        allowed = (short(path), name) in ALLOWED or name in ALLOWED_EVERYWHERE
        # A lower-case name is an error that was made or caught before, and raised again.
        assert known or allowed or name.islower(), f"line {line} raises {name}"


@pytest.mark.parametrize("path", FILES, ids=short)
def test_assertion_errors_say_that_they_cannot_happen(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Raise) and "AssertionError" in ast.unparse(node):
            assert "unreachable" in ast.unparse(node), f"line {node.lineno}"


def test_every_permission_is_still_used() -> None:
    used = {(short(path), name) for path in FILES for name, _ in _raised_names(tree_of(path))}
    assert set(ALLOWED) <= used


def _private_kinds(tree: ast.Module) -> set[str]:
    """Private kinds of one class of the tree: they never leave their module by that name."""
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and node.name.startswith("_")
        and any(inspect.isclass(getattr(errors, ast.unparse(b), None)) for b in node.bases)
    }


@pytest.mark.parametrize("path", [p for p in FILES if p.name != "errors.py"], ids=short)
def test_errors_are_defined_in_one_place_only(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ClassDef) and node.name not in _private_kinds(tree_of(path)):
            bases = [ast.unparse(base).rsplit(".", 1)[-1] for base in node.bases]
            assert not [b for b in bases if b.endswith(("Error", "Exception"))], node.name
