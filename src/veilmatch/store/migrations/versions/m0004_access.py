"""Operators and platforms, actions, shards."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    _make_account_suspension()
    _make_device_revocation()
    _make_operator()
    _make_table_draft()
    _make_operator_passkey()
    _make_platform_credential()


def _make_account_suspension() -> None:

    op.create_table(
        "account_suspension",
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("suspended_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )

    op.create_table(
        "account_usage",
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("body_len", sa.BigInteger(), nullable=False),
        sa.Column("deletion_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "day"),
    )
    op.create_index("account_usage_by_day", "account_usage", ["day"], unique=False)

    op.create_table(
        "action_endpoint",
        sa.Column("endpoint_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_previous", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("scheme IN ('v1', 'v1a')", name="action_endpoint_scheme"),
        sa.CheckConstraint("state IN ('active', 'disabled')", name="action_endpoint_state"),
        sa.PrimaryKeyConstraint("endpoint_id"),
        sa.UniqueConstraint("url"),
    )

    op.create_table(
        "action_message",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("message_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("is_spread", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("message_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "action_message_by_spread", "action_message", ["is_spread", "number"], unique=False
    )


def _make_device_revocation() -> None:

    op.create_table(
        "device_revocation",
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("device_key_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "device_key_id"),
    )

    op.create_table(
        "gate_version",
        sa.Column("gate_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gate_id"),
    )

    op.create_table(
        "login_attempt",
        sa.Column("subject", sa.LargeBinary(length=32), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
    )

    op.create_table(
        "login_step",
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("operator_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("sealed_state", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_digest"),
    )
    op.create_index("login_step_by_expiry", "login_step", ["expires_at"], unique=False)


def _make_operator() -> None:

    op.create_table(
        "operator",
        sa.Column("operator_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("sealed_totp", sa.LargeBinary(), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("is_reviewer", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_lead", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_reporter", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_admin", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_operator", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_auditor", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint("state IN ('active', 'disabled')", name="operator_state"),
        sa.CheckConstraint(
            "NOT (is_admin AND (is_reviewer OR is_lead))", name="operator_exclusion"
        ),
        sa.PrimaryKeyConstraint("operator_id"),
        sa.UniqueConstraint("issuer", "subject", name="operator_subject"),
        sa.UniqueConstraint("name"),
    )

    op.create_table(
        "platform",
        sa.Column("platform_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('active', 'disabled')", name="platform_state"),
        sa.PrimaryKeyConstraint("platform_id"),
        sa.UniqueConstraint("name"),
    )

    op.create_table(
        "shard_run",
        sa.Column("run_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("shard_count", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
    )


def _make_table_draft() -> None:

    op.create_table(
        "table_draft",
        sa.Column("draft_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("nonce", sa.LargeBinary(length=32), nullable=False),
        sa.Column("drawn_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("draft_id"),
    )

    op.create_table(
        "action_delivery",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("endpoint_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_token", sa.LargeBinary(length=16), nullable=True),
        sa.Column("lease_expires_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'dead')", name="action_delivery_state"
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["action_endpoint.endpoint_id"],
        ),
        sa.ForeignKeyConstraint(
            ["number"],
            ["action_message.number"],
        ),
        sa.PrimaryKeyConstraint("number", "endpoint_id"),
    )
    op.create_index(
        "action_delivery_due", "action_delivery", ["state", "next_attempt_at"], unique=False
    )
    op.create_index(
        "action_delivery_order",
        "action_delivery",
        ["endpoint_id", "account", "number"],
        unique=False,
    )


def _make_operator_passkey() -> None:

    op.create_table(
        "operator_passkey",
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("operator_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"],
            ["operator.operator_id"],
        ),
        sa.PrimaryKeyConstraint("credential_id"),
    )
    op.create_index(
        "operator_passkey_by_operator", "operator_passkey", ["operator_id"], unique=False
    )

    op.create_table(
        "operator_session",
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("operator_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("stepped_up_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id"],
            ["operator.operator_id"],
        ),
        sa.PrimaryKeyConstraint("token_digest"),
    )
    op.create_index(
        "operator_session_by_operator", "operator_session", ["operator_id"], unique=False
    )


def _make_platform_credential() -> None:

    op.create_table(
        "platform_credential",
        sa.Column("credential_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("platform_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('token', 'certificate')", name="platform_credential_kind"),
        sa.ForeignKeyConstraint(
            ["platform_id"],
            ["platform.platform_id"],
        ),
        sa.PrimaryKeyConstraint("credential_id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index(
        "platform_credential_by_platform", "platform_credential", ["platform_id"], unique=False
    )

    op.create_table(
        "shard_done",
        sa.Column("run_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["shard_run.run_id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "number"),
    )
