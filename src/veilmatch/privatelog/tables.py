"""The private log in SQL. Rows are only ever added; what is private is sealed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    Table,
    Text,
)

from veilmatch.store.schema import metadata, sealed_as


def place_row(row: Any) -> bytes:
    """Name the place that an entry's sealed key is bound to."""
    place: int = row.place
    return place.to_bytes(8, "big")


private_entry = Table(
    "private_entry",
    metadata,
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", LargeBinary, nullable=False),
    Column("subject", LargeBinary, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("entry", LargeBinary(32), nullable=False, unique=True),
    # Under a key of its own: keys of the store may rotate, and the private part may be
    # destroyed, without touching what the chain covers.
    Column("private_body", LargeBinary),
    Column("sealed_key", LargeBinary, info=sealed_as("key", place_row)),
    CheckConstraint("place >= 0", name="private_entry_place"),
    Index("private_entry_by_subject", "subject", "place"),
)

private_tip = Table(
    "private_tip",
    metadata,
    Column("tip", BigInteger, primary_key=True, autoincrement=False),  # one row: 0
    Column("size", BigInteger, nullable=False),
    Column("entry", LargeBinary(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    CheckConstraint("tip = 0", name="private_tip_one"),
)

private_head = Table(
    "private_head",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
)
