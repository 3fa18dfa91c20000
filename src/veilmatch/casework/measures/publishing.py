"""Makes the public report of a period from the private log, and remembers that it was made.

Spec: ``spec/65-review.md`` section 10.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from sqlalchemy import select

from veilmatch.casework.history import NOBODY, Desk
from veilmatch.casework.tables import public_numbers
from veilmatch.numbers.counting import count_records
from veilmatch.numbers.period import Period
from veilmatch.numbers.report import PublicReport, build_proofs
from veilmatch.privatelog.log import LogEntry, PrivateLog
from veilmatch.privatelog.tables import private_entry
from veilmatch.transparency.checkpoint import parse_checkpoint
from veilmatch.transparency.entries.canonical import JsonObject
from veilmatch.transparency.entries.entry import EntryKind, Statement, Subject
from veilmatch.transparency.key import NoteSigner
from veilmatch.transparency.records.record import hash_record, parse_record


@dataclass(frozen=True)
class Published:
    """A report with its proofs."""

    report: PublicReport
    proofs: bytes = field(repr=False)


def publish_numbers(desk: Desk, signer: NoteSigner, period: Period) -> Published:
    """Verify the log, sign its head, count the period under it, and note it in the log.

    Args:
        desk: Where the cases are.
        signer: The operator's log key.
        period: Which.

    Raises:
        ProofError: The log is not whole, or an entry does not say what it must.
        RollbackError: The log is shorter than a head that was signed.

    Source: spec/65-review.md rules N-1 to N-5.
    """
    log = PrivateLog(desk.database, desk.crypter, desk.clock, signer)
    note = log.sign_head()
    size = parse_checkpoint(note.text).size
    with desk.database.transaction() as connection:
        place = private_entry.c.place
        query = select(private_entry.c.record).where(place < size).order_by(place)
        data = list(connection.execute(query).scalars())
    numbers = count_records((parse_record(one) for one in data), period)
    report = PublicReport(numbers, note)
    proofs = build_proofs(numbers, dict(enumerate(data)), [hash_record(one) for one in data])
    packed = report.to_bytes()
    detail: JsonObject = {"period": period.name, "report": hash_record(packed).hex()}
    with desk.database.transaction() as connection:
        entry = log.append(connection, LogEntry("numbers.published", NOBODY, b"", detail))
        connection.execute(
            public_numbers.insert().values(
                log_place=entry,
                period=period.name,
                report=packed,
                published_at=desk.clock(),
            )
        )
    return Published(report, proofs)


def head_name(size: int) -> str:
    """Name the file of a head's statement: one for each size of the log."""
    return f"head-{size:012}.json"


def state_head(log: PrivateLog) -> tuple[Statement, int]:
    """Sign the private log's head. Returns the statement for the public log, and the log's size."""
    note = log.sign_head()
    signed = parse_checkpoint(note.text)
    subject = Subject("private log head", hashlib.sha256(note.to_bytes()).digest())
    predicate: JsonObject = {
        "origin": signed.origin,
        "size": signed.size,
        "root": signed.root.hex(),
    }
    return Statement(EntryKind.PRIVATE_HEAD, (subject,), predicate), signed.size
