"""Two distinct people decide; the database itself refuses everything else."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, select, update

from tests.unit.casework.house import (
    ABUSE,
    ALICE,
    BOB,
    LEAD,
    House,
    jpeg,
    judgement,
    opened,
)
from veilmatch.casework.golden import add_golden, retire_golden
from veilmatch.casework.tables import (
    case_decision,
    case_event,
    golden_score,
    review_case,
    review_item,
)
from veilmatch.errors import ConfigError, InputError, PolicyError, StoreError
from veilmatch.opening.case import Opening
from veilmatch.privatelog.log import LogEntry
from veilmatch.review.decision import Classification, Judgement, Mark, Outcome, Reason, Scheme
from veilmatch.review.settings import ReviewPolicy
from veilmatch.review.states import TRANSITIONS, CaseState
from veilmatch.store import schema
from veilmatch.voucher.associated_data import pack_associated_data

OTHER = Classification(Scheme.PLAIN, "other")


def _kinds(house: House, case_id: bytes) -> list[str]:
    read = house.desk.log.read(subject=case_id)
    return [one.record.kind for one in read if one.record.kind != "case.viewed"]


def test_two_who_agree_confirm(house: House) -> None:
    case_id = house.open_case()
    house.confirm(case_id)
    assert _kinds(house, case_id) == [
        "case.opened",
        "case.hash_confirmed",
        "case.claimed",
        "case.first_decided",
        "claim.taken",
        "case.second_decided",
        "case.confirmed",
    ]
    assert house.desk.log.verify().size == len(house.desk.log.read())


def test_two_who_agree_reject(house: House) -> None:
    case_id = house.open_case()
    house.decide(ALICE, case_id, Outcome.REJECT)
    assert house.decide(BOB, case_id, Outcome.REJECT) is CaseState.REJECTED


@pytest.mark.parametrize("outcome", [Outcome.CONFIRM, Outcome.REJECT])
def test_a_lead_decides_where_two_differ(house: House, outcome: Outcome) -> None:
    case_id = house.open_case()
    house.decide(ALICE, case_id, Outcome.CONFIRM)
    assert house.decide(BOB, case_id, Outcome.ESCALATE) is CaseState.ESCALATED
    with pytest.raises(PolicyError, match="a lead confirms or rejects"):
        house.decide(LEAD, case_id, Outcome.ESCALATE)
    wanted = {Outcome.CONFIRM: CaseState.CONFIRMED, Outcome.REJECT: CaseState.REJECTED}
    assert house.decide(LEAD, case_id, outcome) is wanted[outcome]


def test_nobody_decides_what_they_do_not_hold(house: House) -> None:
    case_id = house.open_case()
    with pytest.raises(PolicyError, match="does not hold"):
        house.decisions.decide(ALICE, case_id, judgement((), Outcome.REJECT))
    house.queue.claim(ALICE, case_id)
    with pytest.raises(PolicyError, match="does not hold"):
        house.decisions.decide(BOB, case_id, judgement((), Outcome.REJECT))


def test_nobody_marks_what_they_did_not_look_at(house: House) -> None:
    case_id = house.open_case()
    house.queue.claim(ALICE, case_id)
    groups = house.viewing.read_case(ALICE, case_id).groups
    house.viewing.view_picture(ALICE, case_id, groups[0])
    with pytest.raises(InputError, match="not looked at"):
        house.decisions.decide(ALICE, case_id, judgement(groups, Outcome.CONFIRM))
    with pytest.raises(InputError, match="no such group"):
        house.decisions.decide(ALICE, case_id, judgement((2**40,), Outcome.CONFIRM))
    house.decisions.decide(ALICE, case_id, judgement(groups[:1], Outcome.CONFIRM))


def test_notes_are_sealed_and_their_digest_is_in_the_log(house: House) -> None:
    case_id = house.open_case()
    house.decide(ALICE, case_id, note="zwölf Worte\nfor a colleague")
    with house.database.transaction() as connection:
        row = connection.execute(select(case_decision)).one()
    assert b"colleague" not in row.judgement_body
    said = house.desk.log.read()[-1].record.detail
    assert (said["outcome"], said["round"]) == ("confirm", 1)
    assert said["decided_at"] == house.now == int(str(said["claimed_at"])) + 60


def test_new_matches_go_to_the_open_case_and_later_ones_to_a_new_one(house: House) -> None:
    account = b"a" * 16
    case_id = house.open_case(opened(1), account=account)
    house.store.save_opening(account, _opening(1, 2), house.now, [True, True])
    house.queue.claim(ALICE, case_id)
    assert len(house.viewing.read_case(ALICE, case_id).items) == 2
    house.queue.release(ALICE, case_id)
    house.confirm(case_id)
    house.store.save_opening(account, _opening(1, 2), house.now, [True, True])
    assert len(house.store.list_cases()) == 1  # nothing new
    house.store.save_opening(account, _opening(1, 2, 3), house.now, [True] * 3)
    counts = {one.case_id: one.item_count for one in house.store.list_cases()}
    assert sorted(counts.values()) == [1, 2]
    assert house.store.item_count(account) == 3


def _opening(*assets: int) -> Opening:
    return Opening(tuple(opened(asset) for asset in assets), 0, 0)


def test_without_a_second_hash_nobody_looks(house: House) -> None:
    house.store.save_opening(b"a" * 16, _opening(1), house.now)
    (case,) = house.store.list_cases()
    assert case.state == "opened"
    assert house.queue.list_for(ALICE) == []
    with pytest.raises(PolicyError):
        house.queue.claim(ALICE, case.case_id)
    house.store.save_opening(b"a" * 16, _opening(1), house.now, [True])
    assert house.queue.list_for(ALICE)


def test_what_the_second_hash_refuses_is_in_the_log_without_a_trace(house: House) -> None:
    for _ in range(2):
        house.store.queue_for_operator(b"a" * 16, "second hash", house.now)
    (entry,) = house.desk.log.read()
    assert (entry.record.kind, entry.record.detail) == (
        "opening.refused",
        {"reason": "second hash"},
    )
    assert entry.record.subject != b"a" * 16


def test_golden_pictures_are_scored_apart(house: House) -> None:
    house.policy = ReviewPolicy(golden_per_case=1)
    golden = add_golden(house.desk, jpeg(90), OTHER, b"")
    case_id = house.open_case(opened(1))
    house.queue.claim(ALICE, case_id)
    items = house.viewing.read_case(ALICE, case_id).items
    assert len(items) == 2
    pictures = {
        item.number: house.viewing.view_picture(ALICE, case_id, item.number) for item in items
    }
    assert set(pictures.values()) == {jpeg(1), jpeg(90)}
    marks = tuple(
        Mark(item.group, ABUSE if pictures[item.number] == jpeg(1) else OTHER) for item in items
    )
    house.decisions.decide(ALICE, case_id, Judgement(Outcome.CONFIRM, Reason.SHOWS_ABUSE, marks))
    with house.database.transaction() as connection:
        (score,) = connection.execute(select(golden_score)).all()
        stored = connection.execute(select(review_item.c.reviewer)).scalars().all()
    assert score.is_right
    assert stored.count(ALICE.operator_id) == 1
    # A second reviewer who calls it abuse, and nothing else, confirms nothing.
    house.queue.claim(BOB, case_id)
    other = next(
        item
        for item in house.viewing.read_case(BOB, case_id).items
        if house.viewing.view_picture(BOB, case_id, item.number) == jpeg(90)
    )
    with pytest.raises(InputError):
        house.decisions.decide(BOB, case_id, judgement((other.group,), Outcome.CONFIRM))
    retire_golden(house.desk, golden, b"")
    with pytest.raises(ConfigError):
        retire_golden(house.desk, b"?" * 16, b"")


def test_a_golden_picture_is_harmless(house: House) -> None:
    with pytest.raises(ConfigError):
        add_golden(house.desk, jpeg(90), ABUSE, b"")


# -- what the database refuses by itself ---------------------------------------------------


def _try(house: House, statement: object) -> bool:
    """Try a statement; False if a constraint refuses it."""
    try:
        with house.database.transaction() as connection:
            connection.execute(statement)  # type: ignore[call-overload]
    except StoreError:
        return False
    return True


def _event(house: House, case_id: bytes, old: CaseState, new: CaseState) -> bool:
    """Try to add an event to a case by hand; undone at the end."""
    with house.database.transaction() as connection:
        row = connection.execute(select(review_case).where(review_case.c.case_id == case_id)).one()
        place = house.desk.log.append(connection, _entry())
    added = _try(
        house,
        insert(case_event).values(
            case_id=case_id,
            number=row.event_number + 1,
            previous=row.event_number,
            from_state=old.value,
            to_state=new.value,
            at=0,
            actor=b"",
            log_place=place,
        ),
    )
    mine = (case_event.c.case_id == case_id) & (case_event.c.number == row.event_number + 1)
    assert _try(house, delete(case_event).where(mine))
    return added


def _entry() -> LogEntry:
    return LogEntry("test.made", b"", b"")


def test_the_database_knows_every_step_and_no_other(house: House) -> None:
    case_id = house.open_case()
    reached = CaseState.HASH_CONFIRMED
    for old in CaseState:
        for new in CaseState:
            allowed = old is reached and (old, new) in TRANSITIONS
            assert _event(house, case_id, old, new) is allowed, (old, new)


def test_a_case_cannot_stand_where_no_event_led(house: House) -> None:
    case_id = house.open_case()
    mine = review_case.c.case_id == case_id
    for state in CaseState:
        moved = _try(house, update(review_case).where(mine).values(state=state.value))
        assert moved is (state is CaseState.HASH_CONFIRMED), state
    assert not _try(house, update(review_case).where(mine).values(event_number=0))
    assert not _try(house, update(review_case).where(mine).values(sealed_key=None))


def test_a_history_has_no_second_end(house: House) -> None:
    case_id = house.open_case()
    house.decide(ALICE, case_id)
    with house.database.transaction() as connection:
        row = connection.execute(select(case_event).where(case_event.c.number == 2)).one()
        place = house.desk.log.append(connection, _entry())
    again = {**row._mapping, "log_place": place}
    assert not _try(house, insert(case_event).values(**again))
    assert not _try(house, insert(case_event).values(**{**again, "number": 9}))
    assert not _try(house, insert(case_event).values(**{**again, "number": 9, "previous": 8}))


@pytest.mark.parametrize(
    "values",
    [
        {"round": 2, "reviewer": ALICE.operator_id},  # the same person
        {"round": 1, "reviewer": BOB.operator_id},  # the same round
        {"round": 5, "reviewer": BOB.operator_id},
        {"round": 3, "reviewer": BOB.operator_id, "outcome": "escalate"},
        {"round": 4, "reviewer": BOB.operator_id, "outcome": "confirm"},
        {"round": 2, "reviewer": BOB.operator_id, "outcome": "uphold"},
    ],
)
def test_the_database_refuses_a_decision_that_may_not_be(
    house: House, values: dict[str, object]
) -> None:
    case_id = house.open_case()
    house.decide(ALICE, case_id)
    with house.database.transaction() as connection:
        row = connection.execute(select(case_decision)).one()
        place = house.desk.log.append(connection, _entry())
    good = {
        **row._mapping,
        "log_place": place,
        "round": 2,
        "reviewer": BOB.operator_id,
        "case_id": case_id,
    }
    assert not _try(house, insert(case_decision).values(**{**good, **values}))
    assert _try(house, insert(case_decision).values(**good))


def test_an_account_has_one_open_case(house: House) -> None:
    house.open_case(account=b"a" * 16)
    values = {"case_id": b"x" * 16, "account": b"a" * 16, "state": "opened", "opened_day": 1}
    assert not _try(house, insert(schema.case_file).values(**values))
    assert _try(house, insert(schema.case_file).values(**{**values, "state": "ended"}))


def test_a_case_of_version_0_1_is_adopted(house: House) -> None:
    case_id, asset_id = b"o" * 16, (1).to_bytes(16, "big")
    packed = pack_associated_data(opened(1).data)
    sealed = house.crypter.seal(packed, "case_item", case_id + asset_id, "item")
    with house.database.transaction() as connection:
        connection.execute(
            insert(schema.case_file).values(
                case_id=case_id, account=b"a" * 16, state="opened", opened_day=1
            )
        )
        connection.execute(
            insert(schema.case_item).values(
                case_id=case_id, asset_id=asset_id, sealed_item=sealed, second_hash_agrees=None
            )
        )
    assert house.store.adopt(house.now) == 1
    assert house.store.adopt(house.now) == 0
    (case,) = house.store.list_cases()
    assert (case.case_id, case.state, case.item_count) == (case_id, "opened", 1)
    assert house.store.read_items(case_id, house.now)[0].derivative == jpeg(1)
    house.store.save_opening(b"a" * 16, _opening(1, 2), house.now, [True, True])
    house.confirm(case_id)
