"""What a release's manifest says, read with the standard library alone.

The manifest is written and checked by those who make and use releases. Here an outsider reads
it a second time, from the specification, and gets the values that the log's entry repeats.

Spec: ``spec/80-transparency.md`` section 12.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from veilmatch.errors import EncodingError
from veilmatch.transparency.entries.canonical import Fields, Json, JsonObject, build_json

MANIFEST_LEN_MAX = 4_000_000
_LABEL = b"veilmatch-v1 release"
_PLAIN = ("protocol", "suite", "content_class", "min_shares", "dhf_width", "delta_max", "probes")
_PLAIN_TOO = ("ad_len", "min_jurisdictions")
_NESTED = {
    "hash": ("name", "alg_id", "bit_len"),
    "synthetic": ("shape", "rate", "probability_cap"),
}


@dataclass(frozen=True)
class Source:
    """A list that a release was made from, as the manifest names it.

    Attributes:
        provider: Name of the hash provider.
        jurisdiction: Its jurisdiction.
        commitment: ``bytes (32,)``, of the list.
        count: How many hashes the list has.
    """

    provider: str
    jurisdiction: str
    commitment: bytes = field(repr=False)
    count: int


@dataclass(frozen=True)
class ManifestSummary:
    """The parts of a manifest that the log's entry repeats.

    Attributes:
        facts: ``epoch``, ``row_count``, ``created_at``, ``expires_at``, ``previous`` and
            ``parameters``, each as it must stand in the release statement.
        sources: The lists.
    """

    facts: JsonObject = field(repr=False)
    sources: tuple[Source, ...]


def hash_labelled(label: bytes, *parts: bytes) -> bytes:
    """Hash parts under a label, each after its length in eight bytes: ``bytes (32,)``.

    Source: spec/00-conventions.md.
    """
    state = hashlib.sha256(label)
    for part in parts:
        state.update(len(part).to_bytes(8, "big") + part)
    return state.digest()


def derive_release_id(manifest: bytes, table_root: bytes) -> bytes:
    """Derive the release id, ``bytes (32,)``, a second time and on its own.

    Source: spec/80-transparency.md rule B-5.
    """
    return hash_labelled(_LABEL, manifest, table_root)


def summarise_manifest(data: bytes) -> ManifestSummary:
    """Read a manifest and put together what the release statement must say.

    Args:
        data: The manifest file.

    Raises:
        EncodingError: It is not JSON, or a value is missing or of another type.

    Not checked: the manifest's own rules; a client checks them.

    Source: spec/80-transparency.md rule B-4.
    """
    value = load_manifest(data)
    fields = Fields(value, "manifest")
    facts: JsonObject = {
        "epoch": fields.count("epoch"),
        "row_count": fields.count("rows"),
        "created_at": fields.count("created_at"),
        "expires_at": fields.count("expires_at"),
        "previous": fields.digest("previous").hex(),
        "parameters": _take_parameters(value),
    }
    sources = tuple(_take_source(item) for item in fields.items("sources", 1000))
    return ManifestSummary(facts, sources)


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise EncodingError("the manifest names a field twice", field="manifest")
    return found


def load_manifest(data: bytes) -> dict[str, Any]:
    """Read a manifest's object, fractions as the strings that stand there. Raises EncodingError."""
    if len(data) > MANIFEST_LEN_MAX:
        raise EncodingError("the manifest is too long", field="manifest")
    try:
        # Fractions stay what they are in the file, as strings: the log's entries have none.
        value = json.loads(data.decode(), object_pairs_hook=_no_twice, parse_float=str)
    except EncodingError:
        raise
    except (ValueError, RecursionError):
        raise EncodingError("the manifest is not JSON", field="manifest") from None
    if not isinstance(value, dict):
        raise EncodingError("the manifest is not an object", field="manifest")
    return value


def _take_parameters(value: Mapping[str, Any]) -> JsonObject:
    fields = Fields(dict(value), "manifest")
    found: JsonObject = {name: _take_plain(fields, name) for name in (*_PLAIN, *_PLAIN_TOO)}
    for group, names in _NESTED.items():
        inner = Fields(fields.take(group), group)
        found |= {f"{group}.{name}": _take_plain(inner, name) for name in names}
        if group == "synthetic":
            slots = inner.items("open_slots", 1000)
            if not all(isinstance(slot, int) for slot in slots):
                raise inner.refuse("open_slots")
            found["synthetic.open_slots"] = ",".join(map(str, slots))
        else:
            described = build_json(inner.mapping("preprocessing"))
            found["hash.preprocessing"] = hashlib.sha256(described).hexdigest()
    return found


def _take_plain(fields: Fields, name: str) -> Json:
    value = fields.take(name)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise fields.refuse(name)
    return value


def _take_source(value: Json) -> Source:
    fields = Fields(value, "source")
    provider = Fields(fields.take("provider"), "provider")
    return Source(
        provider.text("name"),
        provider.text("jurisdiction", "[A-Z]{2}"),
        fields.digest("commitment"),
        fields.count("count"),
    )
