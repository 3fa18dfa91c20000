"""Which runs there are, which of their shards are done, and the drafts of tables being built."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table, Text

from veilmatch.store.schema import metadata

shard_run = Table(
    "shard_run",
    metadata,
    Column("run_id", LargeBinary(32), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("shard_count", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
)

shard_done = Table(
    "shard_done",
    metadata,
    Column("run_id", LargeBinary(32), ForeignKey("shard_run.run_id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),  # SHA-256 of the sealed file
)

table_draft = Table(
    "table_draft",
    metadata,
    Column("draft_id", LargeBinary(32), primary_key=True),
    Column("nonce", LargeBinary(32), nullable=False),  # public once the release is out
    Column("drawn_at", BigInteger, nullable=False),
)
