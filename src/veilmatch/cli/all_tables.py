"""Every table of every room: what migrations, checks and the rotation of keys must know.

A new room with tables is entered here; a test finds a ``tables.py`` that is not.
"""

from __future__ import annotations

import importlib

from sqlalchemy import MetaData

from veilmatch.store import schema

ROOMS_WITH_TABLES = (
    "veilmatch.access.tables",
    "veilmatch.actions.tables",
    "veilmatch.casework.tables",
    "veilmatch.privatelog.tables",
    "veilmatch.reporting.tables",
    "veilmatch.shards.tables",
)


def load_tables() -> MetaData:
    """Load the tables of all rooms. Returns the one metadata that holds them."""
    for name in ROOMS_WITH_TABLES:
        importlib.import_module(name)
    return schema.metadata
