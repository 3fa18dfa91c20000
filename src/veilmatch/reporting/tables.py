"""The outbox in SQL. Times are whole seconds since 1970, UTC; what is private is sealed.

One row per (report, body), so that a case cannot be reported twice to one body; one
effective finish receipt per row, so that it cannot be finished twice.
"""

from __future__ import annotations

import enum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    and_,
)

from veilmatch.store.schema import metadata, sealed_as


class State(enum.Enum):
    """Where a report stands in the outbox."""

    QUEUED = "queued"  # no report is open, as far as we know
    OPEN = "open"  # opened under a number; files go in
    REPLACING = "replacing"  # to be taken back, then opened afresh
    FINISHING = "finishing"  # finish was or may have been sent
    WITHDRAWING = "withdrawing"  # to be taken back, then put before a person
    FINISHED = "finished"
    DEAD = "dead"  # a person must look


class FileState(enum.Enum):
    """Where a file of the open report stands."""

    WAITING = "waiting"
    SENDING = "sending"  # sent or not: nobody knows until there is an answer
    SENT = "sent"
    DESCRIBED = "described"


_STATES = ", ".join(f"'{state.value}'" for state in State)


def place(report_key: bytes, body: str, position: int = -1) -> bytes:
    """Build the row's word to which a sealed column is bound; of a file with its position."""
    return report_key + body.encode() + (b"" if position < 0 else b"|%d" % position)


outbox_report = Table(
    "outbox_report",
    metadata,
    Column("report_key", LargeBinary(16), primary_key=True),
    Column("body", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("report_number", BigInteger),
    Column("opened_at", BigInteger, nullable=False, server_default="0"),
    Column("changed_at", BigInteger, nullable=False, server_default="0"),
    Column("is_finish_sent", Boolean, nullable=False, server_default="0"),
    Column("open_count", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", BigInteger, nullable=False, server_default="0"),
    Column("lease_token", LargeBinary(16)),
    Column("lease_expires_at", BigInteger, nullable=False, server_default="0"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("queued_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("score", Integer, nullable=False),
    Column(
        "sealed_document",
        LargeBinary,
        nullable=False,
        info=sealed_as("document", lambda row: place(row.report_key, row.body)),
    ),
    CheckConstraint(f"state IN ({_STATES})", name="outbox_report_state"),
    CheckConstraint(
        "state != 'finished' OR (report_number IS NOT NULL AND finished_at IS NOT NULL)",
        name="outbox_report_finished",
    ),
    UniqueConstraint("body", "report_number"),
    Index("outbox_report_due", "state", "next_attempt_at"),
)

outbox_file = Table(
    "outbox_file",
    metadata,
    Column("report_key", LargeBinary(16), primary_key=True),
    Column("body", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("file_id", Text),
    Column("blob_id", LargeBinary(16), nullable=False),
    Column(
        "sealed_details",
        LargeBinary,
        nullable=False,
        info=sealed_as("details", lambda row: place(row.report_key, row.body, row.position)),
    ),
    ForeignKeyConstraint(
        ["report_key", "body"], ["outbox_report.report_key", "outbox_report.body"]
    ),
)

outbox_receipt = Table(
    "outbox_receipt",
    metadata,
    Column("receipt_id", Integer, primary_key=True, autoincrement=True),
    Column("report_key", LargeBinary(16), nullable=False),
    Column("body", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("is_effective", Boolean, nullable=False),
    Column("code", Integer, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("report_number", BigInteger),
    Column("file_id", Text),
    Column("file_ids", Text),  # of a finish, joined by commas; empty if the body listed none
    Column("received_at", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["report_key", "body"], ["outbox_report.report_key", "outbox_report.body"]
    ),
    Index("outbox_receipt_by_report", "report_key", "body"),
)

_finish = and_(outbox_receipt.c.step == "finish", outbox_receipt.c.is_effective)
Index(
    "outbox_one_finish",
    outbox_receipt.c.report_key,
    outbox_receipt.c.body,
    unique=True,
    sqlite_where=_finish,
    postgresql_where=_finish,
)
