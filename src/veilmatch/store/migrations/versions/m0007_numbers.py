"""The public numbers that were published."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    _make_public_numbers()


def _make_public_numbers() -> None:
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
