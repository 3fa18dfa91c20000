"""The outbox keeps what it was given, sealed, and in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from tests.unit.report.examples import CONTEXT, fit_draft
from tests.unit.reporting.house import CONTENTS, KEY, House
from veilmatch.errors import ConfigError, DuplicateError, LengthError, StoreError
from veilmatch.report.check import check_report
from veilmatch.reporting import tables
from veilmatch.reporting.reconcile import Discrepancy, list_reports, reconcile
from veilmatch.reporting.tables import State
from veilmatch.reporting.transport import NAME


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.database.close()


def test_a_report_is_queued_with_the_decision_or_not_at_all(house: House) -> None:
    checked = check_report(fit_draft("n", 2), CONTEXT)
    files = [house.outbox.stage_file(content) for content in CONTENTS]

    class DecisionError(Exception):
        pass

    def decide() -> None:
        with house.database.transaction() as connection:
            house.outbox.enqueue(connection, KEY, NAME, checked, files, 1)
            raise DecisionError

    with pytest.raises(DecisionError):
        decide()
    assert list_reports(house.database) == []
    with house.database.transaction() as connection:
        assert house.outbox.enqueue(connection, KEY, NAME, checked, files, 1)
    assert [line.state for line in list_reports(house.database)] == [State.QUEUED]


def test_another_content_for_the_same_case_is_refused(house: House) -> None:
    house.queue()
    with pytest.raises(DuplicateError):
        house.queue(contents=(CONTENTS[0], b"another"))
    changed = check_report(fit_draft("another note", 2), CONTEXT)
    with pytest.raises(DuplicateError):
        house.outbox.add(KEY, NAME, changed, CONTENTS, 1)
    assert len(list_reports(house.database)) == 1


def test_files_and_details_must_belong_together(house: House) -> None:
    checked = check_report(fit_draft("n", 2), CONTEXT)
    with pytest.raises(ConfigError):
        house.outbox.add(KEY, NAME, checked, CONTENTS[:1], 1)
    with pytest.raises(LengthError):
        house.outbox.add(b"short", NAME, checked, CONTENTS, 1)


def test_nothing_private_stands_on_the_disk(house: House, tmp_path: Path) -> None:
    house.queue()
    house.worker().run_due()
    house.database.close()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for private in (b"acct-000123", b"192.0.2.7", b"u@example.test", *CONTENTS, b"IMG_0001"):
        assert private not in written
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "files").iterdir())


def test_a_changed_file_or_document_does_not_open(house: House, tmp_path: Path) -> None:
    house.queue()
    lease = house.outbox.lease(house.clock(), 1, [NAME])
    assert lease is not None
    first, second = house.outbox.load(lease).files
    path = {file.blob_id: tmp_path / "files" / f"{file.blob_id.hex()}.sealed" for file in
            (first, second)}  # fmt: skip
    assert house.outbox.read_content(first) == CONTENTS[0]
    path[first.blob_id].write_bytes(path[second.blob_id].read_bytes())
    with pytest.raises(StoreError):
        house.outbox.read_content(first)


def test_printed_forms_say_nothing(house: House) -> None:
    house.queue()
    lease = house.outbox.lease(house.clock(), 1, [NAME])
    assert lease is not None
    job = house.outbox.load(lease)
    for one in (job, job.files[0], house.outbox.stage_file(b"x")):
        assert repr(one).startswith("<")
    assert KEY.hex() not in repr(lease)


def test_the_database_refuses_a_second_finish_and_an_impossible_state(house: House) -> None:
    house.queue()
    house.worker().run_due()
    row = {
        "report_key": KEY,
        "body": NAME,
        "step": "finish",
        "is_effective": True,
        "code": 0,
        "request_id": "r",
        "received_at": 1,
    }
    with pytest.raises(StoreError) as caught, house.database.transaction() as connection:
        connection.execute(insert(tables.outbox_receipt).values(row))
    assert isinstance(caught.value.__cause__, IntegrityError)
    for values in ({"state": "imagined"}, {"report_number": None}):
        with pytest.raises(StoreError), house.database.transaction() as connection:
            connection.execute(tables.outbox_report.update().values(values))


def test_reconciliation_names_every_kind_of_discrepancy(house: House) -> None:
    missing, extra = b"a" * 16, b"b" * 16
    house.queue(extra)
    house.queue()
    house.worker().run_due()
    found = reconcile(house.database, NAME, {KEY, missing})
    assert found.discrepancies == (
        Discrepancy(missing, "not-queued"),
        Discrepancy(extra, "not-confirmed"),
    )
    receipt = tables.outbox_receipt
    mine = receipt.c.report_key == KEY
    with house.database.transaction() as connection:
        connection.execute(receipt.update().where(mine & (receipt.c.step == "finish")).values(
            file_ids="x,y"))  # fmt: skip
    assert _words(house) == ["receipt-differs"]
    with house.database.transaction() as connection:
        connection.execute(receipt.delete().where(mine & (receipt.c.step == "finish")))
    assert _words(house) == ["no-receipt"]
    assert not house.reconcile().agrees


def _words(house: House) -> list[str]:
    found = reconcile(house.database, NAME, {KEY, b"b" * 16})
    return [one.word for one in found.discrepancies]


def test_a_receipt_of_a_report_that_is_not_finished_is_found(house: House) -> None:
    house.queue()
    house.worker().run_due()
    with house.database.transaction() as connection:
        connection.execute(tables.outbox_report.update().values(state="queued"))
    assert _words(house)[-1] == "receipt-without-report"


def test_a_missing_file_receipt_is_found(house: House) -> None:
    house.queue()
    house.worker().run_due()
    receipt = tables.outbox_receipt
    with house.database.transaction() as connection:
        connection.execute(receipt.delete().where(receipt.c.step == "file"))
    assert "receipt-differs" in [one.word for one in house.reconcile().discrepancies]


def test_the_same_case_may_go_to_two_bodies(house: House) -> None:
    house.queue()
    checked = check_report(replace(fit_draft("n", 2)), CONTEXT)
    assert house.outbox.add(KEY, "package", checked, CONTENTS, 1)
    assert {line.body for line in list_reports(house.database)} == {NAME, "package"}
