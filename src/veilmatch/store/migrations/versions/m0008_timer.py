"""What casework does by the clock, leased by one process at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "review_timer",
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("done_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_token", sa.LargeBinary(), nullable=True),
        sa.Column("lease_expires_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("step IN ('advance', 'head', 'feedback')", name="review_timer_step"),
        sa.PrimaryKeyConstraint("step"),
    )
