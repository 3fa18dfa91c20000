"""The tables of version 0.1, which made them without migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    _make_intake()
    _make_work()
    _make_cases()


def _make_intake() -> None:
    op.create_table(
        "segment",
        sa.Column("segment_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("body_len", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("voucher_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("lease_token", sa.LargeBinary(16)),
        sa.Column("lease_expires_at", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_index("segment_by_state", "segment", ["state", "not_before"])
    op.create_table(
        "voucher",
        sa.Column("account", sa.LargeBinary(16), primary_key=True),
        sa.Column("asset_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("release_id", sa.LargeBinary(32)),
        sa.Column("device_key_id", sa.LargeBinary(8)),
        sa.Column("segment_id", sa.LargeBinary(16)),
        sa.Column("offset", sa.BigInteger),
        sa.Column("length", sa.Integer),
        sa.Column("sealed_key", sa.LargeBinary),
    )
    op.create_index("voucher_by_segment", "voucher", ["segment_id"])
    op.create_table(
        "device",
        sa.Column("account", sa.LargeBinary(16), primary_key=True),
        sa.Column("device_key_id", sa.LargeBinary(8), primary_key=True),
        sa.Column("public_key", sa.LargeBinary(32), nullable=False),
    )


def _make_work() -> None:
    op.create_table(
        "share",
        sa.Column("account", sa.LargeBinary(16), primary_key=True),
        sa.Column("asset_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("point_tag", sa.LargeBinary(16), nullable=False),
        sa.Column("min_shares", sa.Integer, nullable=False),
        sa.Column("dhf_width", sa.Integer, nullable=False),
        sa.Column("delta_max", sa.Integer, nullable=False),
        sa.Column("sealed_share", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("account", "point_tag"),
    )
    op.create_table(
        "account",
        sa.Column("account", sa.LargeBinary(16), primary_key=True),
        sa.Column("voucher_count", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("share_version", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("checked_version", sa.BigInteger, nullable=False, server_default="0"),
    )


def _make_cases() -> None:
    op.create_table(
        "case_file",
        sa.Column("case_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("account", sa.LargeBinary(16), nullable=False, unique=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("opened_day", sa.Integer, nullable=False),
    )
    op.create_table(
        "case_item",
        sa.Column("case_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("asset_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("sealed_item", sa.LargeBinary, nullable=False),
        sa.Column("second_hash_agrees", sa.Integer),
    )
    op.create_table(
        "operator_item",
        sa.Column("account", sa.LargeBinary(16), primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
