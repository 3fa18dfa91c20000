"""The report of a period, and its proofs: whoever holds both recomputes every number.

Shares are written in millionths, so that the report has one spelling.
Spec: ``spec/65-review.md`` section 10.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError, ProofError
from veilmatch.numbers.counting import Numbers, Rate, count_records
from veilmatch.numbers.period import parse_period
from veilmatch.transparency.checkpoint import Checkpoint, parse_base64, parse_checkpoint
from veilmatch.transparency.entries.canonical import (
    Fields,
    Json,
    JsonObject,
    build_json,
    parse_json,
)
from veilmatch.transparency.entries.entry import EntryKind, Statement, Subject
from veilmatch.transparency.key import VerifierKey
from veilmatch.transparency.note import SignedNote, parse_note, verify_note
from veilmatch.transparency.records.record import Record, hash_record, parse_record
from veilmatch.transparency.tree import (
    ReadSubtree,
    build_inclusion_proof,
    build_subtree_reader,
    hash_leaf,
    verify_inclusion,
)

REPORT_FORMAT = "veilmatch-numbers-v1"
PROOFS_FORMAT = "veilmatch-number-proofs-v1"
_MILLION = 1_000_000


@dataclass(frozen=True)
class PublicReport:
    """A report as it is published.

    Attributes:
        numbers: The counts and rates.
        head: The signed head of the private log that they are proven against.
    """

    numbers: Numbers
    head: SignedNote = field(repr=False)

    def to_json(self) -> JsonObject:
        """Return the JSON object."""
        period = self.numbers.period
        counts: dict[str, Json] = dict(self.numbers.counts)
        entries: dict[str, Json] = {
            name: list(places) for name, places in self.numbers.entries.items()
        }
        return {
            "counts": counts,
            "entries": entries,
            "format": REPORT_FORMAT,
            "from_at": period.from_at,
            "head": base64.b64encode(self.head.to_bytes()).decode(),
            "period": period.name,
            "rates": [_rate_json(rate) for rate in self.numbers.rates],
            "until_at": period.until_at,
        }

    def to_bytes(self) -> bytes:
        """Write the report in its one spelling."""
        return build_json(self.to_json())

    def to_statement(self) -> Statement:
        """Make the public log's statement about it: its digest and its whole numbers.

        Source: spec/65-review.md rule N-5.
        """
        period, data = self.numbers.period, self.to_bytes()
        subject = Subject(f"numbers {period.name}", hashlib.sha256(data).digest())
        counts: dict[str, Json] = dict(self.numbers.counts)
        predicate: JsonObject = {
            "from_at": period.from_at,
            "until_at": period.until_at,
            "counts": counts,
        }
        return Statement(EntryKind.QUARTERLY_REPORT, (subject,), predicate)


def _rate_json(rate: Rate) -> Json:
    return {
        "high_ppm": round(rate.high * _MILLION),
        "low_ppm": round(rate.low * _MILLION),
        "name": rate.name,
        "successes": rate.successes,
        "trials": rate.trials,
    }


def build_proofs(numbers: Numbers, records: Mapping[int, bytes], entries: Sequence[bytes]) -> bytes:
    """Build the proofs of a report: each counted record, with its inclusion proof.

    Args:
        numbers: What is to be proven.
        records: Bytes of at least the counted records and helpers, by place.
        entries: All entries under the head, ``bytes (32,)`` each, in order.
    """
    size = len(entries)
    read = _remember(build_subtree_reader([hash_leaf(entry) for entry in entries]))
    needed = {place for places in numbers.entries.values() for place in places}
    proven: list[Json] = []
    for place in sorted(_with_context(needed | set(numbers.helpers), records, numbers)):
        proof = build_inclusion_proof(place, size, read)
        hashes: list[Json] = [base64.b64encode(one).decode() for one in proof]
        data = base64.b64encode(records[place]).decode()
        proven.append({"index": place, "proof": hashes, "record": data})
    return build_json({"format": PROOFS_FORMAT, "proven": proven})


def _remember(read: ReadSubtree) -> ReadSubtree:
    """Read each subtree once; many proofs share most of theirs."""
    known: dict[tuple[int, int], bytes] = {}

    def read_once(first: int, end: int) -> bytes:
        found = known.get((first, end))
        if found is None:
            found = known[first, end] = read(first, end)
        return found

    return read_once


def _with_context(needed: set[int], records: Mapping[int, bytes], numbers: Numbers) -> set[int]:
    """Add the first decisions that second ones are compared with."""
    judged = set(numbers.entries.get("second_decisions", ()))
    subjects = {parse_record(records[place]).subject for place in judged}
    if not subjects:
        return needed
    found = set(needed)
    for place, data in records.items():
        if b'"case.first_decided"' in data and parse_record(data).subject in subjects:
            found.add(place)
    return found


@dataclass(frozen=True)
class VerifiedReport:
    """A report whose numbers were recomputed from proven records.

    Attributes:
        period: Which.
        counts: Every number.
        head: The head of the log.
    """

    period: str
    counts: dict[str, int]
    head: Checkpoint


def verify_report(report: bytes, proofs: bytes, keys: Sequence[VerifierKey]) -> VerifiedReport:
    """Verify a report by its proofs.

    1. The head is signed by a known key.
    2. Every proven record is in the log at its place, and proven once.
    3. The numbers, counted from these records alone, are those of the report, entry by entry,
       and so are the rates with their intervals.

    Raises:
        EncodingError: One of the files is malformed.
        SignatureError: No known key signed the head.
        ProofError: A record is not in the log, or a number is another one.

    Not checked: that nothing was left out. That shows only to who walks the whole log.

    Source: spec/65-review.md rule N-4.
    """
    said = parse_json(report, "report")
    fields = Fields(said, "report")
    if fields.text("format") != REPORT_FORMAT:
        raise EncodingError("not a report of numbers", field="format")
    period = parse_period(fields.text("period"))
    note = parse_note(
        parse_base64(fields.text("head", r"[A-Za-z0-9+/=]{1,20000}").encode(), "head")
    )
    # 1.
    head = parse_checkpoint(verify_note(note, keys).text)
    # 2.
    records = list(_proven(proofs, head))
    # 3.
    again = PublicReport(count_records(records, period), note)
    if again.to_json() != said:
        raise ProofError("a number is another one than its proven entries give")
    return VerifiedReport(period.name, again.numbers.counts, head)


def _proven(proofs: bytes, head: Checkpoint) -> list[Record]:
    fields = Fields(parse_json(proofs, "proofs"), "proofs")
    if fields.text("format") != PROOFS_FORMAT:
        raise EncodingError("not proofs of numbers", field="format")
    records: list[Record] = []
    for item in fields.items("proven"):
        one = Fields(item, "proof")
        index = one.count("index")
        data = parse_base64(_ascii(one, "record"), "record")
        path = [parse_base64(str(value).encode(), "proof") for value in one.items("proof", 64)]
        one.finish()
        if records and index <= records[-1].index:
            raise ProofError("an entry is proven twice, or out of order")
        verify_inclusion(hash_leaf(hash_record(data)), index, head.size, path, head.root)
        record = parse_record(data)
        if record.index != index:
            raise ProofError(f"entry {index} says that it stands elsewhere")
        records.append(record)
    fields.finish()
    return records


def _ascii(fields: Fields, name: str) -> bytes:
    value = fields.take(name)
    if not isinstance(value, str) or not value.isascii():
        raise fields.refuse(name)
    return value.encode()
