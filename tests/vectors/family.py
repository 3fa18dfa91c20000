"""The shape of a vector file, and how one is written. See ``vectors/README.md``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.vectors.operations import OPERATIONS, Json
from veilmatch.errors import Error

SCHEMA = "../../schemas/vectors.schema.json"


@dataclass(frozen=True)
class Case:
    """One vector without its answer; ``error`` names the class it must be refused with."""

    id: str
    reason: str
    inputs: Json
    error: str = ""


@dataclass(frozen=True)
class Family:
    """One file: every case of one operation."""

    operation: str
    source: str
    cases: tuple[Case, ...]

    @property
    def path(self) -> str:
        return f"{self.operation}.json"


def run_operation(operation: str, inputs: Json) -> tuple[str, Any]:
    """Run one vector. Returns ("expected", outputs) or ("error", class name)."""
    try:
        return "expected", OPERATIONS[operation](inputs)
    except Error as exc:
        return "error", type(exc).__name__


def answer(family: Family, case: Case) -> Json:
    """Compute a vector; refuse one that answers otherwise than its case says."""
    word, value = run_operation(family.operation, case.inputs)
    wanted = "error" if case.error else "expected"
    if word != wanted or (case.error and value != case.error):
        raise AssertionError(f"{family.operation} {case.id}: {word} {value}")
    return {
        "id": case.id,
        "reason": case.reason,
        "source": family.source,
        "inputs": case.inputs,
        word: value,
    }


def render(family: Family) -> bytes:
    """Return the file's bytes."""
    body = {
        "$schema": SCHEMA,
        "operation": family.operation,
        "vectors": [answer(family, case) for case in family.cases],
    }
    return (json.dumps(body, indent=1, sort_keys=False) + "\n").encode()


def flip(data: bytes, offset: int, bit: int = 0) -> bytes:
    """Flip one bit."""
    changed = bytearray(data)
    changed[offset] ^= 1 << bit
    return bytes(changed)
