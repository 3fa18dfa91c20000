"""Code cites the spec, and what it cites is there."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.meta.source import FILES, PACKAGE, PROTOCOL_ROOMS, ROOT, short, tree_of
from veilmatch.hazmat.group import GROUP_ORDER

SPEC = ROOT / "spec"

# Modules of the protocol's rooms that fix nothing of the protocol, and why.
NOT_PROTOCOL = {
    "hazmat/backends/selection.py": "chooses among equals",
    "hazmat/backends/sodium.py": "binds a library",
    "hazmat/backends/portable.py": "implements the interface, which cites the spec",
    "hazmat/backends/native.py": "implements the interface, which cites the spec",
    "hashlist/formats/csv_form.py": "a form of other people",
    "hashlist/formats/json_lines.py": "a form of other people",
    "opening/contact_sheet.py": "a picture for people",
}
# Pages that are cited before they are written, by whom.
PENDING: dict[str, str] = {}
_CITATION = re.compile(
    r"(?:spec/(\d\d)-[a-z-]+\.md`*|[Ss]pec (\d\d))(?:`*,? sections? (\d+(?:\.\d+)?))?"
)


def _room_modules() -> list[Path]:
    return [
        path
        for path in FILES
        if path.relative_to(PACKAGE).parts[0] in PROTOCOL_ROOMS and path.name != "__init__.py"
    ]


@pytest.mark.parametrize("path", _room_modules(), ids=short)
def test_a_module_of_the_protocol_cites_its_section(path: Path) -> None:
    docstring = ast.get_docstring(tree_of(path)) or ""
    if short(path) in NOT_PROTOCOL or "formats" in path.parts:
        return
    assert _CITATION.search(docstring), "the docstring names no section of spec/"


@cache
def _headings(number: str) -> tuple[str, ...]:
    pages = sorted(SPEC.glob(f"{number}-*.md"))
    assert len(pages) == 1, f"spec {number} has {len(pages)} pages"
    text = pages[0].read_text(encoding="utf-8")
    return tuple(re.findall(r"^(?:#+ )?(\d+(?:\.\d+)?)\.? ", text, re.MULTILINE))


@pytest.mark.parametrize("path", FILES, ids=short)
def test_what_is_cited_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in PENDING:
        text = text.replace(f"spec/{name}", "")
    for match in _CITATION.finditer(text):
        number, section = match[1] or match[2], match[3]
        headings = _headings(number)
        if section:
            assert section in headings, f"spec {number} has no section {section}"


def test_named_spec_pages_exist() -> None:
    for path in FILES:
        for name in re.findall(r"spec/(\d\d-[a-z-]+\.md)", path.read_text(encoding="utf-8")):
            assert (SPEC / name).is_file() != (name in PENDING), f"{short(path)} cites {name}"


def _tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout: nothing says which files are tracked")
    return [ROOT / name for name in done.stdout.decode().split("\0") if name]


def test_no_path_of_a_machine_is_in_a_tracked_file() -> None:
    # Written apart, so that this file does not name one itself.
    needles = [("/" + name + "/").encode() for name in ("work", "root", "Users")]
    needles += [b"/home" + b"/", b"/tmp" + b"/venv", b"/." + b"library"]
    found = []
    for path in _tracked():
        if path.is_file():
            data = path.read_bytes()
            found += [(path.name, needle) for needle in needles if needle in data]
    assert not found


def _vector_text() -> str:
    return "".join(p.read_text(encoding="utf-8") for p in (ROOT / "vectors").rglob("*.json"))


OURS = ("00", "10", "25", "30", "40", "50", "55", "57", "60")


@pytest.mark.parametrize("number", OURS)
def test_every_number_of_an_example_stands_in_the_vectors(number: str) -> None:
    page = next(SPEC.glob(f"{number}-*.md")).read_text(encoding="utf-8")
    assert "## Example" in page
    assert page.index("## Example") < page.index("## 1. ")
    text = _vector_text()
    values = re.findall(r"\b[0-9a-f]{16,}\b", page)
    # The group's order is the one long decimal number.
    assert not [v for v in values if v not in text and v != str(GROUP_ORDER - 2**252)]


@pytest.mark.parametrize("number", OURS)
def test_every_vector_that_a_page_names_exists(number: str) -> None:
    page = next(SPEC.glob(f"{number}-*.md")).read_text(encoding="utf-8")
    named = re.findall(r"`((?:seal|sharing|wire|table|voucher|opening)/[a-z_]+)`", page)
    for name in named:
        assert (ROOT / "vectors" / "v1" / f"{name}.json").is_file(), name


def test_every_label_of_the_code_is_in_the_conventions() -> None:
    page = (SPEC / "00-conventions.md").read_text(encoding="utf-8")
    found = set()
    for path in _room_modules():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {
                    "derive_key": 1,
                    "expand_prf": 1,
                    "evaluate_prf": 1,
                    "digest": 0,
                    "label": 0,
                }
                index = place.get(node.func.id)
                if index is not None and index < len(node.args):
                    value = node.args[index]
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        found.add(value.value)
    assert len(found) >= 12
    assert not {purpose for purpose in found if f"`{purpose}`" not in page}
