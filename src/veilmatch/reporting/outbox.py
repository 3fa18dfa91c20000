"""The durable outbox: what is to be reported, how far it got, and every receipt.

A report is queued in the same transaction as the decision that confirms it. A worker holds a
lease on a row; every change is made only while the lease is still its own.
Spec: ``spec/70-report.md`` section 10.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, and_, select, update

from veilmatch.errors import ConfigError, DuplicateError, ProtocolError, StoreError
from veilmatch.report.body import Answer, Step
from veilmatch.report.check import CheckedReport
from veilmatch.report.serialize import to_xml
from veilmatch.reporting import tables
from veilmatch.reporting.tables import FileState, State
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.store.files import PRIVATE_MODE, read_file, write_atomic
from veilmatch.store.statements import is_past
from veilmatch.wire import Fields, check_length, parse_canonical_json, to_canonical_json

REPORT_KEY_LEN = 16
MAX_FILE_LEN = 256 << 20
PAUSE_S = 3600  # no pause between two tries is longer, unless settings say so
_ID_LEN = 16
_RESTING = (State.FINISHED.value, State.DEAD.value)


@dataclass(frozen=True)
class Lease:
    """A report that this worker may advance until the lease expires."""

    report_key: bytes
    body: str
    token: bytes

    def __repr__(self) -> str:
        return f"Lease({self.body})"


@dataclass(frozen=True, repr=False)
class StagedFile:
    """A file whose sealed bytes are durable, waiting for the transaction that names it."""

    blob_id: bytes
    md5: str
    sha256: str
    length: int


@dataclass(frozen=True, repr=False)
class JobFile:
    """One file of a report and how far it got."""

    position: int
    state: FileState
    file_id: str | None
    blob_id: bytes
    md5: str
    details: bytes


@dataclass(frozen=True, repr=False)
class Job:
    """A report and how far it got."""

    state: State
    report_number: int | None
    opened_at: int
    changed_at: int
    is_finish_sent: bool
    open_count: int
    attempts: int
    document: bytes
    files: tuple[JobFile, ...]


class Outbox:
    """Reports on their way.

    Args:
        database: The store's database; the outbox adds its tables.
        crypter: Seals documents, details and files.
        folder: Where sealed files live.
    """

    def __init__(self, database: Database, crypter: Crypter, folder: Path) -> None:
        self.database = database
        self._crypter, self._folder = crypter, folder
        if database.is_embedded:  # opened before this room's tables were declared
            database.create_missing()

    # -- queueing -----------------------------------------------------------------------

    def stage_file(self, content: bytes) -> StagedFile:
        """Seal a file and make it durable. Call it before the transaction that queues it."""
        if len(content) > MAX_FILE_LEN:
            raise ConfigError(f"a file is larger than {MAX_FILE_LEN} bytes")
        blob_id = secrets.token_bytes(_ID_LEN)
        sealed = self._crypter.seal(content, "outbox_file", blob_id, "content")
        write_atomic(self._blob(blob_id), sealed, mode=PRIVATE_MODE)
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return StagedFile(blob_id, md5, hashlib.sha256(content).hexdigest(), len(content))

    def enqueue(
        self,
        connection: Connection,
        report_key: bytes,
        body: str,
        checked: CheckedReport,
        files: Sequence[StagedFile],
        now: int,
    ) -> bool:
        """Queue a report inside the caller's transaction. Returns False if it was there.

        Raises:
            DuplicateError: The same case was queued with another content.
            ConfigError: Files and their details differ in number.
        """
        check_length(report_key, REPORT_KEY_LEN, "report key")
        if len(files) != len(checked.files):
            raise ConfigError("a report's files and their details differ in number")
        document = to_xml(checked.report)
        details = [
            _pack_details(to_xml(one), staged)
            for one, staged in zip(checked.files, files, strict=True)
        ]
        report = tables.outbox_report.c
        row = connection.execute(
            select(report.sealed_document).where(
                and_(report.report_key == report_key, report.body == body)
            )
        ).first()
        if row is not None:
            known = self._raw_details(connection, report_key, body)
            same = self._open_document(row.sealed_document, report_key, body) == document
            if not same or known != details:
                raise DuplicateError("this case was queued for this body with another content")
            return False
        self._insert(connection, report_key, body, document, checked, now)
        for position, (staged, packed) in enumerate(zip(files, details, strict=True)):
            place = tables.place(report_key, body, position)
            connection.execute(
                tables.outbox_file.insert().values(
                    report_key=report_key,
                    body=body,
                    position=position,
                    state=FileState.WAITING.value,
                    blob_id=staged.blob_id,
                    sealed_details=self._crypter.seal(packed, "outbox_file", place, "details"),
                )
            )
        return True

    def add(
        self,
        report_key: bytes,
        body: str,
        checked: CheckedReport,
        contents: Sequence[bytes],
        now: int,
    ) -> bool:
        """Stage files and queue a report in a transaction of its own; see ``enqueue``."""
        files = [self.stage_file(content) for content in contents]
        with self.database.transaction() as connection:
            return self.enqueue(connection, report_key, body, checked, files, now)

    def _insert(
        self,
        connection: Connection,
        report_key: bytes,
        body: str,
        document: bytes,
        checked: CheckedReport,
        now: int,
    ) -> None:
        place = tables.place(report_key, body)
        connection.execute(
            tables.outbox_report.insert().values(
                report_key=report_key,
                body=body,
                state=State.QUEUED.value,
                queued_at=now,
                score=checked.completeness.score,
                sealed_document=self._crypter.seal(document, "outbox_report", place, "document"),
            )
        )

    # -- leases -------------------------------------------------------------------------

    def lease(
        self, now: int, lease_s: int, bodies: Sequence[str], pause_s: int = PAUSE_S
    ) -> Lease | None:
        """Lease the report due longest; None if none is. No pause is longer than ``pause_s``."""
        report = tables.outbox_report.c
        due = and_(
            report.state.not_in(_RESTING),
            report.body.in_(bodies),
            is_past(report.next_attempt_at, now, pause_s),
            is_past(report.lease_expires_at, now, lease_s),
        )
        query = (
            select(report.report_key, report.body)
            .where(due)
            .order_by(report.next_attempt_at, report.queued_at, report.report_key)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self.database.transaction() as connection:
            row = connection.execute(query).first()
            if row is None:
                return None
            lease = Lease(row.report_key, row.body, secrets.token_bytes(_ID_LEN))
            connection.execute(
                update(tables.outbox_report)
                .where(and_(report.report_key == lease.report_key, report.body == lease.body))
                .values(lease_token=lease.token, lease_expires_at=now + lease_s)
            )
            return lease

    def release(self, lease: Lease) -> None:
        """Give a lease back; another worker may go on at once."""
        with self.database.transaction() as connection:
            connection.execute(
                update(tables.outbox_report)
                .where(_held(lease))
                .values(lease_token=None, lease_expires_at=0)
            )

    def load(self, lease: Lease) -> Job:
        """Read a leased report. Raises ProtocolError if the lease is not ours any more."""
        report, file = tables.outbox_report, tables.outbox_file
        with self.database.transaction() as connection:
            row = connection.execute(select(report).where(_held(lease))).first()
            if row is None:
                raise ProtocolError("another worker has taken this report over")
            rows = connection.execute(
                select(file).where(_files_of(lease)).order_by(file.c.position)
            ).all()
        document = self._open_document(row.sealed_document, lease.report_key, lease.body)
        return Job(
            state=State(row.state),
            report_number=row.report_number,
            opened_at=row.opened_at,
            changed_at=row.changed_at,
            is_finish_sent=row.is_finish_sent,
            open_count=row.open_count,
            attempts=row.attempts,
            document=document,
            files=tuple(self._job_file(lease, one) for one in rows),
        )

    def read_content(self, file: JobFile) -> bytes:
        """Read a file's bytes. Raises StoreError if they were changed or are gone."""
        sealed = read_file(self._blob(file.blob_id), "a report's file")
        return self._crypter.open(sealed, "outbox_file", file.blob_id, "content")

    # -- progress -----------------------------------------------------------------------

    def advance(
        self,
        lease: Lease,
        now: int,
        lease_s: int,
        *,
        values: Mapping[str, Any] | None = None,
        file: tuple[int, Mapping[str, Any]] | None = None,
        reset_files: bool = False,
        receipt: tuple[Step, Answer, bool] | None = None,
    ) -> None:
        """Change a report, one of its files and its receipts in one transaction.

        Raises:
            ProtocolError: The lease is not ours any more; nothing was changed.
        """
        with self.database.transaction() as connection:
            changed = connection.execute(
                update(tables.outbox_report)
                .where(_held(lease))
                .values(lease_expires_at=now + lease_s, **(values or {}))
            )
            if changed.rowcount != 1:
                raise ProtocolError("another worker has taken this report over")
            table = tables.outbox_file
            if reset_files:
                fresh = {"state": FileState.WAITING.value, "file_id": None}
                connection.execute(update(table).where(_files_of(lease)).values(**fresh))
            if file is not None:
                position, file_values = file
                connection.execute(
                    update(table)
                    .where(and_(_files_of(lease), table.c.position == position))
                    .values(**file_values)
                )
            if receipt is not None:
                step, answer, is_effective = receipt
                connection.execute(
                    tables.outbox_receipt.insert().values(
                        report_key=lease.report_key,
                        body=lease.body,
                        step=step.value,
                        is_effective=is_effective,
                        code=answer.code,
                        request_id=answer.request_id,
                        report_number=answer.report_number,
                        file_id=answer.file_id,
                        file_ids=",".join(answer.file_ids or ()),
                        received_at=now,
                    )
                )

    def requeue(self, report_key: bytes, body: str) -> None:
        """Send a dead report again, once a person has removed the cause.

        Raises:
            ConfigError: There is no such dead report.
        """
        report = tables.outbox_report.c
        mine = and_(report.report_key == report_key, report.body == body)
        with self.database.transaction() as connection:
            row = connection.execute(select(tables.outbox_report).where(mine)).first()
            if row is None or row.state != State.DEAD.value:
                raise ConfigError("there is no such dead report")
            # What may have been finished is finished again, never opened beside.
            state = State.REPLACING if row.report_number is not None else State.QUEUED
            state = State.FINISHING if row.is_finish_sent else state
            connection.execute(
                update(tables.outbox_report)
                .where(mine)
                .values(state=state.value, attempts=0, next_attempt_at=0, reason="")
            )

    # -- inside -------------------------------------------------------------------------

    def _blob(self, blob_id: bytes) -> Path:
        return self._folder / f"{blob_id.hex()}.sealed"

    def _open_document(self, sealed: bytes, report_key: bytes, body: str) -> bytes:
        return self._crypter.open(
            sealed, "outbox_report", tables.place(report_key, body), "document"
        )

    def _raw_details(self, connection: Connection, key: bytes, body: str) -> list[bytes]:
        file = tables.outbox_file.c
        rows = connection.execute(
            select(file.position, file.sealed_details)
            .where(and_(file.report_key == key, file.body == body))
            .order_by(file.position)
        ).all()
        return [
            self._crypter.open(
                row.sealed_details, "outbox_file", tables.place(key, body, row.position), "details"
            )
            for row in rows
        ]

    def _job_file(self, lease: Lease, row: Any) -> JobFile:
        place = tables.place(lease.report_key, lease.body, row.position)
        packed = self._crypter.open(row.sealed_details, "outbox_file", place, "details")
        try:
            fields = Fields(parse_canonical_json(packed, "file record"), "file record")
            details, md5 = fields.hex("details", None), fields.hex("md5", 16).hex()
        except ValueError as exc:
            raise StoreError("a file record of the outbox is damaged") from exc
        return JobFile(row.position, FileState(row.state), row.file_id, row.blob_id, md5, details)


def _pack_details(details: bytes, staged: StagedFile) -> bytes:
    return to_canonical_json(
        {
            "details": details.hex(),
            "length": staged.length,
            "md5": staged.md5,
            "sha256": staged.sha256,
        }
    )


def _held(lease: Lease) -> Any:
    report = tables.outbox_report.c
    return and_(
        report.report_key == lease.report_key,
        report.body == lease.body,
        report.lease_token == lease.token,
    )


def _files_of(lease: Lease) -> Any:
    file = tables.outbox_file.c
    return and_(file.report_key == lease.report_key, file.body == lease.body)
