"""The operator's queue, retention, webhooks and their dead letters, settings, the log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import and_, delete, func, select

from veilmatch.actions.delivery import list_dead, retry_dead
from veilmatch.admin.guard import (
    AdminChange,
    AdminOrAuditor,
    Auditor,
    EngineerChange,
    Operator,
    OperatorChange,
    Parts,
    Reader,
)
from veilmatch.admin.models import (
    DeadLetterOut,
    DeadReportOut,
    EndpointIn,
    EndpointOut,
    Id,
    LogOut,
    Number,
    QueueItem,
    QueueOut,
    RetentionOut,
    SecretOut,
    SettingsOut,
    State,
    StateIn,
)
from veilmatch.errors import ConfigError
from veilmatch.reporting.tables import outbox_report
from veilmatch.store import schema

router = APIRouter()
_Kind = Annotated[str, Path(pattern=r"^[a-z][a-z _-]{0,39}$")]
_PAGE = 200


@router.get("/queue")
def count_queue(parts: Parts, _who: Reader) -> QueueOut:
    """Count the accounts that need an engineer."""
    kind = schema.operator_item.c.kind
    with parts.database.transaction() as connection:
        rows = connection.execute(select(kind, func.count()).group_by(kind)).all()
    return QueueOut(counts={row[0]: row[1] for row in rows})


@router.get("/queue/items")
def list_queue(parts: Parts, who: Operator) -> list[QueueItem]:
    """List them; this look becomes an entry of the private log."""
    item = schema.operator_item.c
    with parts.database.transaction() as connection:
        rows = connection.execute(
            select(item.account, item.kind).order_by(item.kind, item.account).limit(1000)
        ).all()
        parts.note(connection, who, "queue.read", b"")
    return [QueueItem(account=row.account.hex(), kind=row.kind) for row in rows]


@router.delete("/queue/items/{account}/{kind}", status_code=204)
def close_item(account: Id, kind: _Kind, parts: Parts, who: OperatorChange) -> None:
    """Take an account out of the queue, after the fault was mended."""
    item = schema.operator_item.c
    with parts.database.transaction() as connection:
        gone = connection.execute(
            delete(schema.operator_item).where(
                and_(item.account == bytes.fromhex(account), item.kind == kind)
            )
        )
        if not gone.rowcount:
            raise ConfigError("there is no such item in the queue")
        parts.note(connection, who, "queue.closed", b"", {"account": account})


@router.get("/retention")
def read_retention(parts: Parts, _who: Reader) -> RetentionOut:
    """What waits to be matched, and since when the oldest."""
    table = schema.segment.c
    with parts.database.transaction() as connection:
        rows = connection.execute(
            select(table.state, func.count(), func.sum(table.voucher_count)).group_by(table.state)
        ).all()
        oldest = connection.execute(
            select(func.min(table.opened_at)).where(table.state != "done")
        ).scalar()
    waiting = sum(int(row[2] or 0) for row in rows if row[0] != "done")
    return RetentionOut(
        segments={row[0]: row[1] for row in rows},
        waiting_vouchers=waiting,
        oldest_opened_at=oldest,
        is_alarm=oldest is not None and parts.clock() - oldest > parts.retention.alarm_age_s,
    )


@router.get("/webhooks/endpoints")
def list_endpoints(parts: Parts, _who: Reader) -> list[EndpointOut]:
    """List where actions go."""
    return [
        EndpointOut(
            endpoint_id=one.endpoint_id.hex(),
            url=one.url,
            scheme=one.scheme,
            state=State(one.state),
        )
        for one in parts.endpoints.list_all()
    ]


@router.post("/webhooks/endpoints", status_code=201)
def add_endpoint(said: EndpointIn, parts: Parts, who: AdminChange) -> SecretOut:
    """Add an address; the secret is shown once."""
    with parts.database.transaction() as connection:
        made = parts.endpoints.add(connection, said.url, said.scheme)
        parts.note(connection, who, "webhook.added", made.endpoint_id)
    return SecretOut(endpoint_id=made.endpoint_id.hex(), secret=made.shown)


@router.post("/webhooks/endpoints/{endpoint_id}/secret", status_code=201)
def rotate_secret(endpoint_id: Id, parts: Parts, who: AdminChange) -> SecretOut:
    """Give an address a new secret; the old one signs beside it for a day."""
    with parts.database.transaction() as connection:
        made = parts.endpoints.rotate(connection, bytes.fromhex(endpoint_id))
        parts.note(connection, who, "webhook.rotated", made.endpoint_id)
    return SecretOut(endpoint_id=made.endpoint_id.hex(), secret=made.shown)


@router.put("/webhooks/endpoints/{endpoint_id}/state", status_code=204)
def set_endpoint_state(endpoint_id: Id, said: StateIn, parts: Parts, who: AdminChange) -> None:
    """Stop sending to an address, or send again; what waits for it waits on."""
    target = bytes.fromhex(endpoint_id)
    with parts.database.transaction() as connection:
        parts.endpoints.set_state(connection, target, said.state.value)
        parts.note(connection, who, "webhook.state", target, state=said.state.value)


@router.get("/webhooks/dead")
def list_dead_letters(parts: Parts, _who: Reader) -> list[DeadLetterOut]:
    """List the deliveries that were given up."""
    with parts.database.transaction() as connection:
        letters = list_dead(connection)
    return [
        DeadLetterOut(
            number=one.number,
            endpoint_id=one.endpoint_id.hex(),
            kind=one.kind,
            attempts=one.attempts,
            reason=one.reason,
        )
        for one in letters
    ]


@router.post("/webhooks/dead/{number}/{endpoint_id}/retry", status_code=204)
def retry_dead_letter(number: Number, endpoint_id: Id, parts: Parts, who: EngineerChange) -> None:
    """Try one of them again."""
    target = bytes.fromhex(endpoint_id)
    with parts.database.transaction() as connection:
        retry_dead(connection, number, target, parts.clock())
        parts.note(connection, who, "webhook.retried", target)


@router.get("/reports/dead")
def list_dead_reports(parts: Parts, _who: Reader) -> list[DeadReportOut]:
    """List the reports that a person must look at; nothing of their contents."""
    table = outbox_report.c
    with parts.database.transaction() as connection:
        rows = connection.execute(
            select(table.report_key, table.body, table.reason, table.attempts)
            .where(table.state == "dead")
            .order_by(table.report_key, table.body)
            .limit(1000)
        ).all()
    return [
        DeadReportOut(
            report_key=row.report_key.hex(),
            body=row.body,
            reason=row.reason,
            attempts=row.attempts,
        )
        for row in rows
    ]


@router.get("/settings")
def read_settings(parts: Parts, _who: AdminOrAuditor) -> SettingsOut:
    """Every setting of this process; a secret shows only whether it is set."""
    return SettingsOut(settings=dict(parts.settings))


@router.get("/log")
def read_log(
    parts: Parts, who: Auditor, first: Annotated[int, Query(ge=0, le=2**53 - 1)] = 0
) -> LogOut:
    """Read the private log's records; this look becomes an entry, too."""
    with parts.database.transaction() as connection:
        parts.note(connection, who, "log.read", b"")
    stored = parts.log.read(first, first + _PAGE)
    return LogOut(size=first + len(stored), records=[one.data.decode("utf-8") for one in stored])
