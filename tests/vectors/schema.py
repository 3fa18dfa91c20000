"""Check JSON against the few words of JSON Schema that ``vectors/schemas`` uses.

A word this module does not know is an error, so that a schema never promises in vain.
"""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str}
_KNOWN = {
    "$schema",
    "title",
    "type",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "minItems",
    "pattern",
    "oneOf",
}


def check(value: Any, schema: dict[str, Any], where: str = "$") -> None:
    """Raise AssertionError with the place where ``value`` is not what ``schema`` says."""
    unknown = set(schema) - _KNOWN
    assert not unknown, f"the schema uses {unknown}"
    if "type" in schema:
        assert isinstance(value, _TYPES[schema["type"]]), f"{where}: not a {schema['type']}"
    if "pattern" in schema:
        assert re.search(schema["pattern"], value), f"{where}: {value!r}"
    for name in schema.get("required", []):
        assert name in value, f"{where}: lacks {name}"
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is False:
        assert set(value) <= set(properties), f"{where}: {set(value) - set(properties)}"
    for name, part in properties.items():
        if name in value:
            check(value[name], part, f"{where}.{name}")
    if "items" in schema:
        assert len(value) >= schema.get("minItems", 0), f"{where}: too short"
        for i, item in enumerate(value):
            check(item, schema["items"], f"{where}[{i}]")
    if "oneOf" in schema:
        met = [_meets(value, part) for part in schema["oneOf"]]
        assert met.count(True) == 1, f"{where}: not exactly one of the forms"


def _meets(value: Any, schema: dict[str, Any]) -> bool:
    try:
        check(value, schema)
    except AssertionError:
        return False
    return True
