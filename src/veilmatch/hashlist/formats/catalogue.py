"""Importers by name: what ``veilmatch list import --format`` may say.

An importer is loaded when it is asked for, so that its extra packages are needed only then.
Spec: ``spec/26-list-formats.md`` section 5.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Protocol, cast

from veilmatch.errors import ConfigError
from veilmatch.hashlist.entry import Chunks, Item


class Importer(Protocol):
    """Turns the bytes of a file into items; see each form."""

    def __call__(self, chunks: Chunks, *, kind: str = "", scheme: str = "") -> Iterator[Item]:
        """Yield the items of a file."""
        ...


_HERE = "veilmatch.hashlist.formats"
_IMPORTERS: dict[str, tuple[str, str]] = {
    "csv": ("csv_form", "parse_csv_entries"),
    "text": ("text_form", "parse_text_entries"),
    "jsonl": ("json_lines", "parse_json_line_entries"),
    "ncmec": ("hash_sharing", "parse_hash_sharing_entries"),
    "vics": ("json_documents.vics", "parse_vics_entries"),
    "stopncii": ("json_documents.stopncii", "parse_stopncii_entries"),
    "tat": ("json_documents.tech_against_terrorism", "parse_tat_entries"),
    "threatexchange": ("json_documents.threatexchange", "parse_threatexchange_entries"),
}

UPDATES = frozenset({"ncmec", "stopncii", "threatexchange"})
"""Forms that say what changed; every other one is a whole list."""

CATEGORISED = frozenset({"vics"})
"""Forms that hold files nobody looked at, so that the wanted categories must be named."""


def format_names() -> tuple[str, ...]:
    """List the known forms."""
    return tuple(_IMPORTERS)


def load_importer(name: str) -> Importer:
    """Give the importer of this name.

    Raises:
        ConfigError: There is none, or a package that it needs is not installed.
    """
    if name not in _IMPORTERS:
        raise ConfigError(
            "no such list format", setting="format", hint="known: " + ", ".join(_IMPORTERS)
        )
    module, function = _IMPORTERS[name]
    try:
        return cast(Importer, getattr(importlib.import_module(f"{_HERE}.{module}"), function))
    except ModuleNotFoundError as exc:
        raise ConfigError(
            f"the list format {name} needs parts that are not installed",
            setting="format",
            hint="pip install 'veilmatch[lists]'",
        ) from exc
