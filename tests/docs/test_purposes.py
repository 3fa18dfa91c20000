"""Every purpose that separates one use of a primitive from another stands in the spec."""

from __future__ import annotations

import ast
import re

from tests.docs.markdown import ROOT
from tests.meta.source import FILES, short, tree_of

_CALLS = {"digest": 0, "label": 0, "derive_key": 1, "prf": 1, "expand": 1, "verify_signature": 1}
_METHODS = {"sign": 0}
_PAGE = (ROOT / "spec" / "00-conventions.md").read_text(encoding="utf-8")


def _purposes(tree: ast.Module) -> set[str]:
    named = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            place = _CALLS.get(node.func.id)
        else:
            place = _METHODS.get(node.func.attr) if isinstance(node.func, ast.Attribute) else None
        if place is None or len(node.args) <= place:
            continue
        purpose = node.args[place]
        if isinstance(purpose, ast.Constant) and isinstance(purpose.value, str):
            found.add(purpose.value)
        elif isinstance(purpose, ast.Name) and purpose.id in named:
            found.add(named[purpose.id])
    return found


def test_every_purpose_stands_in_the_conventions() -> None:
    table = _PAGE.partition("3.4 A purpose names one use.")[2].partition("## 4.")[0]
    listed = set(re.findall(r"`([a-z ]+)`", table))
    used = {
        purpose: short(path)
        for path in FILES
        if not short(path).startswith(("transparency/", "console/"))  # formats of their own
        for purpose in _purposes(tree_of(path))
    }
    assert len(used) > 10
    assert {purpose: where for purpose, where in used.items() if purpose not in listed} == {}
