"""Tables of the room. Times are whole seconds since 1970; tokens stand as SHA-256 only."""

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
    UniqueConstraint,
    false,
)

from veilmatch.store.schema import metadata, sealed_as

operator = Table(
    "operator",
    metadata,
    Column("operator_id", LargeBinary(16), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),  # active, disabled
    Column("created_at", BigInteger, nullable=False),
    Column("password_hash", Text),  # argon2id
    Column("sealed_totp", LargeBinary, info=sealed_as("totp", lambda row: row.operator_id)),
    Column("totp_step", BigInteger, nullable=False, server_default="0"),  # last one used
    Column("issuer", Text),  # OpenID Connect
    Column("subject", Text),
    Column("is_reviewer", Boolean, nullable=False, server_default=false()),
    Column("is_lead", Boolean, nullable=False, server_default=false()),
    Column("is_reporter", Boolean, nullable=False, server_default=false()),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("is_operator", Boolean, nullable=False, server_default=false()),
    Column("is_auditor", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("issuer", "subject", name="operator_subject"),
    CheckConstraint("state IN ('active', 'disabled')", name="operator_state"),
    CheckConstraint("NOT (is_admin AND (is_reviewer OR is_lead))", name="operator_exclusion"),
)

operator_session = Table(
    "operator_session",
    metadata,
    Column("token_digest", LargeBinary(32), primary_key=True),
    Column("operator_id", LargeBinary(16), ForeignKey("operator.operator_id"), nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("stepped_up_at", BigInteger),
    Index("operator_session_by_operator", "operator_id"),
)

operator_passkey = Table(
    "operator_passkey",
    metadata,
    Column("credential_id", LargeBinary, primary_key=True),
    Column("operator_id", LargeBinary(16), ForeignKey("operator.operator_id"), nullable=False),
    Column("public_key", LargeBinary, nullable=False),  # COSE
    Column("sign_count", BigInteger, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Index("operator_passkey_by_operator", "operator_id"),
)

# What was begun and not finished: a second factor, a passkey's challenge, a visit at an issuer.
login_step = Table(
    "login_step",
    metadata,
    Column("token_digest", LargeBinary(32), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("operator_id", LargeBinary(16)),
    Column("sealed_state", LargeBinary, info=sealed_as("state", lambda row: row.token_digest)),
    Column("expires_at", BigInteger, nullable=False),
    Index("login_step_by_expiry", "expires_at"),
)

# A leaking bucket of attempts for each name and each address, both as digests.
login_attempt = Table(
    "login_attempt",
    metadata,
    Column("subject", LargeBinary(32), primary_key=True),
    Column("level", Integer, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

platform = Table(
    "platform",
    metadata,
    Column("platform_id", LargeBinary(16), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),  # active, disabled
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint("state IN ('active', 'disabled')", name="platform_state"),
)

# A bearer token (SHA-256 of it) or a client certificate (SHA-256 of its DER form).
platform_credential = Table(
    "platform_credential",
    metadata,
    Column("credential_id", LargeBinary(16), primary_key=True),
    Column("platform_id", LargeBinary(16), ForeignKey("platform.platform_id"), nullable=False),
    Column("kind", Text, nullable=False),  # token, certificate
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    CheckConstraint("kind IN ('token', 'certificate')", name="platform_credential_kind"),
    Index("platform_credential_by_platform", "platform_id"),
)

device_revocation = Table(
    "device_revocation",
    metadata,
    Column("account", LargeBinary(16), primary_key=True),
    Column("device_key_id", LargeBinary(8), primary_key=True),
    Column("revoked_at", BigInteger, nullable=False),
)

account_suspension = Table(
    "account_suspension",
    metadata,
    Column("account", LargeBinary(16), primary_key=True),
    Column("suspended_at", BigInteger, nullable=False),
)

# Bytes and deletion marks of one account on one day (days since 1970).
account_usage = Table(
    "account_usage",
    metadata,
    Column("account", LargeBinary(16), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("body_len", BigInteger, nullable=False),
    Column("deletion_count", BigInteger, nullable=False),
    Index("account_usage_by_day", "day"),
)

# Moves with every revocation and suspension, so that a process knows when to read them again.
gate_version = Table(
    "gate_version",
    metadata,
    Column("gate_id", Integer, primary_key=True),  # 1
    Column("version", BigInteger, nullable=False),
)
