"""The outbox of actions. Times are whole seconds since 1970, UTC; signing secrets are sealed."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    false,
)

from veilmatch.store.schema import metadata, sealed_as

# The previous secret was sealed as the current one, and stays so.
_SECRET = sealed_as("secret", lambda row: row.endpoint_id)

action_endpoint = Table(
    "action_endpoint",
    metadata,
    Column("endpoint_id", LargeBinary(16), primary_key=True),
    Column("url", Text, nullable=False, unique=True),
    Column("scheme", Text, nullable=False),  # v1: HMAC-SHA-256, v1a: Ed25519
    Column("state", Text, nullable=False),  # active, disabled
    Column("created_at", BigInteger, nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False, info=_SECRET),
    Column("sealed_previous", LargeBinary, info=_SECRET),  # signs, too, until previous_until
    Column("previous_until", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("scheme IN ('v1', 'v1a')", name="action_endpoint_scheme"),
    CheckConstraint("state IN ('active', 'disabled')", name="action_endpoint_state"),
)

action_message = Table(
    "action_message",
    metadata,
    # Grows with time; a receiver ignores what is older than what it already did.
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("message_id", LargeBinary(16), nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("account", LargeBinary(16), nullable=False),
    Column("body", LargeBinary, nullable=False),  # canonical JSON
    Column("queued_at", BigInteger, nullable=False),
    Column("is_spread", Boolean, nullable=False, server_default=false()),
    Index("action_message_by_spread", "is_spread", "number"),
    sqlite_autoincrement=True,  # a number is never given twice
)

action_delivery = Table(
    "action_delivery",
    metadata,
    Column("number", Integer, ForeignKey("action_message.number"), primary_key=True),
    Column(
        "endpoint_id",
        LargeBinary(16),
        ForeignKey("action_endpoint.endpoint_id"),
        primary_key=True,
    ),
    Column("account", LargeBinary(16), nullable=False),
    Column("state", Text, nullable=False),  # waiting, delivered, dead
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", BigInteger, nullable=False),
    Column("lease_token", LargeBinary(16)),
    Column("lease_expires_at", BigInteger, nullable=False, server_default="0"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("delivered_at", BigInteger),
    CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name="action_delivery_state"),
    Index("action_delivery_due", "state", "next_attempt_at"),
    Index("action_delivery_order", "endpoint_id", "account", "number"),
)
