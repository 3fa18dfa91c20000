"""What follows a decision; several cases of one account."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    _make_case_receipt()
    _make_case_appeal()
    _make_case_preservation()
    _change_cases()


def _make_case_receipt() -> None:

    op.create_table(
        "case_receipt",
        sa.Column("receipt_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["log_place"],
            ["private_entry.place"],
        ),
        sa.PrimaryKeyConstraint("receipt_id"),
        sa.UniqueConstraint("log_place"),
    )

    op.create_table(
        "public_numbers",
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["log_place"],
            ["private_entry.place"],
        ),
        sa.PrimaryKeyConstraint("log_place"),
    )

    op.create_table(
        "case_action",
        sa.Column("message_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["review_case.case_id"],
        ),
        sa.ForeignKeyConstraint(
            ["log_place"],
            ["private_entry.place"],
        ),
        sa.PrimaryKeyConstraint("message_id"),
        sa.UniqueConstraint("log_place"),
    )
    op.create_index("case_action_by_case", "case_action", ["case_id"], unique=False)


def _make_case_appeal() -> None:

    op.create_table(
        "case_appeal",
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("text_body", sa.LargeBinary(), nullable=True),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("channel IN ('platform', 'token')", name="case_appeal_channel"),
        sa.CheckConstraint("state IN ('waiting', 'open', 'decided')", name="case_appeal_state"),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["review_case.case_id"],
        ),
        sa.ForeignKeyConstraint(
            ["log_place"],
            ["private_entry.place"],
        ),
        sa.PrimaryKeyConstraint("case_id"),
        sa.UniqueConstraint("log_place"),
    )

    op.create_table(
        "case_feedback",
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("hashes_body", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("state IN ('queued', 'delivered')", name="case_feedback_state"),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["review_case.case_id"],
        ),
        sa.PrimaryKeyConstraint("case_id"),
    )


def _make_case_preservation() -> None:

    op.create_table(
        "case_preservation",
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.Column("manifest_body", sa.LargeBinary(), nullable=True),
        sa.Column("manifest_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("destroyed_at", sa.BigInteger(), nullable=True),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "destroyed_at IS NULL OR (destroyed_at >= until_at AND NOT is_held)",
            name="case_preservation_kept",
        ),
        sa.CheckConstraint("until_at > from_at", name="case_preservation_term"),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["review_case.case_id"],
        ),
        sa.ForeignKeyConstraint(
            ["log_place"],
            ["private_entry.place"],
        ),
        sa.PrimaryKeyConstraint("case_id"),
        sa.UniqueConstraint("log_place"),
    )

    op.create_table(
        "case_report",
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(state = 'blocked') = (reason != '')", name="case_report_reason"),
        sa.CheckConstraint("state IN ('blocked', 'queued', 'finished')", name="case_report_state"),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["review_case.case_id"],
        ),
        sa.ForeignKeyConstraint(
            ["log_place"],
            ["private_entry.place"],
        ),
        sa.PrimaryKeyConstraint("case_id"),
        sa.UniqueConstraint("log_place"),
    )


def _change_cases() -> None:
    """An account may have several cases, one of them open; items move under their case's key."""
    op.rename_table("case_file", "case_file_old")
    op.create_table(
        "case_file",
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_day", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("case_id"),
    )
    columns = "case_id, account, state, opened_day"
    moved = f"INSERT INTO case_file ({columns}) SELECT {columns} FROM case_file_old"  # noqa: S608
    op.execute(moved)
    op.drop_table("case_file_old")
    is_open = sa.text("state = 'opened'")
    op.create_index(
        "case_file_open",
        "case_file",
        ["account"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    with op.batch_alter_table("case_item") as batch:
        batch.add_column(sa.Column("item_body", sa.LargeBinary(), nullable=True))
        batch.alter_column("sealed_item", existing_type=sa.LargeBinary(), nullable=True)
