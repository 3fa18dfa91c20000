"""The tables of access: operators, platforms, accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    _make_account_suspension()
    _make_account_usage()
    _make_device_revocation()
    _make_gate_version()
    _make_login_attempt()
    _make_login_step()
    _make_operator()
    _make_platform()
    _make_operator_passkey()
    _make_operator_session()
    _make_platform_credential()


def _make_account_suspension() -> None:
    op.create_table(
        "account_suspension",
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("suspended_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )


def _make_account_usage() -> None:
    op.create_table(
        "account_usage",
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("body_len", sa.BigInteger(), nullable=False),
        sa.Column("deletion_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "day"),
    )
    op.create_index("account_usage_by_day", "account_usage", ["day"], unique=False)


def _make_device_revocation() -> None:
    op.create_table(
        "device_revocation",
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("device_key_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "device_key_id"),
    )


def _make_gate_version() -> None:
    op.create_table(
        "gate_version",
        sa.Column("gate_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gate_id"),
    )


def _make_login_attempt() -> None:
    op.create_table(
        "login_attempt",
        sa.Column("subject", sa.LargeBinary(length=32), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
    )


def _make_login_step() -> None:
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


def _make_platform() -> None:
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


def _make_operator_session() -> None:
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

    # ### end Alembic commands ###
