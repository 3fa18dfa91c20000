"""The table of attacks in the documentation is this folder's tests, with their errors."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.docs.markdown import ROOT
from veilmatch import errors

_PAGE = ROOT / "docs" / "reference" / "attacks.md"
_ROW = re.compile(r"^\| .+ \| `(test_\w+)` \| `(\w+)` \|$", re.MULTILINE)


def _tests() -> dict[str, set[str]]:
    """Name of each attack's test to the errors of the tree that it names."""
    found = {}
    for path in Path(__file__).parent.glob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if path.name == Path(__file__).name:
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
                found[node.name] = {name for name in names if hasattr(errors, name)}
    return found


def test_every_attack_is_in_the_table_with_its_error() -> None:
    rows = _ROW.findall(_PAGE.read_text(encoding="utf-8"))
    table, tests = dict(rows), _tests()
    assert len(rows) == len(table)
    assert table.keys() == tests.keys()
    for name, error in table.items():
        assert tests[name] == {error}, name


def test_every_attack_is_tried_on_the_real_service_too_but_for_those_named() -> None:
    page = _PAGE.read_text(encoding="utf-8")
    (named,) = re.findall(r"^On the static server alone: (.+?)\.$", page, re.MULTILINE)
    alone, tests = set(), _tests()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name in tests:
                fixtures = {one.arg for one in node.args.args} & {"scene", "mirror_scene"}
                assert len(fixtures) == 1, node.name
                alone |= {node.name} if fixtures == {"mirror_scene"} else set()
    assert set(re.findall(r"`(test_\w+)`", named)) == alone
    assert len(alone) == 3


def test_the_attacks_that_were_promised_are_there() -> None:
    text = _PAGE.read_text(encoding="utf-8")
    for words in (
        "rollback", "freeze", "mix and match", "one organisation alone", "same jurisdiction",
        "root takeover", "flipped bit in any shard", "not in the log", "forks", "rolls back",
        "missing a jurisdiction", "31 to 5", "replayed after it expired", "without end",
        "slow retrieval", "length", "arbitrary target",
    ):  # fmt: skip
        assert words in text, words
