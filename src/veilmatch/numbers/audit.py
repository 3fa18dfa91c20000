"""Checks an export of a private log, without network and without the operator.

1. the export is well formed
2. the heads are signed by a trusted log key
3. the chain of records is whole
4. every head is a beginning of the chain, and the newest trusted one is in it
5. every case's events follow the table, and each is the entry it names
6. every other row is the entry it names, and every such entry has its row
7. no person decided on one case twice, and two agree where no lead decided
8. every reported case has exactly one effective finish receipt
9. nothing was destroyed before its term
10. the published numbers are those of the chain

The numbers stand again over the blocks below. The first check that fails ends the audit.

Spec: ``spec/65-review.md`` section 11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from veilmatch.errors import Error, ProofError, RollbackError, SignatureError
from veilmatch.numbers.counting import count_records
from veilmatch.numbers.export import Export, ExportedRow, parse_export
from veilmatch.numbers.period import parse_period
from veilmatch.numbers.report import PublicReport
from veilmatch.review.states import TRANSITIONS, CaseState
from veilmatch.transparency.audits.audit import AuditReport, CheckResult, Outcome
from veilmatch.transparency.checkpoint import Checkpoint, parse_base64, parse_checkpoint
from veilmatch.transparency.entries.canonical import Fields, JsonObject, parse_json
from veilmatch.transparency.key import VerifierKey
from veilmatch.transparency.note import SignedNote, parse_note, verify_note
from veilmatch.transparency.records.chain import ChainChecker
from veilmatch.transparency.records.record import Record

CHECKS = (
    "the export is well formed",
    "the heads are signed by a trusted log key",
    "the chain of records is whole",
    "every head is a beginning of the chain, and the newest trusted one is in it",
    "every case's events follow the table, and each is the entry it names",
    "every other row is the entry it names, and every such entry has its row",
    "no person decided on one case twice, and two agree where no lead decided",
    "every reported case has exactly one effective finish receipt",
    "nothing was destroyed before its term",
    "the published numbers are those of the chain",
)
_STEPS = frozenset((old.value, new.value) for old, new in TRANSITIONS)
_STATE_KINDS = frozenset(f"case.{state.value}" for state in CaseState)
_ONE_ROW_EACH = {
    "case.viewed": "case_view",
    "report.receipt": "case_receipt",
    "action.queued": "case_action",
    "appeal.received": "case_appeal",
    "case.preserved": "case_preservation",
    "numbers.published": "public_numbers",
}
_REPORT_KINDS = ("report.queued", "report.blocked")


@dataclass
class _Books:
    """What the checks hand on to each other."""

    export: Export
    keys: Sequence[VerifierKey]
    kept: Sequence[SignedNote]
    heads: list[Checkpoint] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def rows(self, table: str) -> list[ExportedRow]:
        """Give the rows of one table."""
        return [row for row in self.export.rows if row.table == table]


def audit_export(
    lines: Iterable[bytes], keys: Sequence[VerifierKey], kept: Sequence[SignedNote] = ()
) -> AuditReport:
    """Do all checks of an export. Run by an auditor.

    Args:
        lines: The export's lines.
        keys: The log's keys that the auditor trusts.
        kept: Heads that the auditor kept; without any, nobody can tell whether the newest
            entries were cut off, and check 4 says so.

    Returns:
        Every check and how it ended; what is wrong is told there, not raised.

    Source: spec/65-review.md section 11.
    """
    results: list[CheckResult] = []
    books: _Books | None = None
    failed = False
    for number, text in enumerate(CHECKS, start=1):
        if failed:
            results.append(CheckResult(number, text, Outcome.NOT_REACHED))
            continue
        try:
            if number == 1:
                books = _Books(parse_export(lines), keys, kept)  # 1.
            else:
                assert books is not None
                _STEPS_OF_AUDIT[number](books)
        except Error as exc:
            failed = True
            results.append(CheckResult(number, text, Outcome.FAILED, type(exc).__name__, str(exc)))
            continue
        if number == 4 and not kept:
            reason = "no head was kept elsewhere: the newest entries may have been cut off"
            results.append(CheckResult(number, text, Outcome.SKIPPED, "", reason))
            continue
        results.append(CheckResult(number, text, Outcome.OK))
    facts: JsonObject = {}
    if books is not None and not failed:
        facts = {"entries": len(books.records), "cases": len(books.export.cases)}
    return AuditReport(tuple(results), facts)


def _check_heads(books: _Books) -> None:
    # 2.
    if not books.export.heads:
        raise SignatureError("the export has no signed head")
    for note in (*books.export.heads, *books.kept):
        books.heads.append(parse_checkpoint(verify_note(note, books.keys).text))


def _check_chain(books: _Books) -> None:
    # 3.
    checker = ChainChecker()
    wanted = {head.size for head in books.heads}
    roots = {0: checker.chain().root}
    for data in books.export.records:
        books.records.append(checker.add(data))
        if checker.size in wanted:
            roots[checker.size] = checker.chain().root
    # 4. is looked at next, with these roots.
    books.heads = [head for head in books.heads if roots.get(head.size) != head.root]


def _check_beginnings(books: _Books) -> None:
    # 4.
    for head in books.heads:
        if head.size > len(books.records):
            raise RollbackError("a signed head is larger than the log: entries were cut off")
        raise ProofError(f"another tree of size {head.size} was signed")


def _entry(books: _Books, row: ExportedRow) -> Record:
    """Give the entry that a row names, if it is that."""
    if row.place >= len(books.records):
        raise ProofError(f"a row of {row.table} names an entry that is not there")
    record = books.records[row.place]
    said = (row.kind, row.subject, row.actor_tag)
    if said != (record.kind, record.subject, record.actor_tag):
        raise ProofError(f"a row of {row.table} is not entry {row.place}, which it names")
    for name, value in row.detail.items():
        if name not in record.detail or record.detail[name] != value:
            raise ProofError(f"a row of {row.table} differs from entry {row.place} in {name}")
    return record


def _require_each_once(rows: Sequence[ExportedRow], wanted: set[int], table: str) -> None:
    places = [row.place for row in rows]
    if len(set(places)) != len(places):
        raise ProofError(f"two rows of {table} name the same entry")
    for place in sorted(wanted - set(places)):
        raise ProofError(f"entry {place} has no row in {table}")


def _check_events(books: _Books) -> None:
    # 5.
    last: dict[bytes, tuple[str, int]] = {}
    events = books.rows("case_event")
    for row in sorted(events, key=lambda one: one.place):
        record = _entry(books, row)
        state, number = last.get(row.subject, (CaseState.NONE.value, -1))
        reached = record.kind.removeprefix("case.")
        if record.detail.get("from") != state or record.detail.get("number") != number + 1:
            raise ProofError(f"entry {row.place} does not follow its case's last event")
        if (state, reached) not in _STEPS:
            raise ProofError(f"entry {row.place} is a step that no case can take")
        last[row.subject] = (reached, number + 1)
    wanted = {one.index for one in books.records if one.kind in _STATE_KINDS}
    _require_each_once(events, wanted, "case_event")
    stand = {one.case_id: (one.state, one.number) for one in books.export.cases}
    if stand != last or len(stand) != len(books.export.cases):
        raise ProofError("a case stands elsewhere than its events lead")


def _check_rows(books: _Books) -> None:
    # 6.
    for kind, table in _ONE_ROW_EACH.items():
        rows = books.rows(table)
        for row in rows:
            _entry(books, row)
        _require_each_once(rows, {one.index for one in books.records if one.kind == kind}, table)
    decisions = books.rows("case_decision")
    for row in decisions:
        _entry(books, row)
    decided = {one.index for one in books.records if "round" in one.detail}
    _require_each_once(decisions, decided, "case_decision")
    reports = books.rows("case_report")
    for row in reports:
        _entry(books, row)
    newest = {one.subject: one.index for one in books.records if one.kind in _REPORT_KINDS}
    _require_each_once(reports, set(newest.values()), "case_report")
    known = {"case_event", "case_decision", "case_report", *_ONE_ROW_EACH.values()}
    if {row.table for row in books.export.rows} - known:
        raise ProofError("the export has a row of a table that nobody knows")


def _check_people(books: _Books) -> None:
    # 7.
    by_case: dict[bytes, dict[int, tuple[bytes, str]]] = {}
    for record in books.records:
        number = record.detail.get("round")
        if number is None:
            continue
        rounds = by_case.setdefault(record.subject, {})
        outcome = record.detail.get("outcome")
        if not isinstance(number, int) or not isinstance(outcome, str) or number in rounds:
            raise ProofError(f"entry {record.index} is a decision of no round")
        rounds[number] = (record.actor_tag, outcome)
        if len({tag for tag, _ in rounds.values()}) != len(rounds):
            raise ProofError(f"entry {record.index}: one person decided on a case twice")
    wanted = {"case.confirmed": "confirm", "case.rejected": "reject"}
    for record in books.records:
        if record.kind not in wanted or "round" in record.detail:
            continue
        rounds = by_case.get(record.subject, {})
        said = {rounds[number][1] for number in (1, 2) if number in rounds}
        if set(rounds) - {4} != {1, 2} or said != {wanted[record.kind]}:
            raise ProofError(f"entry {record.index}: two people did not agree on that")


def _check_receipts(books: _Books) -> None:
    # 8.
    finishes: dict[bytes, list[int]] = {}
    for record in books.records:
        if record.kind != "report.receipt":
            continue
        if record.detail.get("step") == "finish" and record.detail.get("effective") is True:
            finishes.setdefault(record.subject, []).append(record.index)
    for record in books.records:
        if record.kind == "case.reported":
            found = finishes.pop(record.subject, [])
            if found != [record.detail.get("receipt")]:
                raise ProofError(f"entry {record.index} has not exactly one finish receipt")
    for places in finishes.values():
        if len(places) != 1:
            raise ProofError(f"entry {places[-1]} is a second finish receipt")


def _check_terms(books: _Books) -> None:
    # 9.
    until: dict[bytes, int] = {}
    held: set[bytes] = set()
    for record in books.records:
        if record.kind == "case.preserved":
            ends_at = record.detail.get("until")
            if not isinstance(ends_at, int):
                raise ProofError(f"entry {record.index} names no term")
            until[record.subject] = ends_at
        elif record.kind == "case.hold":
            change = held.add if record.detail.get("held") is True else held.discard
            change(record.subject)
        elif record.kind == "case.destroyed":
            early = record.at < until.get(record.subject, 0)
            if early or record.subject in held:
                raise ProofError(f"entry {record.index} destroyed what was to be kept")


def _check_numbers(books: _Books) -> None:
    # 10.
    for data in books.export.reports:
        said = parse_json(data, "report")
        fields = Fields(said, "report")
        period = parse_period(fields.text("period"))
        note = parse_note(parse_base64(str(fields.take("head")).encode(), "head"))
        head = parse_checkpoint(verify_note(note, books.keys).text)
        if head.size > len(books.records):
            raise RollbackError("published numbers are of a larger log")
        counted = count_records(books.records[: head.size], period)
        if PublicReport(counted, note).to_json() != said:
            raise ProofError(f"the published numbers of {period.name} are not those of the log")


_STEPS_OF_AUDIT: dict[int, Callable[[_Books], None]] = {
    2: _check_heads,
    3: _check_chain,
    4: _check_beginnings,
    5: _check_events,
    6: _check_rows,
    7: _check_people,
    8: _check_receipts,
    9: _check_terms,
    10: _check_numbers,
}
