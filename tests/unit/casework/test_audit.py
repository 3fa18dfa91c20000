"""Tampering with any event, decision, receipt or number is found, in every table and every kind."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text, update

from tests.unit.casework.following import Office
from tests.unit.casework.house import ALICE, BOB, LEAD, House, opened
from veilmatch.casework.measures.export import read_export
from veilmatch.casework.measures.publishing import publish_numbers
from veilmatch.casework.tables import public_numbers
from veilmatch.errors import ProofError, RollbackError
from veilmatch.numbers.audit import CHECKS, audit_export
from veilmatch.numbers.period import parse_period
from veilmatch.numbers.report import verify_report
from veilmatch.privatelog.log import LogEntry, PrivateLog
from veilmatch.privatelog.tables import private_entry, private_tip
from veilmatch.review.decision import AppealOutcome, Outcome
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.transparency.audits.audit import AuditReport
from veilmatch.transparency.audits.audit import Outcome as CheckOutcome
from veilmatch.transparency.key import SignatureType, derive_signer
from veilmatch.transparency.note import SignedNote

SIGNER = derive_signer("op.example/private", SignatureType.ED25519, b"s" * 32)
PERIOD = "2027"


class Story:
    """A store in which everything has happened once."""

    def __init__(self, folder: Path, crypter: Crypter) -> None:
        self.path = folder / "store.sqlite"
        self.database = Database(self.path)
        self.house = House(self.database, crypter)
        self.office = Office(self.house, folder)

    def happen(self) -> None:
        office, house = self.office, self.house
        appealed = office.reported(b"a" * 16)
        office.appeals.receive_from_platform(appealed, b"a" * 16, "please look again")
        office.decide_appeal(appealed, AppealOutcome.REINSTATE)
        rejected = house.open_case(opened(5))
        house.decide(ALICE, rejected, Outcome.REJECT)
        house.decide(BOB, rejected, Outcome.REJECT)
        disputed = house.open_case(opened(6), account=b"d" * 16)
        house.decide(ALICE, disputed)
        house.decide(BOB, disputed, Outcome.REJECT)
        house.decide(LEAD, disputed)
        house.open_case(opened(7))
        office.send()
        office.deliver()
        office.advance()
        house.store.queue_for_operator(b"x" * 16, "second hash", house.now)
        publish_numbers(house.desk, SIGNER, parse_period(PERIOD))
        house.now += 400 * 86_400
        office.advance()
        office.keeping.destroy_due()
        house.decide(ALICE, house.open_case(opened(8)))
        self.sign()

    def sign(self) -> SignedNote:
        desk = self.house.desk
        return PrivateLog(self.database, desk.crypter, desk.clock, SIGNER).sign_head()

    def audit(self, *kept: SignedNote) -> AuditReport:
        return audit_export(read_export(self.house.desk).to_lines(), [SIGNER.key], kept)

    def execute(self, statement: str, *values: object) -> None:
        """Change the file as somebody with all rights to the machine would."""
        with sqlite3.connect(self.path) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("PRAGMA ignore_check_constraints = ON")
            done = connection.execute(statement, values)
            assert done.rowcount != 0, statement


@pytest.fixture(scope="module")
def crypter_of_module() -> Crypter:
    return Crypter([SecretBytes.generate()])


@pytest.fixture(scope="module")
def kept_story(
    tmp_path_factory: pytest.TempPathFactory, crypter_of_module: Crypter
) -> tuple[bytes, SignedNote]:
    """The story's file, told once, and a head that was kept elsewhere."""
    story = Story(tmp_path_factory.mktemp("story"), crypter_of_module)
    story.happen()
    kept = story.sign()
    story.database.close()
    with sqlite3.connect(story.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return story.path.read_bytes(), kept


@pytest.fixture
def story(
    tmp_path: Path, kept_story: tuple[bytes, SignedNote], crypter_of_module: Crypter
) -> Story:
    """A copy of the story to tamper with."""
    (tmp_path / "store.sqlite").write_bytes(kept_story[0])
    return Story(tmp_path, crypter_of_module)


def _failed(report: AuditReport) -> list[int]:
    return [one.number for one in report.results if one.outcome is CheckOutcome.FAILED]


def test_what_happened_passes_every_check(
    story: Story, kept_story: tuple[bytes, SignedNote]
) -> None:
    report = story.audit(kept_story[1])
    assert [one.outcome for one in report.results] == [CheckOutcome.OK] * len(CHECKS)
    kinds = {one.record.kind for one in story.house.desk.log.read()}
    assert len(kinds) >= 22, sorted(kinds)
    without = story.audit()
    assert [one.number for one in without.results if one.outcome is CheckOutcome.SKIPPED] == [4]
    assert without.exit_code == 0


COLUMNS = {
    "case_event": ("case_id", "number", "from_state", "to_state", "at", "actor", "log_place"),
    "case_view": ("case_id", "number", "reviewer", "part", "at", "log_place"),
    "case_decision": (
        "case_id",
        "round",
        "reviewer",
        "outcome",
        "reason",
        "claimed_at",
        "decided_at",
        "judgement_body",
        "log_place",
    ),
    "case_report": ("case_id", "body", "state", "log_place"),
    "outbox_receipt": (
        "report_key",
        "body",
        "step",
        "is_effective",
        "code",
        "request_id",
        "report_number",
        "file_id",
        "received_at",
    ),
    "case_receipt": ("receipt_id", "log_place"),
    "case_action": ("message_id", "case_id", "kind", "log_place"),
    "case_appeal": ("case_id", "channel", "received_at", "log_place"),
    "case_preservation": ("case_id", "from_at", "until_at", "manifest_digest", "log_place"),
    "review_case": ("case_id", "state", "event_number"),
    "public_numbers": ("period", "report", "log_place"),
}


def _other(value: object) -> object:
    """Another value of the same type, that the export can still write."""
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:] if value else b"x"
    if isinstance(value, str):
        known = {"blocked": "queued", "queued": "blocked", "finished": "blocked"}
        return known.get(value, value + "x")
    if isinstance(value, int):
        return value + 50
    return 1


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table, names in COLUMNS.items() for column in names]
)
def test_a_changed_column_is_found(story: Story, table: str, column: str) -> None:
    with story.database.transaction() as connection:
        query = text(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL")
        row = connection.execute(query).first()
    assert row is not None
    value = _other(row[1])
    if column == "is_effective":
        value = not row[1]
    if column in ("log_place", "receipt_id"):
        value = 10_000  # a place that is not there
    story.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", value, row[0])
    assert _failed(story.audit())


@pytest.mark.parametrize("table", [*COLUMNS])
def test_a_removed_row_is_found(story: Story, table: str) -> None:
    if table == "outbox_receipt":
        story.execute("DELETE FROM outbox_receipt WHERE step = 'finish'")
    else:
        story.execute(f"DELETE FROM {table} WHERE rowid = (SELECT max(rowid) FROM {table})")
    assert _failed(story.audit())


@pytest.mark.parametrize("table", ["case_view", "case_action", "case_receipt"])
def test_an_added_row_is_found(story: Story, table: str) -> None:
    with sqlite3.connect(story.path) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    key = {"case_view": "view_id", "case_action": "message_id", "case_receipt": "receipt_id"}[table]
    # The same again, as the entry in front of it.
    chosen = {key: "4242" if key != "message_id" else "x'00'", "log_place": "log_place - 1"}
    values = ", ".join(chosen.get(name, name) for name in names)
    story.execute(f"INSERT INTO {table} SELECT {values} FROM {table} ORDER BY log_place LIMIT 1")
    if table == "case_receipt":
        story.execute("UPDATE outbox_receipt SET receipt_id = 4242 WHERE receipt_id = 2")
    assert _failed(story.audit())


def _kinds(path: bytes, folder: Path, crypter: Crypter) -> list[str]:
    (folder / "store.sqlite").write_bytes(path)
    story = Story(folder, crypter)
    return sorted({one.record.kind for one in story.house.desk.log.read()})


def test_each_kind_of_entry_changed_is_found(
    kept_story: tuple[bytes, SignedNote], tmp_path: Path, crypter_of_module: Crypter
) -> None:
    for number, kind in enumerate(_kinds(kept_story[0], tmp_path, crypter_of_module)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "store.sqlite").write_bytes(kept_story[0])
        story = Story(folder, crypter_of_module)
        with story.database.transaction() as connection:
            row = connection.execute(
                select(private_entry).where(private_entry.c.kind == kind)
            ).first()
            assert row is not None
            data = row.record.replace(b'"detail":{', b'"detail":{"aaa":1,', 1)
            data = data.replace(b'"aaa":1,}', b'"aaa":1}')
            connection.execute(
                update(private_entry).where(private_entry.c.place == row.place).values(record=data)
            )
        assert _failed(story.audit()) == [3], kind
        with pytest.raises(ProofError):
            story.house.desk.log.verify()
        story.database.close()


def _rewrite(story: Story, change: Callable[[list[LogEntry]], None]) -> None:
    """Write the whole log anew, as somebody with the database and the code would."""
    old = story.house.desk.log.read()
    entries = [
        LogEntry(one.record.kind, one.actor, one.record.subject, one.record.detail) for one in old
    ]
    change(entries)
    with story.database.transaction() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.execute(delete(private_entry))
        connection.execute(delete(private_tip))
        for one, entry in zip(old, entries, strict=False):
            at = one.record.at
            PrivateLog(story.database, story.house.crypter, lambda at=at: at).append(  # type: ignore[misc]
                connection, entry
            )


def test_a_log_written_anew_is_found_by_its_heads(story: Story) -> None:
    def change(entries: list[LogEntry]) -> None:
        place = next(k for k, one in enumerate(entries) if one.kind == "opening.refused")
        entries[place] = replace(entries[place], detail={"reason": "overload"})

    _rewrite(story, change)
    assert story.house.desk.log.read()
    assert _failed(story.audit()) == [4]


def test_a_log_written_anew_without_its_heads_is_found_by_a_kept_one(
    story: Story, kept_story: tuple[bytes, SignedNote]
) -> None:
    _rewrite(story, lambda entries: entries.reverse())
    story.execute("DELETE FROM private_head")
    story.execute("DELETE FROM public_numbers")
    assert _failed(story.audit()) == [2]  # nothing signed
    story.sign()
    assert _failed(story.audit(kept_story[1])) == [4]


def test_newest_entries_cut_off_are_found_by_a_kept_head(
    story: Story, kept_story: tuple[bytes, SignedNote]
) -> None:
    with story.database.transaction() as connection:
        size = connection.execute(select(private_tip.c.size)).scalar_one()
    for statement in (
        f"DELETE FROM private_entry WHERE place = {size - 1}",
        "DELETE FROM case_event WHERE rowid = (SELECT max(rowid) FROM case_event)",
        f"DELETE FROM private_head WHERE size = {size}",
    ):
        story.execute(statement)
    assert 4 in _failed(story.audit(kept_story[1]))


def test_a_published_number_can_be_verified_by_anyone(story: Story) -> None:
    story.house.now -= 400 * 86_400
    published = publish_numbers(story.house.desk, SIGNER, parse_period(PERIOD))
    verified = verify_report(published.report.to_bytes(), published.proofs, [SIGNER.key])
    counts = verified.counts
    assert (counts["opened"], counts["confirmed"], counts["rejected"]) == (4, 2, 1)
    assert (counts["reported"], counts["appealed"], counts["reinstated"]) == (2, 1, 1)
    assert counts["refused_by_hash"] == 1
    assert counts["reported.list.north"] == counts["reported.jurisdiction.us"] == 2


def test_a_false_report_is_found(story: Story) -> None:
    with story.database.transaction() as connection:
        row = connection.execute(select(public_numbers)).one()
        data = row.report.replace(b'"reported":2', b'"reported":3')
        assert data != row.report
        connection.execute(update(public_numbers).values(report=data))
    assert _failed(story.audit()) == [6]


def test_numbers_are_not_published_of_a_broken_log(story: Story) -> None:
    story.execute("UPDATE private_entry SET kind = 'case.closed' WHERE place = 3")
    with pytest.raises((ProofError, RollbackError)):
        publish_numbers(story.house.desk, SIGNER, parse_period(PERIOD))


@pytest.mark.parametrize(
    "line", [b"", b"{}", b'{"format":"veilmatch-private-log-v1"}\n{}', b"\xff", b"[]"]
)
def test_anything_else_fails_the_first_check(line: bytes) -> None:
    report = audit_export(line.split(b"\n"), [SIGNER.key])
    assert _failed(report) == [1]
    assert report.exit_code == 1
