"""No record shows a hash, a secret, a session or an account when it is printed by accident."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.meta.source import FILES, short, tree_of

PRIVATE = frozenset(
    [
        "account",
        "alpha",
        "content",
        "derivative",
        "form_token",
        "hashes",
        "image_hash",
        "image_hashes",
        "password",
        "pixels",
        "plain",
        "secret",
        "session",
        "share",
        "token",
    ]
)
# What bears such a name and may be seen.
SEEN = {
    ("hsm/uri.py", "Pkcs11Uri", "token"),  # the label of a hardware module
    ("workstore/records.py", "Lease", "token"),  # says who holds a segment; opens nothing
}
# Types that do not print what they hold.
_SAFE_TYPES = ("SecretBytes", "bool", "int", "AccountSecret", "TableSecret", "ImageHash")


def _shown(tree: ast.AST) -> list[tuple[str, str]]:
    """The private fields of data classes that their repr would show."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        decorators = " ".join(ast.unparse(one) for one in node.decorator_list)
        own = any(isinstance(n, ast.FunctionDef) and n.name == "__repr__" for n in node.body)
        if "dataclass" not in decorators or "repr=False" in decorators or own:
            continue
        for field in node.body:
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            hidden = field.value is not None and "repr=False" in ast.unparse(field.value)
            kind = ast.unparse(field.annotation)
            if field.target.id in PRIVATE and not hidden and not kind.startswith(_SAFE_TYPES):
                found.append((node.name, field.target.id))
    return found


@pytest.mark.parametrize("path", FILES, ids=short)
def test_no_record_prints_what_is_private(path: Path) -> None:
    found = {(short(path), *one) for one in _shown(tree_of(path))}
    assert not found - SEEN


def test_the_exceptions_are_still_there() -> None:
    paths = {short(path): path for path in FILES}
    for name, cls, field in SEEN:
        assert (cls, field) in _shown(tree_of(paths[name]))


def test_the_check_sees_a_field() -> None:
    text = "@dataclass\nclass A:\n    secret: bytes\n    name: str\n"
    assert _shown(ast.parse(text)) == [("A", "secret")]
    assert _shown(ast.parse(text.replace("bytes", "bytes = field(repr=False)"))) == []
