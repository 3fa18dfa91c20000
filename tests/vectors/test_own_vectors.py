"""``vectors/v1``, both directions: made again here, and run through every backend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vectors import cases_hazmat, cases_release, cases_voucher
from tests.vectors.backends import AVAILABLE, use_backend
from tests.vectors.family import Family, render, run_operation
from tests.vectors.operations import OPERATIONS
from tests.vectors.schema import check
from veilmatch import errors
from veilmatch.hazmat.backends.selection import load_backend

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
# The families that this folder makes and runs. Transparency has the same form, and a generator
# and tests of its own; hashing has a form of its own, since its inputs are pictures.
FAMILIES = ("seal", "sharing", "wire", "table", "voucher", "opening")
FILES = sorted(path for name in FAMILIES for path in (VECTORS / "v1" / name).glob("*.json"))
OF_THIS_FORM = [*FILES, *sorted((VECTORS / "v1" / "transparency").glob("*.json"))]


def _load(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def _families() -> list[Family]:
    return [*cases_hazmat.families(), *cases_release.families(), *cases_voucher.families()]


def test_made_again_from_the_seeds_every_file_is_the_same() -> None:
    made = {family.path: render(family) for family in _families()}
    there = {path.relative_to(VECTORS / "v1").as_posix(): path.read_bytes() for path in FILES}
    assert made.keys() == there.keys()
    differing = [name for name, data in made.items() if there[name] != data]
    assert not differing, "run tools/gen_vectors.py and read the difference"


@pytest.mark.parametrize("backend", AVAILABLE)
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_vector_answers_as_written(path: Path, backend: str) -> None:
    content = _load(path)
    with use_backend(load_backend(backend)):
        for vector in content["vectors"]:
            word, value = run_operation(content["operation"], vector["inputs"])
            wanted = "error" if "error" in vector else "expected"
            assert (word, value) == (wanted, vector[wanted]), vector["id"]


@pytest.mark.parametrize("path", OF_THIS_FORM, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_has_the_form_of_its_schema(path: Path) -> None:
    content = _load(path)
    check(content, _load(VECTORS / "schemas" / "vectors.schema.json"))
    assert (path.parent / content["$schema"]).resolve().is_file()
    assert content["operation"] == f"{path.parent.name}/{path.stem}"
    ids = [vector["id"] for vector in content["vectors"]]
    assert len(set(ids)) == len(ids)
    named = {vector["error"] for vector in content["vectors"] if "error" in vector}
    assert all(issubclass(getattr(errors, name), errors.Error) for name in named)


def test_every_operation_has_a_file() -> None:
    assert {f"{p.parent.name}/{p.stem}" for p in FILES} == set(OPERATIONS)


def test_matching_says_what_each_reason_says() -> None:
    for vector in _load(VECTORS / "v1" / "voucher" / "match.json")["vectors"]:
        if "expected" in vector:
            outcome = vector["expected"]["outcome"]
            assert vector["reason"].endswith(": " + outcome), vector["id"]


def test_the_vouchers_of_one_vector_have_one_length() -> None:
    for vector in _load(VECTORS / "v1" / "voucher" / "make.json")["vectors"]:
        assert len({len(v) for v in vector["expected"]["vouchers"]}) == 1


def test_a_schema_that_is_not_met_is_noticed() -> None:
    schema = _load(VECTORS / "schemas" / "vectors.schema.json")
    content = _load(FILES[0])
    both = {**content["vectors"][0], "error": "ProofError", "expected": {}}
    neither = {k: v for k, v in content["vectors"][0].items() if k not in ("expected", "error")}
    for vector in (both, neither, {**content["vectors"][0], "note": ""}):
        with pytest.raises(AssertionError):
            check({**content, "vectors": [vector]}, schema)
