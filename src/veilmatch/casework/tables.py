"""Casework in SQL. Every step of a case is a row that follows from the row in front of it.

A step that the table in ``review.states`` does not have cannot be inserted; a step can only
follow the last one; a case cannot stand anywhere but where its last step led; one person
cannot decide on one case twice. All of that by constraints alone, on both databases.
Spec: ``spec/65-review.md`` section 3.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from veilmatch.privatelog.tables import private_entry
from veilmatch.review.states import TRANSITIONS, CaseState
from veilmatch.store.schema import metadata, sealed_as

_STEPS = ", ".join(sorted(f"'{old.value}>{new.value}'" for old, new in TRANSITIONS))
_STATES = ", ".join(f"'{state.value}'" for state in CaseState if state is not CaseState.NONE)

case_event = Table(
    "case_event",
    metadata,
    Column("case_id", LargeBinary(16), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("previous", Integer),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", LargeBinary, nullable=False),
    Column("log_place", BigInteger, ForeignKey(private_entry.c.place), nullable=False, unique=True),
    UniqueConstraint("case_id", "number", "to_state", name="case_event_reached"),
    ForeignKeyConstraint(
        ["case_id", "previous", "from_state"],
        ["case_event.case_id", "case_event.number", "case_event.to_state"],
        name="case_event_follows",
    ),
    CheckConstraint(f"from_state || '>' || to_state IN ({_STEPS})", name="case_event_step"),
    CheckConstraint(
        "(number = 0 AND previous IS NULL AND from_state = 'none')"
        " OR (number > 0 AND previous IS NOT NULL AND previous = number - 1)",
        name="case_event_order",
    ),
)

# What reviewers read. It holds no account: that stands in case_file alone.
review_case = Table(
    "review_case",
    metadata,
    Column("case_id", LargeBinary(16), primary_key=True),
    Column("state", Text, nullable=False),
    Column("event_number", Integer, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("min_shares", Integer, nullable=False),
    Column("has_second_hash", Boolean, nullable=False),
    # Of pictures and notes; gone when destroyed.
    Column("sealed_key", LargeBinary, info=sealed_as("key", lambda row: row.case_id)),
    Column("holder", LargeBinary(16)),
    Column("claimed_at", BigInteger),
    Column("claim_expires_at", BigInteger, nullable=False, server_default="0"),
    CheckConstraint(f"state IN ({_STATES})", name="review_case_state"),
    CheckConstraint("(holder IS NULL) = (claimed_at IS NULL)", name="review_case_claim"),
    CheckConstraint("(state = 'destroyed') = (sealed_key IS NULL)", name="review_case_destroyed"),
    ForeignKeyConstraint(
        ["case_id", "event_number", "state"],
        ["case_event.case_id", "case_event.number", "case_event.to_state"],
        name="review_case_stands",
    ),
    Index("review_case_by_state", "state", "opened_at"),
)

# A picture of a case, by a number that says nothing outside it.
review_item = Table(
    "review_item",
    metadata,
    Column("case_id", LargeBinary(16), ForeignKey("review_case.case_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("group_number", Integer, nullable=False),
    Column("asset_id", LargeBinary(16)),  # null: a golden picture
    Column("golden_id", LargeBinary(16), ForeignKey("golden_picture.golden_id")),
    Column("reviewer", LargeBinary(16)),  # who is shown the golden picture
    Column("distance", Integer),  # of the second hash; null where it was not compared
    Column("sources", Text, nullable=False),  # lists and jurisdictions, canonical JSON
    UniqueConstraint("case_id", "asset_id"),
    CheckConstraint("(asset_id IS NULL) = (golden_id IS NOT NULL)", name="review_item_kind"),
    CheckConstraint("(golden_id IS NULL) = (reviewer IS NULL)", name="review_item_reviewer"),
)

case_view = Table(
    "case_view",
    metadata,
    Column("view_id", Integer, primary_key=True, autoincrement=True),
    Column("case_id", LargeBinary(16), nullable=False),
    Column("number", Integer, nullable=False),
    Column("reviewer", LargeBinary(16), nullable=False),
    Column("part", Text, nullable=False),
    Column("weight", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("log_place", BigInteger, ForeignKey(private_entry.c.place), nullable=False, unique=True),
    ForeignKeyConstraint(["case_id", "number"], ["review_item.case_id", "review_item.number"]),
    CheckConstraint("part IN ('original', 'derivative', 'exif')", name="case_view_part"),
    Index("case_view_by_reviewer", "reviewer", "at"),
    Index("case_view_by_case", "case_id"),
)

# Rounds 1 and 2 are the two reviewers, 3 the lead, 4 the appeal: four different people.
case_decision = Table(
    "case_decision",
    metadata,
    Column("case_id", LargeBinary(16), ForeignKey("review_case.case_id"), primary_key=True),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("reviewer", LargeBinary(16), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("claimed_at", BigInteger, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("judgement_body", LargeBinary),  # marks and note, under the case's key
    Column("log_place", BigInteger, ForeignKey(private_entry.c.place), nullable=False, unique=True),
    UniqueConstraint("case_id", "reviewer", name="case_decision_distinct"),
    CheckConstraint("round BETWEEN 1 AND 4", name="case_decision_round"),
    CheckConstraint(
        "(round < 4 AND outcome IN ('confirm', 'reject', 'escalate'))"
        " OR (round = 4 AND outcome IN ('uphold', 'reinstate'))",
        name="case_decision_outcome",
    ),
    CheckConstraint("round != 3 OR outcome != 'escalate'", name="case_decision_lead"),
)

golden_picture = Table(
    "golden_picture",
    metadata,
    Column("golden_id", LargeBinary(16), primary_key=True),
    Column(
        "sealed_picture",
        LargeBinary,
        nullable=False,
        info=sealed_as("picture", lambda row: row.golden_id),
    ),
    Column("expected", Text, nullable=False),  # scheme:value
    Column("added_at", BigInteger, nullable=False),
    Column("is_active", Boolean, nullable=False),
)

golden_score = Table(
    "golden_score",
    metadata,
    Column("case_id", LargeBinary(16), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("reviewer", LargeBinary(16), primary_key=True),
    Column("is_right", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
)

review_preference = Table(
    "review_preference",
    metadata,
    Column("owner", LargeBinary, primary_key=True),  # operator id; empty for the organisation
    Column("preferences", Text, nullable=False),  # canonical JSON
    Column("changed_at", BigInteger, nullable=False),
)

# What follows a confirmed case. The outbox says how far a report got; its key is the case's id.
case_report = Table(
    "case_report",
    metadata,
    Column("case_id", LargeBinary(16), ForeignKey("review_case.case_id"), primary_key=True),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),  # names of gaps and rules
    Column("changed_at", BigInteger, nullable=False),
    Column("log_place", BigInteger, ForeignKey(private_entry.c.place), nullable=False, unique=True),
    CheckConstraint("state IN ('blocked', 'queued', 'finished')", name="case_report_state"),
    CheckConstraint("(state = 'blocked') = (reason != '')", name="case_report_reason"),
)

case_receipt = Table(
    "case_receipt",
    metadata,
    Column("receipt_id", Integer, primary_key=True, autoincrement=False),  # of outbox_receipt
    Column("log_place", BigInteger, ForeignKey(private_entry.c.place), nullable=False, unique=True),
)

case_action = Table(
    "case_action",
    metadata,
    Column("message_id", LargeBinary(16), primary_key=True),
    Column("case_id", LargeBinary(16), ForeignKey("review_case.case_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("log_place", BigInteger, ForeignKey(private_entry.c.place), nullable=False, unique=True),
    Index("case_action_by_case", "case_id"),
)

case_appeal = Table(
    "case_appeal",
    metadata,
    Column("case_id", LargeBinary(16), ForeignKey("review_case.case_id"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("text_body", LargeBinary),  # under the case's key
    Column("log_place", BigInteger, ForeignKey(private_entry.c.place), nullable=False, unique=True),
    CheckConstraint("state IN ('waiting', 'open', 'decided')", name="case_appeal_state"),
    CheckConstraint("channel IN ('platform', 'token')", name="case_appeal_channel"),
)

# What hash providers are told of a wrong match; sent by a worker, after the transaction.
case_feedback = Table(
    "case_feedback",
    metadata,
    Column("case_id", LargeBinary(16), ForeignKey("review_case.case_id"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("queued_at", BigInteger, nullable=False),
    Column("hashes_body", LargeBinary),  # under the case's key; gone when delivered
    CheckConstraint("state IN ('queued', 'delivered')", name="case_feedback_state"),
)

case_preservation = Table(
    "case_preservation",
    metadata,
    Column("case_id", LargeBinary(16), ForeignKey("review_case.case_id"), primary_key=True),
    Column("from_at", BigInteger, nullable=False),
    Column("until_at", BigInteger, nullable=False),
    Column("is_held", Boolean, nullable=False),
    Column("manifest_body", LargeBinary),  # digests of what is kept, under the case's key
    Column("manifest_digest", LargeBinary(32), nullable=False),
    Column("destroyed_at", BigInteger),
    Column("log_place", BigInteger, ForeignKey(private_entry.c.place), nullable=False, unique=True),
    CheckConstraint("until_at > from_at", name="case_preservation_term"),
    CheckConstraint(
        "destroyed_at IS NULL OR (destroyed_at >= until_at AND NOT is_held)",
        name="case_preservation_kept",
    ),
)

public_numbers = Table(
    "public_numbers",
    metadata,
    Column("log_place", BigInteger, ForeignKey(private_entry.c.place), primary_key=True),
    Column("period", Text, nullable=False),
    Column("report", LargeBinary, nullable=False),
    Column("published_at", BigInteger, nullable=False),
)

# What is done by the clock: who is at it, when it is due. Holds nothing of any case.
review_timer = Table(
    "review_timer",
    metadata,
    Column("step", Text, primary_key=True),
    Column("due_at", BigInteger, nullable=False, server_default="0"),
    Column("done_at", BigInteger, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("lease_token", LargeBinary),
    Column("lease_expires_at", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("step IN ('advance', 'head', 'feedback')", name="review_timer_step"),
)
