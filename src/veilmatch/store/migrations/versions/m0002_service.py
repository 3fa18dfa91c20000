"""Blobs, deletion marks that age, leases of openings, counters in shards."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column("segment", sa.Column("location", sa.Text, nullable=False, server_default="local"))
    op.add_column("voucher", sa.Column("deleted_day", sa.Integer))
    op.create_index("voucher_by_deleted_day", "voucher", ["deleted_day"])
    op.add_column("account", sa.Column("open_token", sa.LargeBinary(16)))
    for name, kind in (("open_expires_at", sa.BigInteger), ("open_attempts", sa.Integer)):
        op.add_column("account", sa.Column(name, kind, nullable=False, server_default="0"))
    to_open = sa.text("share_version != checked_version")
    op.create_index(
        "account_to_open",
        "account",
        ["open_expires_at"],
        sqlite_where=to_open,
        postgresql_where=to_open,
    )
    # Marks of deletions count against the quota from now on.
    op.execute(
        "INSERT INTO account (account) SELECT DISTINCT account FROM voucher"
        " WHERE account NOT IN (SELECT account FROM account)"
    )
    op.execute(
        "UPDATE account SET voucher_count ="
        " (SELECT count(*) FROM voucher WHERE voucher.account = account.account)"
    )
    _split_counters()
    op.drop_table("schema_version", if_exists=True)


def _split_counters() -> None:
    """A primary key cannot be altered on SQLite: the few rows move to a new table."""
    op.rename_table("counter", "old_counter")
    op.create_table(
        "counter",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("shard", sa.Integer, nullable=False, server_default="0"),
        sa.Column("value", sa.BigInteger, nullable=False),
        # PostgreSQL keeps the old table's name for its key
        sa.PrimaryKeyConstraint("name", "shard", name="counter_key"),
    )
    op.execute("INSERT INTO counter (name, value) SELECT name, value FROM old_counter")
    op.drop_table("old_counter")
