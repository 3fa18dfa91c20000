"""Appeals: by the platform or a token, decided by somebody who has not decided before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.unit.casework.following import Office
from tests.unit.casework.house import ALICE, BOB, BOTH, LEAD, REPORTER, House, opened
from veilmatch.casework.after.appeals import AppealState
from veilmatch.casework.after.feedback import (
    NEGATIVE_LIST,
    FeedbackSender,
    FeedbackSettings,
)
from veilmatch.casework.tables import case_appeal, case_decision, case_feedback
from veilmatch.errors import ConfigError, DuplicateError, InputError, PolicyError
from veilmatch.hashing.hasher import ImageHash
from veilmatch.hashlist.entry import KNOWN_BAD, ListEntry, ListSource, Record
from veilmatch.liststore.exchange.outbox import Outbox as FeedbackOutbox
from veilmatch.liststore.list_folder import ListFolder
from veilmatch.liststore.promotion import promote
from veilmatch.liststore.staging import ImportOptions, stage_import
from veilmatch.matching.share import Share
from veilmatch.opening.unseal import OpenedItem
from veilmatch.review.decision import AppealOutcome, Outcome
from veilmatch.review.states import CaseState
from veilmatch.voucher.associated_data import AssociatedData

ACCOUNT, OTHER_ACCOUNT = b"a" * 16, b"b" * 16
WORDS = "That is my own drawing.\nPlease look again."


@pytest.fixture
def office(house: House, tmp_path: Path) -> Office:
    return Office(house, tmp_path)


def test_an_appeal_is_upheld(office: Office) -> None:
    case_id = office.reported(ACCOUNT)
    office.appeals.receive_from_platform(case_id, ACCOUNT, WORDS)
    assert office.state(case_id) is CaseState.APPEALED
    assert [one.state for one in office.house.queue.list_for(LEAD)] == [CaseState.APPEALED]
    office.house.queue.claim(LEAD, case_id)
    assert office.appeals.read_text(LEAD, case_id) == WORDS
    assert office.house.viewing.read_case(LEAD, case_id).round == 4
    office.house.look(LEAD, case_id)
    assert office.appeals.decide(LEAD, case_id, AppealOutcome.UPHOLD) is CaseState.UPHELD
    assert office.kinds()[-1:] == ["appeal.decided"]
    assert "account.reinstate" not in office.kinds()
    assert office.advance().closed == 1


def test_an_appeal_reinstates(office: Office) -> None:
    case_id = office.reported(ACCOUNT)
    office.appeals.receive_from_platform(case_id, ACCOUNT, WORDS)
    state = office.decide_appeal(case_id, AppealOutcome.REINSTATE)
    assert state is CaseState.REINSTATED
    assert office.kinds()[-2:] == ["account.reinstate", "appeal.decided"]
    with office.house.database.transaction() as connection:
        (row,) = connection.execute(select(case_feedback)).all()
    assert (row.case_id, row.state) == (case_id, "queued")


def test_the_words_are_sealed(office: Office) -> None:
    case_id = office.reported(ACCOUNT)
    office.appeals.receive_from_platform(case_id, ACCOUNT, WORDS)
    with office.house.database.transaction() as connection:
        (row,) = connection.execute(select(case_appeal)).all()
    assert b"drawing" not in row.text_body
    for who in (LEAD, REPORTER, ALICE):
        with pytest.raises(PolicyError):
            office.appeals.read_text(who, case_id)


def test_who_decided_before_does_not_decide_the_appeal(office: Office) -> None:
    case_id = office.house.open_case(account=ACCOUNT)
    office.house.decide(BOTH, case_id)
    office.house.decide(BOB, case_id, Outcome.REJECT)
    office.house.decide(LEAD, case_id)
    office.send()
    office.advance()
    office.appeals.receive_from_platform(case_id, ACCOUNT, WORDS)
    for who in (BOTH, LEAD, BOB, REPORTER):
        with pytest.raises(PolicyError):
            office.house.queue.claim(who, case_id)
        with pytest.raises(PolicyError):
            office.appeals.decide(who, case_id, AppealOutcome.UPHOLD)
    with office.house.database.transaction() as connection:
        rows = connection.execute(select(case_decision.c.reviewer)).scalars().all()
    assert len(set(rows)) == 3


def test_only_the_accounts_own_confirmed_case_can_be_appealed(office: Office) -> None:
    case_id = office.house.open_case(account=ACCOUNT)
    with pytest.raises(ConfigError):
        office.appeals.receive_from_platform(case_id, ACCOUNT, WORDS)
    with pytest.raises(ConfigError):
        office.appeals.make_token(case_id, ACCOUNT, 60)
    office.house.confirm(case_id)
    for account, case in ((OTHER_ACCOUNT, case_id), (ACCOUNT, b"?" * 16)):
        with pytest.raises(ConfigError):
            office.appeals.receive_from_platform(case, account, WORDS)
        with pytest.raises(ConfigError):
            office.appeals.make_token(case, account, 60)


def test_an_appeal_before_the_receipt_waits(office: Office) -> None:
    case_id = office.house.open_case(account=ACCOUNT)
    office.house.confirm(case_id)
    office.appeals.receive_from_platform(case_id, ACCOUNT, WORDS)
    assert office.state(case_id) is CaseState.CONFIRMED
    office.send()
    done = office.advance()
    assert (done.reported, done.appealed) == (1, 1)
    assert office.state(case_id) is CaseState.APPEALED


@pytest.mark.parametrize("text", ["", "  \n", "x" * 10_001])
def test_an_objection_has_words(office: Office, text: str) -> None:
    case_id = office.reported(ACCOUNT)
    with pytest.raises(InputError):
        office.appeals.receive_from_platform(case_id, ACCOUNT, text)


def test_there_is_one_objection_and_a_time_for_it(office: Office) -> None:
    case_id = office.reported(ACCOUNT)
    office.appeals.receive_from_platform(case_id, ACCOUNT, WORDS)
    with pytest.raises(DuplicateError):
        office.appeals.receive_from_platform(case_id, ACCOUNT, WORDS)
    other = office.reported(OTHER_ACCOUNT)
    office.house.now += office.house.policy.appeal_s
    office.advance()
    with pytest.raises(PolicyError, match="time"):
        office.appeals.receive_from_platform(other, OTHER_ACCOUNT, WORDS)


def test_a_token_is_the_users_way(office: Office) -> None:
    case_id = office.reported(ACCOUNT)
    token = office.appeals.make_token(case_id, ACCOUNT, 3600)
    assert case_id.hex() not in token
    assert office.appeals.state_by_token(token) == AppealState(True, "none")
    office.appeals.receive_by_token(token, WORDS)
    assert office.appeals.state_by_token(token) == AppealState(False, "open")
    office.decide_appeal(case_id, AppealOutcome.REINSTATE)
    assert office.appeals.state_by_token(token) == AppealState(False, "reinstated")
    office.house.now += 3600
    with pytest.raises(PolicyError):
        office.appeals.state_by_token(token)


def test_a_token_cannot_be_made_by_others(office: Office) -> None:
    token = office.appeals.make_token(office.reported(ACCOUNT), ACCOUNT, 3600)
    changed = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    for forged in ("", "x", "ü", token[:-4], changed, token + "AAAA", "A" * 300):
        with pytest.raises(PolicyError):
            office.appeals.receive_by_token(forged, WORDS)


# -- what the lists are told ---------------------------------------------------------------

PDQ = bytes(range(32))


def _lists(folder: Path) -> ListFolder:
    lists, now = ListFolder(folder), datetime.now(UTC)
    source = ListSource("north", "test", "DE", KNOWN_BAD, "csv")
    entry = ListEntry(Record(1, entry_id="entry-1", member="member-1"), "pdq", PDQ)
    other = ListEntry(Record(2, entry_id="entry-2", member="member-1"), "pdq", bytes(32))
    stage_import(lists, "north", source, [[entry, other]], ImportOptions(), now)
    promote(lists, "north", now)
    return lists


def _wrong_match() -> OpenedItem:
    right = opened(1)
    encoded = ImageHash(1, 256, PDQ).to_bytes()
    share = Share(right.share.asset_id, right.share.release_id, b"", b"", b"", b"")
    return OpenedItem(share, AssociatedData(encoded, right.data.derivative))


def test_a_wrong_match_is_told_and_does_not_match_again(office: Office, tmp_path: Path) -> None:
    lists = _lists(tmp_path / "lists")
    house = office.house
    case_id = house.open_case(_wrong_match(), account=ACCOUNT)
    house.confirm(case_id)
    office.send()
    office.advance()
    office.appeals.receive_from_platform(case_id, ACCOUNT, WORDS)
    office.decide_appeal(case_id, AppealOutcome.REINSTATE)
    sender = FeedbackSender(house.desk, lists, FeedbackSettings({"north": ("7",)}))
    assert sender.run() == 1
    assert sender.run() == 0
    (told,) = FeedbackOutbox(lists.open("north")).list_waiting()
    assert b"entry-1" in told.read_bytes()
    assert b"negative" in told.read_bytes()
    negative = lists.open(NEGATIVE_LIST)
    assert negative.read_source().polarity == "negative"
    assert negative.live_version == 1
    last = house.desk.log.read(subject=case_id)[-1].record
    assert (last.kind, last.detail) == ("feedback.given", {"entries": 1})
    with house.database.transaction() as connection:
        (row,) = connection.execute(select(case_feedback)).all()
    assert row.hashes_body is None
