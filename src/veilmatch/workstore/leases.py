"""What holds a lease, what ends one, and what becomes of work that nobody can finish."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_

from veilmatch.errors import LeaseError
from veilmatch.store import schema
from veilmatch.store.statements import insert
from veilmatch.workstore.records import Lease


def held_by(lease: Lease) -> ColumnElement[bool]:
    """Choose the segment's row while this lease holds it."""
    table = schema.segment.c
    return and_(
        table.segment_id == lease.segment_id,
        table.lease_token == lease.token,
        table.state == "sealed",
    )


def lost_lease() -> LeaseError:
    """Make the error of whoever comes too late."""
    return LeaseError("the lease was lost; another worker has it")


def queue_for_operator(connection: Connection, subject: bytes, kind: str) -> None:
    """Put an account or a segment into the operator's queue, once for each kind."""
    connection.execute(
        insert(connection, schema.operator_item)
        .values(account=subject, kind=kind)
        .on_conflict_do_nothing()
    )
