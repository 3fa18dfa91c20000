"""What a reviewer sees: no account, one recorded view at a time, within a budget."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import event, select

from tests.unit.casework.house import (
    ALICE,
    BOB,
    LEAD,
    REPORTER,
    House,
    jpeg,
    opened,
)
from veilmatch.casework.tables import case_view
from veilmatch.casework.viewing import CaseView, ItemView, read_view_events
from veilmatch.errors import ConfigError, PolicyError
from veilmatch.report.viewed import ViewedPart
from veilmatch.review.exposure import ExposurePolicy
from veilmatch.review.settings import ReviewPolicy

ACCOUNT = b"the account's ps"


def test_a_case_is_shown_with_why_it_matched(house: House) -> None:
    case_id = house.open_case(opened(1), opened(2), opened(3, picture=1, quality=60))
    house.queue.claim(ALICE, case_id)
    case = house.viewing.read_case(ALICE, case_id)
    assert case.round == 1
    assert len(case.items) == 3
    assert len(case.groups) == 2
    assert {item.distance for item in case.items} == {4}
    assert {item.sources for item in case.items} == {(("north", "DE"), ("west", "US"))}


def test_only_who_holds_a_case_sees_it(house: House) -> None:
    case_id = house.open_case()
    with pytest.raises(PolicyError):
        house.viewing.read_case(ALICE, case_id)
    house.queue.claim(ALICE, case_id)
    number = house.viewing.read_case(ALICE, case_id).items[0].number
    for who in (BOB, REPORTER):
        with pytest.raises(PolicyError):
            house.viewing.read_case(who, case_id)
        with pytest.raises(PolicyError):
            house.viewing.view_picture(who, case_id, number)
    house.now += house.policy.claim_s
    with pytest.raises(PolicyError):
        house.viewing.view_picture(ALICE, case_id, number)
    assert _views(house) == []


def _views(house: House) -> list[tuple[int, str]]:
    with house.database.transaction() as connection:
        rows = connection.execute(select(case_view).order_by(case_view.c.view_id)).all()
    return [(row.number, row.part) for row in rows]


def test_a_picture_is_given_with_its_view_recorded(house: House) -> None:
    case_id = house.open_case(opened(1))
    house.queue.claim(ALICE, case_id)
    number = house.viewing.read_case(ALICE, case_id).items[0].number
    assert house.viewing.view_picture(ALICE, case_id, number) == jpeg(1)
    assert _views(house) == [(number, "derivative")]
    assert house.desk.log.read(subject=case_id)[-1].record.kind == "case.viewed"
    assert house.viewing.read_case(ALICE, case_id).items[0].is_seen
    with pytest.raises(ConfigError):
        house.viewing.view_picture(ALICE, case_id, number ^ 1)


def test_no_view_no_picture(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    case_id = house.open_case(opened(1))
    house.queue.claim(ALICE, case_id)
    number = house.viewing.read_case(ALICE, case_id).items[0].number

    def fail(*args: object, **kwargs: object) -> None:
        raise PolicyError("the log is full")

    monkeypatch.setattr("veilmatch.privatelog.log.PrivateLog.append", fail)
    monkeypatch.setattr("veilmatch.casework.viewing.open_item", pytest.fail)
    with pytest.raises(PolicyError, match="the log is full"):
        house.viewing.view_picture(ALICE, case_id, number)
    assert _views(house) == []


def test_the_read_model_has_no_field_for_an_account() -> None:
    names = {one.name for kind in (CaseView, ItemView) for one in dataclasses.fields(kind)}
    assert not {name for name in names if "account" in name or "asset" in name}


def test_nothing_a_reviewer_reads_touches_the_account(house: House) -> None:
    case_id = house.open_case(opened(1), account=ACCOUNT)
    statements: list[str] = []
    parameters: list[object] = []

    def note(_c: object, _k: object, statement: str, given: object, *_: object) -> None:
        statements.append(statement)
        parameters.append(given)

    engine = house.database._engine
    event.listen(engine, "before_cursor_execute", note)
    house.queue.claim(ALICE, case_id)
    house.look(ALICE, case_id)
    house.queue.list_for(ALICE)
    event.remove(engine, "before_cursor_execute", note)
    assert statements
    assert not [one for one in statements if "case_file" in one]
    assert ACCOUNT not in repr(parameters).encode()


def test_the_account_is_hidden_until_confirmed(house: House) -> None:
    case_id = house.open_case(opened(1), account=ACCOUNT)
    for who in (LEAD, REPORTER):
        with pytest.raises(PolicyError, match="hidden"):
            house.viewing.read_account(who, case_id)
    house.decide(ALICE, case_id)
    with pytest.raises(PolicyError, match="hidden"):
        house.viewing.read_account(REPORTER, case_id)
    house.decide(BOB, case_id)
    with pytest.raises(PolicyError):  # reviewers never
        house.viewing.read_account(ALICE, case_id)
    assert house.viewing.read_account(REPORTER, case_id) == ACCOUNT
    assert house.desk.log.read(subject=case_id)[-1].record.kind == "case.identified"


def test_the_budget_ends_the_day(house: House) -> None:
    house.policy = ReviewPolicy(exposure=ExposurePolicy(budget=2))
    case_id = house.open_case(opened(1))
    house.queue.claim(ALICE, case_id)
    (group,) = house.viewing.read_case(ALICE, case_id).groups
    for left in (1, 0):
        house.viewing.view_picture(ALICE, case_id, group)
        assert house.viewing.measure(ALICE).left == left
    with pytest.raises(PolicyError, match="budget"):
        house.viewing.view_picture(ALICE, case_id, group)
    assert len(_views(house)) == 2
    house.now += 86_400
    house.queue.claim(ALICE, case_id)
    house.viewing.view_picture(ALICE, case_id, group)


def test_a_break_is_enforced(house: House) -> None:
    house.policy = ReviewPolicy(claim_s=86_400)
    case_id = house.open_case(opened(1))
    house.queue.claim(ALICE, case_id)
    (group,) = house.viewing.read_case(ALICE, case_id).groups
    for _ in range(10):
        house.viewing.view_picture(ALICE, case_id, group)
        house.now += 300
    with pytest.raises(PolicyError, match="break"):
        house.viewing.view_picture(ALICE, case_id, group)
    house.now += 600
    house.viewing.view_picture(ALICE, case_id, group)


def test_originals_come_from_the_platform_alone(house: House) -> None:
    case_id = house.open_case(opened(1), account=ACCOUNT)
    house.queue.claim(ALICE, case_id)
    (group,) = house.viewing.read_case(ALICE, case_id).groups
    with pytest.raises(PolicyError, match="no originals"):
        house.viewing.view_picture(ALICE, case_id, group, ViewedPart.ORIGINAL)
    asked = []

    def fetch(account: bytes, asset_id: bytes, part: ViewedPart) -> bytes:
        asked.append((account, asset_id, part))
        return b"the file"

    house.fetch = fetch
    assert house.viewing.view_picture(ALICE, case_id, group, ViewedPart.ORIGINAL) == b"the file"
    assert asked == [(ACCOUNT, (1).to_bytes(16, "big"), ViewedPart.ORIGINAL)]
    assert house.viewing.measure(ALICE).used == 4
    with house.database.transaction() as connection:
        (seen,) = read_view_events(connection, case_id)
    assert (seen.file_key, seen.part) == (str(group), ViewedPart.ORIGINAL)
