"""The tables of the private log, of actions and of large maps."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    _make_action_endpoint()
    _make_action_message()
    _make_private_entry()
    _make_private_head()
    _make_private_tip()
    _make_shard_run()
    _make_table_draft()
    _make_action_delivery()
    _make_shard_done()


def _make_action_endpoint() -> None:
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


def _make_action_message() -> None:
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


def _make_private_entry() -> None:
    op.create_table(
        "private_entry",
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("entry", sa.LargeBinary(length=32), nullable=False),
        sa.Column("private_body", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("place >= 0", name="private_entry_place"),
        sa.PrimaryKeyConstraint("place"),
        sa.UniqueConstraint("entry"),
    )
    op.create_index("private_entry_by_subject", "private_entry", ["subject", "place"], unique=False)


def _make_private_head() -> None:
    op.create_table(
        "private_head",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("size"),
    )


def _make_private_tip() -> None:
    op.create_table(
        "private_tip",
        sa.Column("tip", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("tip = 0", name="private_tip_one"),
        sa.PrimaryKeyConstraint("tip"),
    )


def _make_shard_run() -> None:
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


def _make_action_delivery() -> None:
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


def _make_shard_done() -> None:
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
    # ### end Alembic commands ###
