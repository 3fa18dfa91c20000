"""The tables of cases and their review."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    _change_cases()
    _make_golden_picture()
    _make_golden_score()
    _make_review_preference()
    _make_case_event()
    _make_case_receipt()
    _make_review_case()
    _make_case_action()
    _make_case_appeal()
    _make_case_decision()
    _make_case_feedback()
    _make_case_preservation()
    _make_case_report()
    _make_review_item()
    _make_case_view()


def _make_golden_picture() -> None:
    op.create_table(
        "golden_picture",
        sa.Column("golden_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sealed_picture", sa.LargeBinary(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("golden_id"),
    )


def _make_golden_score() -> None:
    op.create_table(
        "golden_score",
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reviewer", sa.LargeBinary(length=16), nullable=False),
        sa.Column("is_right", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "number", "reviewer"),
    )


def _make_review_preference() -> None:
    op.create_table(
        "review_preference",
        sa.Column("owner", sa.LargeBinary(), nullable=False),
        sa.Column("preferences", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner"),
    )


def _make_case_event() -> None:
    op.create_table(
        "case_event",
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("previous", sa.Integer(), nullable=True),
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.LargeBinary(), nullable=False),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(number = 0 AND previous IS NULL AND from_state = 'none') OR (number > 0 AND previous IS NOT NULL AND previous = number - 1)",
            name="case_event_order",
        ),
        sa.CheckConstraint(
            "from_state || '>' || to_state IN ('acted>appealed', 'acted>closed', 'appealed>reinstated', 'appealed>upheld', 'claimed>first_decided', 'claimed>hash_confirmed', 'closed>destroyed', 'confirmed>reported', 'escalated>confirmed', 'escalated>rejected', 'first_decided>second_decided', 'hash_confirmed>claimed', 'none>opened', 'opened>hash_confirmed', 'reinstated>closed', 'rejected>closed', 'reported>acted', 'reported>appealed', 'second_decided>confirmed', 'second_decided>escalated', 'second_decided>rejected', 'upheld>closed')",
            name="case_event_step",
        ),
        sa.ForeignKeyConstraint(
            ["case_id", "previous", "from_state"],
            ["case_event.case_id", "case_event.number", "case_event.to_state"],
            name="case_event_follows",
        ),
        sa.ForeignKeyConstraint(
            ["log_place"],
            ["private_entry.place"],
        ),
        sa.PrimaryKeyConstraint("case_id", "number"),
        sa.UniqueConstraint("case_id", "number", "to_state", name="case_event_reached"),
        sa.UniqueConstraint("log_place"),
    )


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


def _make_review_case() -> None:
    op.create_table(
        "review_case",
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("event_number", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("min_shares", sa.Integer(), nullable=False),
        sa.Column("has_second_hash", sa.Boolean(), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=True),
        sa.Column("holder", sa.LargeBinary(length=16), nullable=True),
        sa.Column("claimed_at", sa.BigInteger(), nullable=True),
        sa.Column("claim_expires_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "(state = 'destroyed') = (sealed_key IS NULL)", name="review_case_destroyed"
        ),
        sa.CheckConstraint(
            "state IN ('opened', 'hash_confirmed', 'claimed', 'first_decided', 'second_decided', 'confirmed', 'rejected', 'escalated', 'reported', 'acted', 'appealed', 'upheld', 'reinstated', 'closed', 'destroyed')",
            name="review_case_state",
        ),
        sa.CheckConstraint("(holder IS NULL) = (claimed_at IS NULL)", name="review_case_claim"),
        sa.ForeignKeyConstraint(
            ["case_id", "event_number", "state"],
            ["case_event.case_id", "case_event.number", "case_event.to_state"],
            name="review_case_stands",
        ),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_index("review_case_by_state", "review_case", ["state", "opened_at"], unique=False)


def _make_case_action() -> None:
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


def _make_case_decision() -> None:
    op.create_table(
        "case_decision",
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reviewer", sa.LargeBinary(length=16), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("judgement_body", sa.LargeBinary(), nullable=True),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(round < 4 AND outcome IN ('confirm', 'reject', 'escalate')) OR (round = 4 AND outcome IN ('uphold', 'reinstate'))",
            name="case_decision_outcome",
        ),
        sa.CheckConstraint("round != 3 OR outcome != 'escalate'", name="case_decision_lead"),
        sa.CheckConstraint("round BETWEEN 1 AND 4", name="case_decision_round"),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["review_case.case_id"],
        ),
        sa.ForeignKeyConstraint(
            ["log_place"],
            ["private_entry.place"],
        ),
        sa.PrimaryKeyConstraint("case_id", "round"),
        sa.UniqueConstraint("case_id", "reviewer", name="case_decision_distinct"),
        sa.UniqueConstraint("log_place"),
    )


def _make_case_feedback() -> None:
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


def _make_case_report() -> None:
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


def _make_review_item() -> None:
    op.create_table(
        "review_item",
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_number", sa.Integer(), nullable=False),
        sa.Column("asset_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("golden_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("reviewer", sa.LargeBinary(length=16), nullable=True),
        sa.Column("distance", sa.Integer(), nullable=True),
        sa.Column("sources", sa.Text(), nullable=False),
        sa.CheckConstraint("(asset_id IS NULL) = (golden_id IS NOT NULL)", name="review_item_kind"),
        sa.CheckConstraint("(golden_id IS NULL) = (reviewer IS NULL)", name="review_item_reviewer"),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["review_case.case_id"],
        ),
        sa.ForeignKeyConstraint(
            ["golden_id"],
            ["golden_picture.golden_id"],
        ),
        sa.PrimaryKeyConstraint("case_id", "number"),
        sa.UniqueConstraint("case_id", "asset_id"),
    )


def _make_case_view() -> None:
    op.create_table(
        "case_view",
        sa.Column("view_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reviewer", sa.LargeBinary(length=16), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("part IN ('original', 'derivative', 'exif')", name="case_view_part"),
        sa.ForeignKeyConstraint(
            ["case_id", "number"],
            ["review_item.case_id", "review_item.number"],
        ),
        sa.ForeignKeyConstraint(
            ["log_place"],
            ["private_entry.place"],
        ),
        sa.PrimaryKeyConstraint("view_id"),
        sa.UniqueConstraint("log_place"),
    )
    op.create_index("case_view_by_case", "case_view", ["case_id"], unique=False)
    op.create_index("case_view_by_reviewer", "case_view", ["reviewer", "at"], unique=False)

    # ### end Alembic commands ###


def _change_cases() -> None:
    """An ended case leaves room for another; items of version 0.1 wait to be adopted."""
    op.rename_table("case_file", "old_case_file")
    op.rename_table("case_item", "old_case_item")
    op.create_table(
        "case_file",
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_day", sa.Integer(), nullable=False),
        # PostgreSQL keeps the old tables' names for their keys
        sa.PrimaryKeyConstraint("case_id", name="case_file_key"),
    )
    op.create_table(
        "case_item",
        sa.Column("case_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("asset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sealed_item", sa.LargeBinary()),
        sa.Column("item_body", sa.LargeBinary()),
        sa.Column("second_hash_agrees", sa.Integer()),
        sa.PrimaryKeyConstraint("case_id", "asset_id", name="case_item_key"),
    )
    op.execute(
        "INSERT INTO case_file (case_id, account, state, opened_day)"
        " SELECT case_id, account, state, opened_day FROM old_case_file"
    )
    op.execute(
        "INSERT INTO case_item (case_id, asset_id, sealed_item, second_hash_agrees)"
        " SELECT case_id, asset_id, sealed_item, second_hash_agrees FROM old_case_item"
    )
    op.drop_table("old_case_item")
    op.drop_table("old_case_file")
    not_ended = sa.text("state = 'opened'")
    op.create_index(
        "case_file_open",
        "case_file",
        ["account"],
        unique=True,
        sqlite_where=not_ended,
        postgresql_where=not_ended,
    )
