"""What was reported is kept for one year, and destroyed with proof."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from sqlalchemy import select, update

from tests.unit.casework.following import Office
from tests.unit.casework.house import ALICE, BOB, LEAD, REPORTER, House, jpeg
from veilmatch.casework.after.preservation import sweep_files
from veilmatch.casework.after.progress import ProgressSummary, advance_cases
from veilmatch.casework.tables import case_decision, case_preservation, review_case
from veilmatch.errors import ConfigError, PolicyError, StoreError
from veilmatch.review.decision import Outcome
from veilmatch.review.preservation import one_year_after
from veilmatch.review.states import CaseState
from veilmatch.store import schema

YEAR_S = 365 * 86_400


@pytest.fixture
def office(house: House, tmp_path: Path) -> Office:
    return Office(house, tmp_path)


def _closed(office: Office) -> bytes:
    case_id = office.reported()
    office.house.now += office.house.policy.appeal_s
    assert office.advance().closed == 1
    return case_id


def test_the_term_begins_with_the_receipt(office: Office) -> None:
    case_id = office.reported()
    (kept,) = office.keeping.list_kept()
    assert kept.case_id == case_id
    assert kept.preservation.until_at == one_year_after(kept.preservation.from_at)
    manifest = office.keeping.read_manifest(REPORTER, case_id)
    wanted = {hashlib.sha256(jpeg(number)).hexdigest() for number in (1, 2)}
    assert set(manifest.values()) == wanted
    assert office.house.desk.log.read(subject=case_id)[-1].record.kind == "case.kept_read"
    for who in (ALICE, BOB):
        with pytest.raises(PolicyError):
            office.keeping.read_manifest(who, case_id)


def test_nothing_is_destroyed_before_its_time(office: Office) -> None:
    case_id = office.reported()
    with pytest.raises(PolicyError, match="closed"):
        office.keeping.destroy(b"", case_id)
    office.house.now += office.house.policy.appeal_s
    office.advance()
    (kept,) = office.keeping.list_kept()
    office.house.now = kept.preservation.until_at - 1
    with pytest.raises(PolicyError, match="one year"):
        office.keeping.destroy(b"", case_id)
    assert office.keeping.destroy_due() == 0
    office.house.now += 1
    assert office.keeping.destroy_due() == 1
    assert office.state(case_id) is CaseState.DESTROYED


def test_a_clock_that_jumped_closes_and_destroys_nothing(office: Office) -> None:
    """Neither the time to object nor a term is over because a clock says so."""
    closed, acted = _closed(office), office.reported(b"b" * 16)
    stray = office.folder / f"{bytes(16).hex()}.sealed"
    stray.write_bytes(b"of a decision that is being written")

    def advance(*, is_clock_right: bool = False) -> ProgressSummary:
        desk = office.house.desk
        return advance_cases(desk, office.folder, destroys=True, is_clock_right=is_clock_right)

    office.house.now = int(time.time())
    assert not advance().is_held
    office.house.now += 3 * YEAR_S
    for _ in range(2):
        done = advance()
        assert done.is_held
        assert (done.closed, done.destroyed, done.swept) == (0, 0, 0)
    office.house.now -= 3 * YEAR_S
    assert not advance().is_held, "set right again"
    assert office.state(closed) is CaseState.CLOSED
    assert office.state(acted) is CaseState.ACTED
    assert stray.exists()
    office.house.now += 3 * YEAR_S
    done = advance(is_clock_right=True)
    assert not done.is_held
    assert (done.closed, done.destroyed, done.swept) == (1, 2, 1)


def test_a_hold_keeps_it_on(office: Office) -> None:
    case_id = _closed(office)
    office.house.now += 2 * YEAR_S
    office.keeping.set_hold(LEAD, case_id, True, "a court asks for it")
    with pytest.raises(PolicyError, match="hold"):
        office.keeping.destroy(b"", case_id)
    office.keeping.set_hold(REPORTER, case_id, False, "it does not any more")
    office.keeping.destroy(b"", case_id)
    with pytest.raises(PolicyError):
        office.keeping.set_hold(ALICE, case_id, True, "mine")
    with pytest.raises(ConfigError):
        office.keeping.set_hold(LEAD, case_id, True, "too late")
    held = [one for one in office.house.desk.log.read() if one.record.kind == "case.hold"]
    assert held[0].private == {"reason": "a court asks for it"}


def test_the_database_itself_refuses_an_early_destruction(office: Office) -> None:
    case_id = _closed(office)
    (kept,) = office.keeping.list_kept()
    for at in (kept.preservation.until_at - 1, kept.preservation.until_at):
        early = at < kept.preservation.until_at
        mine = case_preservation.c.case_id == case_id
        try:
            with office.house.database.transaction() as connection:
                connection.execute(update(case_preservation).where(mine).values(destroyed_at=at))
        except StoreError:
            assert early
        else:
            assert not early


def test_destruction_leaves_no_content_and_a_proof(office: Office) -> None:
    case_id = _closed(office)
    manifest = office.house.desk.log.read(subject=case_id)
    digest = next(one for one in manifest if one.record.kind == "case.preserved").record.detail
    assert len(list(office.folder.iterdir())) == 2
    office.house.now += 2 * YEAR_S
    place = office.keeping.destroy(LEAD.operator_id, case_id)
    record = office.house.desk.log.read(place, place + 1)[0].record
    assert record.kind == "case.destroyed"
    assert record.detail["manifest"] == digest["manifest"]
    assert list(office.folder.iterdir()) == []
    with office.house.database.transaction() as connection:
        case = connection.execute(select(review_case)).one()
        items = connection.execute(select(schema.case_item.c.item_body)).scalars().all()
        bodies = connection.execute(select(case_decision.c.judgement_body)).scalars().all()
    assert case.sealed_key is None
    assert set(items) == {None}
    assert set(bodies) == {None}
    with pytest.raises(PolicyError, match="destroyed"):
        office.house.store.read_items(case_id, office.house.now)
    with pytest.raises(PolicyError, match="destroyed"):
        office.keeping.read_manifest(LEAD, case_id)
    with pytest.raises(PolicyError, match="closed"):
        office.keeping.destroy(b"", case_id)
    assert office.house.desk.log.verify().size == len(office.house.desk.log.read())


def test_a_rejected_case_need_not_be_kept(office: Office) -> None:
    case_id = office.house.open_case()
    office.house.decide(ALICE, case_id, Outcome.REJECT)
    office.house.decide(BOB, case_id, Outcome.REJECT)
    office.advance()
    assert office.keeping.destroy_due() == 1
    assert office.state(case_id) is CaseState.DESTROYED
    with pytest.raises(ConfigError):
        office.keeping.read_manifest(LEAD, b"?" * 16)


def test_files_without_a_report_are_swept_after_a_day(office: Office) -> None:
    office.reported()
    (office.folder / f"{bytes(16).hex()}.sealed").write_bytes(b"left over")
    office.house.now = int(time.time())
    assert sweep_files(office.house.desk, office.folder) == 0
    office.house.now += 2 * 86_400
    assert sweep_files(office.house.desk, office.folder) == 1
    assert len(list(office.folder.iterdir())) == 2


@pytest.mark.parametrize(
    ("at", "later"),
    [
        (0, 31_536_000),
        (1_709_164_800, 1_740_787_200),  # 2024-02-29 gives 2025-03-01
        (1_740_700_800, 1_772_236_800),  # 2025-02-28 gives 2026-02-28
    ],
)
def test_one_year_later(at: int, later: int) -> None:
    assert one_year_after(at) == later
