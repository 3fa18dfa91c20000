"""The tables of reports, which version 0.1 made when they were first needed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    _make_reports()
    _make_files_and_receipts()


def _make_reports() -> None:
    op.create_table(
        "outbox_report",
        sa.Column("report_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("report_number", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("changed_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("is_finish_sent", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("open_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_token", sa.LargeBinary(length=16), nullable=True),
        sa.Column("lease_expires_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("sealed_document", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "state != 'finished' OR (report_number IS NOT NULL AND finished_at IS NOT NULL)",
            name="outbox_report_finished",
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'open', 'replacing', 'finishing', 'withdrawing',"
            " 'finished', 'dead')",
            name="outbox_report_state",
        ),
        sa.PrimaryKeyConstraint("report_key", "body"),
        sa.UniqueConstraint("body", "report_number"),
        if_not_exists=True,
    )
    op.create_index(
        "outbox_report_due", "outbox_report", ["state", "next_attempt_at"], if_not_exists=True
    )


def _make_files_and_receipts() -> None:
    op.create_table(
        "outbox_file",
        sa.Column("report_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("file_id", sa.Text(), nullable=True),
        sa.Column("blob_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sealed_details", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["report_key", "body"],
            ["outbox_report.report_key", "outbox_report.body"],
        ),
        sa.PrimaryKeyConstraint("report_key", "body", "position"),
        if_not_exists=True,
    )
    op.create_table(
        "outbox_receipt",
        sa.Column("receipt_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("report_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("is_effective", sa.Boolean(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("report_number", sa.BigInteger(), nullable=True),
        sa.Column("file_id", sa.Text(), nullable=True),
        sa.Column("file_ids", sa.Text(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["report_key", "body"],
            ["outbox_report.report_key", "outbox_report.body"],
        ),
        sa.PrimaryKeyConstraint("receipt_id"),
        if_not_exists=True,
    )
    op.create_index(
        "outbox_one_finish",
        "outbox_receipt",
        ["report_key", "body"],
        unique=True,
        if_not_exists=True,
        sqlite_where=sa.text("step = 'finish' AND is_effective = 1"),
        postgresql_where=sa.text("step = 'finish' AND is_effective"),
    )
    op.create_index(
        "outbox_receipt_by_report", "outbox_receipt", ["report_key", "body"], if_not_exists=True
    )
